//! One model list for SDKs and Codex, asked for once and kept.

use std::time::Duration;

use codex_profiles::{CodexHome, ProfileStore};
use codex_proxy::{server::Server, upstream::Targets};
use fake_openai::{FakeOpenAi, Fault};

use crate::harness::{Answer, Home, World, client, fake, worker};

const VERSION: &str = "client_version=0.169.0";

fn lists_asked_for(world: &World) -> usize {
    world.fake.requests_to("/models").len()
}

#[tokio::test]
async fn it_satisfies_sdks_and_codex_alike() {
    let world = World::two_accounts();
    let answer = Answer::to(world.router.get("/v1/models")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list = answer.json();
    assert_eq!(list["object"], "list");
    let model = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["id"] == "gpt-5.2-codex");
    let model = model.unwrap();
    assert_eq!(model["object"], "model");
    assert!(model["created"].is_i64() && model["owned_by"].is_string());
    let entry = &list["models"][0];
    assert!(
        entry["slug"].is_string() && entry.as_object().unwrap().len() > 5,
        "the whole entry"
    );
    assert_eq!(answer.served_by(), ("work", "current"));
}

#[tokio::test]
async fn one_model_can_be_asked_for_and_an_unknown_one_is_404() {
    let world = World::two_accounts();
    let one = Answer::to(world.router.get("/v1/models/gpt-5.2-codex")).await;
    assert_eq!(
        (one.status, one.json()["id"].as_str()),
        (200, Some("gpt-5.2-codex"))
    );
    let none = Answer::to(world.router.get("/v1/models/gpt-99/beta")).await;
    assert_eq!(none.error(404), "model_not_found");
}

#[tokio::test]
async fn it_is_asked_for_once_for_each_profile_and_version() {
    let world = World::two_accounts();
    for _ in 0..3 {
        let request = world.router.get(&format!("/v1/models?{VERSION}"));
        assert_eq!(Answer::to(request).await.status, 200);
    }
    assert_eq!(lists_asked_for(&world), 1);
    assert_eq!(world.fake.requests_to("/models")[0].query, VERSION);
    let other = world
        .router
        .get(&format!("/v1/models?{VERSION}"))
        .header("x-codex-profile", "other");
    assert_eq!(Answer::to(other).await.served_by(), ("other", "header"));
    let asked: Vec<_> = world
        .fake
        .requests_to("/models")
        .into_iter()
        .map(|request| request.account)
        .collect();
    assert_eq!(
        asked,
        [Some("acct-work".to_owned()), Some("acct-other".to_owned())]
    );
}

#[tokio::test]
async fn its_etag_is_strong_and_saves_the_body() {
    let world = World::two_accounts();
    let first = Answer::to(world.router.get("/v1/models")).await;
    let etag = first.header("etag").unwrap();
    assert!(etag.starts_with('"'));
    let again = world.router.get("/v1/models").header("if-none-match", etag);
    let again = Answer::to(again).await;
    assert_eq!(
        (again.status, again.header("etag"), again.bytes.len()),
        (304, Some(etag), 0)
    );
    let changed = world
        .router
        .get("/v1/models")
        .header("if-none-match", "\"other\"");
    assert_eq!(Answer::to(changed).await.status, 200);
}

#[tokio::test]
async fn an_error_of_the_upstream_is_passed_on_and_not_kept() {
    let world = World::two_accounts();
    world.fake.fault(Fault::server_error().path("/models"));
    let answer = Answer::to(world.router.get("/v1/models")).await;
    answer.error(500);
    assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
    assert_eq!(Answer::to(world.router.get("/v1/models")).await.status, 200);
}

#[tokio::test]
async fn an_api_key_has_the_list_of_the_public_api_in_the_same_shape() {
    let world = World::api_key();
    let list = Answer::to(world.router.get("/v1/models")).await.json();
    let ids: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert!(
        ids.iter().any(|id| **id == "text-embedding-3-small"),
        "{ids:?}"
    );
    assert!(list["models"].is_array());
    assert_eq!(world.fake.requests_to("/v1/models").len(), 1);
}

#[tokio::test]
async fn it_follows_a_switch_at_once() {
    let world = World::two_accounts();
    Answer::to(world.router.get("/v1/models")).await;
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    assert_eq!(
        Answer::to(world.router.get("/v1/models")).await.served_by(),
        ("other", "current")
    );
    assert_eq!(lists_asked_for(&world), 2);
}

/// A server in this very process, whose clock can be moved.
async fn served_here(home: &Home, fake: &FakeOpenAi) -> String {
    let targets = Targets::new(&fake.chatgpt_base_url(), &fake.openai_base_url()).unwrap();
    let store = ProfileStore::open(CodexHome::at(home.path(""))).unwrap();
    let server = Server::builder(store).targets(targets).build().unwrap();
    let bound = server.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("{}/v1/models", bound.address().url());
    tokio::spawn(bound.serve(std::future::pending()));
    url
}

#[tokio::test]
async fn an_old_list_serves_while_the_upstream_fails_and_is_renewed_after() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let (url, client) = (served_here(&home, &fake).await, client());
    let first = Answer::to(client.get(&url)).await;
    assert_eq!(first.status, 200, "{}", first.text());
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(6)).await;
    tokio::time::resume();
    for (fault, asked) in [
        (Some(Fault::server_error().path("/models")), 2),
        (None, 3),
        (None, 3),
    ] {
        if let Some(fault) = fault {
            fake.fault(fault);
        }
        let again = Answer::to(client.get(&url)).await;
        assert_eq!((again.status, again.bytes == first.bytes), (200, true));
        assert_eq!(fake.requests_to("/models").len(), asked);
    }
}
