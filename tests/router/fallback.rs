//! Another profile serves when the current one's limit is reached: only if a person has set it, only
//! then, and only so often.

use codex_profiles::{CodexHome, Fallback, ProfileStore, State};
use fake_openai::Fault;
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

use crate::harness::{Answer, MODEL, Router, World, access_token, fake, read_json, until, worker};

/// A turn of a real Codex CLI, its texts shortened.
const BODY: &str = include_str!("../data/codex-request.json");
const HEADERS: &str = include_str!("../data/codex-headers.json");

/// `work`, which is current and has reached its limit; `key`, an API key; `other`, an account.
fn world() -> World {
    let fake = fake();
    let other = fake_openai::Account::new("user-other", "acct-other");
    let profiles = [
        ("work", fake.auth_json(&worker())),
        ("key", fake.api_key_auth_json("sk-key-of-the-test")),
        ("other", fake.auth_json(&other)),
    ];
    let world = World::with(fake, &profiles);
    world.fake.fault(limit_of_work());
    world
}

fn limit_of_work() -> Fault {
    Fault::usage_limit_reached("plus", 3600)
        .account("acct-work")
        .always()
}

impl World {
    /// Sets it as the program itself does, under its lock: it may be writing too.
    pub(crate) async fn fallback_to(&self, profile: &str) {
        self.set(json!({"profiles": [profile]})).await;
    }

    async fn set(&self, fallback: Value) {
        let fallback: Fallback = serde_json::from_value(fallback).unwrap();
        let store = ProfileStore::open(CodexHome::at(self.home.path(""))).unwrap();
        let set = move |state: &mut State| state.set_fallback(Some(&fallback));
        store.update_state(set).await.unwrap();
    }

    /// Whom the upstreams were asked for, in order.
    fn asked(&self) -> Vec<String> {
        let calls = self.fake.model_calls().into_iter();
        calls
            .map(|call| call.account.unwrap_or_else(|| "key".to_owned()))
            .collect()
    }
}

fn responses(world: &World) -> RequestBuilder {
    let body = json!({"model": MODEL, "input": "hello"});
    world.router.post("/v1/responses", &body)
}

/// As Codex sends it: packed, with its own headers.
fn codex(world: &World, body: &str) -> RequestBuilder {
    let pairs: Vec<(String, String)> = serde_json::from_str(HEADERS).unwrap();
    let headers: HeaderMap = pairs
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let client = &world.router.client;
    client
        .post(world.router.url("/v1/responses"))
        .headers(headers)
        .header("content-encoding", "zstd")
        .body(zstd::encode_all(body.as_bytes(), 3).unwrap())
}

#[tokio::test]
async fn nothing_falls_back_until_it_is_set() {
    let world = world();
    let answer = Answer::to(world.router.say("hello")).await;
    answer.error(429);
    assert_eq!(answer.served_by(), ("work", "current"));
    assert_eq!(world.asked(), ["acct-work"]);
}

#[tokio::test]
async fn every_kind_of_request_is_served_by_the_key_when_the_limit_is_reached() {
    let world = world();
    world.set(json!({"profiles": ["key"]})).await;
    for request in [
        world.router.say("hello"),
        world.router.say_streaming("hello"),
        responses(&world),
        codex(&world, BODY.trim_end()),
    ] {
        world.fake.forget_requests();
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.complete);
        assert_eq!(answer.served_by(), ("key", "fallback"));
        let calls = world.fake.model_calls();
        assert_eq!(calls.len(), 2, "once each");
        assert_eq!(calls[0].account.as_deref(), Some("acct-work"));
        assert_eq!(calls[1].bearer(), Some("sk-key-of-the-test"));
        assert_eq!(calls[1].header("chatgpt-account-id"), None);
    }
    let said = "a request was served by `key`, since `work` could not serve it";
    until("it is told", || world.router.printed().contains(said)).await;
}

#[tokio::test]
async fn what_the_other_account_has_thought_stays_behind() {
    let world = world();
    world.fake.clear_faults();
    let body = json!({"model": MODEL, "input": [user("think first")],
                      "include": ["reasoning.encrypted_content"]});
    let turn = |body: &Value| {
        let request = world.router.post("/v1/responses", body);
        request.header("thread-id", "thread-1")
    };
    let first = Answer::to(turn(&body)).await;
    let mut input = vec![user("think first")];
    input.extend(first.json()["output"].as_array().unwrap().clone());
    input.push(user("and now"));
    assert!(input[1]["encrypted_content"].is_string());
    world.set(json!({"profiles": ["key"]})).await;
    world.fake.fault(limit_of_work());
    for _ in 0..2 {
        let answer = Answer::to(turn(&json!({"model": MODEL, "input": input}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.served_by(), ("key", "fallback"));
    }
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

#[tokio::test]
async fn the_profiles_are_asked_in_their_order() {
    let world = world();
    world
        .set(json!({"profiles": ["gone", "other", "key"]}))
        .await;
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.served_by(), ("other", "fallback"));
    let limit = Fault::usage_limit_reached("plus", 60).account("acct-other");
    world.fake.fault(limit);
    world.fake.forget_requests();
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.served_by(), ("key", "fallback"));
    assert_eq!(world.asked()[..2], ["acct-work", "acct-other"]);
}

#[tokio::test]
async fn a_request_that_names_its_profile_never_moves() {
    let world = world();
    world
        .set(json!({"profiles": ["key", "other"], "on_needs_login": true}))
        .await;
    for (name, value, reason) in [
        ("x-codex-profile", "work", "header"),
        ("authorization", "Bearer profile:work", "key"),
    ] {
        let answer = Answer::to(world.router.say("hello").header(name, value)).await;
        answer.error(429);
        assert_eq!(answer.served_by(), ("work", reason));
    }
    assert_eq!(world.asked(), ["acct-work", "acct-work"]);
}

#[tokio::test]
async fn a_client_key_that_is_bound_to_a_profile_never_moves_and_another_does() {
    let world = world();
    let set = json!({"fallback": {"profiles": ["key"]}});
    let token = read_text(&world.home.path("router/control.token"));
    let changed = world.router.client.patch(world.router.url("/api/settings"));
    let changed = Answer::to(changed.bearer_auth(&token).json(&set)).await;
    assert_eq!(changed.json()["fallback"]["daily_requests"], 200);
    let make = async |body: Value| {
        let made = world.router.post("/api/keys", &body).bearer_auth(&token);
        Answer::to(made).await.json()["key"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let bound = make(json!({"name": "bound", "profile": "work"})).await;
    let free = make(json!({"name": "free"})).await;
    let answer = Answer::to(world.router.say("hello").bearer_auth(bound)).await;
    answer.error(429);
    assert_eq!(answer.served_by(), ("work", "key"));
    assert_eq!(world.asked(), ["acct-work"]);
    let answer = Answer::to(world.router.say("hello").bearer_auth(free)).await;
    assert_eq!(
        (answer.status, answer.served_by()),
        (200, ("key", "fallback"))
    );
}

fn read_text(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.trim().to_owned()
}

#[tokio::test]
async fn no_other_failure_moves_a_request() {
    let world = world();
    world.set(json!({"profiles": ["key"]})).await;
    for fault in [
        Fault::rate_limit_exceeded(1),
        Fault::status(500).json(json!({"error": {"message": "m", "code": "usage_limit_reached"}})),
        Fault::status(403).json(json!({"detail": "usage_limit_reached"})),
        Fault::cloudflare(),
        Fault::overloaded(),
        Fault::refused(),
    ] {
        world.fake.clear_faults();
        world.fake.fault(fault.account("acct-work"));
        let answer = Answer::to(world.router.say("hello")).await;
        assert!(answer.status >= 400, "{}", answer.text());
        assert_eq!(answer.served_by(), ("work", "current"));
    }
    assert!(world.asked().iter().all(|account| account == "acct-work"));
}

#[tokio::test]
async fn a_stream_that_has_begun_never_moves() {
    let world = world();
    world.set(json!({"profiles": ["key"]})).await;
    world.fake.clear_faults();
    world.fake.fault(Fault::cut_after(6));
    let answer = Answer::to(world.router.say_streaming("count to 50")).await;
    assert_eq!(answer.served_by(), ("work", "current"));
    assert_eq!(world.asked(), ["acct-work"]);
}

#[tokio::test]
async fn a_profile_that_cannot_serve_either_leaves_the_answer_as_it_was() {
    let world = world();
    world.set(json!({"profiles": ["key"]})).await;
    world
        .fake
        .fault(Fault::server_error().path("/v1/responses").always());
    world
        .fake
        .fault(Fault::server_error().path("/completions").always());
    let answer = Answer::to(world.router.say("hello")).await;
    answer.error(429);
    assert_eq!(answer.json()["error"]["type"], "usage_limit_reached");
    assert_eq!(answer.served_by(), ("work", "current"));
}

#[tokio::test]
async fn a_login_that_ended_falls_back_only_where_that_is_set() {
    let fake = fake();
    let login = fake.auth_json(&worker());
    fake.revoke(access_token(&login));
    let key = fake.api_key_auth_json("sk-key-of-the-test");
    let world = World::with(fake, &[("work", login), ("key", key)]);
    world.set(json!({"profiles": ["key"]})).await;
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.error(503), "profile_needs_login");
    world
        .set(json!({"profiles": ["key"], "on_needs_login": true}))
        .await;
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(
        (answer.status, answer.served_by()),
        (200, ("key", "fallback"))
    );
}

#[tokio::test]
async fn a_day_has_so_many_requests_for_all_routers_and_over_a_restart() {
    let mut world = world();
    world
        .set(json!({"profiles": ["key"], "daily_requests": 2}))
        .await;
    let second = Router::start(&world.home, &world.fake);
    for router in [&world.router, &second] {
        let answer = Answer::to(router.say("hello")).await;
        assert_eq!(answer.served_by(), ("key", "fallback"));
    }
    for router in [&world.router, &second] {
        let answer = Answer::to(router.say("hello")).await;
        answer.error(429);
        assert_eq!(answer.served_by(), ("work", "current"));
    }
    world.router.kill();
    let anew = Router::start(&world.home, &world.fake);
    Answer::to(anew.say("hello")).await.error(429);
    let counted = read_json(&world.home.path("router/fallback.json"));
    assert_eq!(counted["requests"], 2);
}

#[tokio::test]
async fn zero_is_never() {
    let world = world();
    world
        .set(json!({"profiles": ["key"], "daily_requests": 0}))
        .await;
    Answer::to(world.router.say("hello")).await.error(429);
    assert_eq!(world.asked(), ["acct-work"]);
}

#[tokio::test]
async fn the_tokens_of_an_api_key_are_counted_and_bounded() {
    let world = world();
    world
        .set(json!({"profiles": ["key"], "daily_tokens": 1}))
        .await;
    let answer = Answer::to(world.router.say("hello")).await;
    let used = answer.json()["usage"]["total_tokens"].as_u64().unwrap();
    let file = world.home.path("router/fallback.json");
    let counted = || read_json(&file)["tokens"].as_u64();
    until("they are counted", || counted() == Some(used)).await;
    Answer::to(world.router.say("hello")).await.error(429);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_the_clients_fault() {
    let world = world();
    world.set(json!({"profiles": ["key"]})).await;
    let answer = world.router.raw(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(world.asked().is_empty());
}
