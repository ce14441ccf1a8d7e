//! The chosen profile is the one that serves, at the very next request.

use std::time::Duration;

use fake_openai::{Account, Fault};

use crate::harness::{Answer, Home, Router, World, access_token, fake, read_json, worker, write};

async fn who_serves(request: reqwest::RequestBuilder) -> (u16, String, String) {
    let answer = Answer::to(request).await;
    let (profile, reason) = answer.served_by();
    (answer.status, profile.to_owned(), reason.to_owned())
}

fn served(profile: &str, reason: &str) -> (u16, String, String) {
    (200, profile.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn use_changes_who_serves_the_very_next_request_of_a_keep_alive_client() {
    let world = World::two_accounts();
    for (name, account) in [
        ("other", "acct-other"),
        ("work", "acct-work"),
        ("other", "acct-other"),
    ] {
        assert_eq!(world.home.run(&["use", name]).code, Some(0));
        assert_eq!(
            who_serves(world.router.say("hello")).await,
            served(name, "current")
        );
        let call = world.fake.model_calls().pop().unwrap();
        assert_eq!(call.account.as_deref(), Some(account));
        assert_eq!(call.header("chatgpt-account-id"), Some(account));
        assert_eq!(
            call.bearer(),
            Some(access_token(&read_json(&world.home.profile(name))))
        );
    }
}

#[tokio::test]
async fn a_switch_by_hand_counts_at_the_next_request_too() {
    let world = World::two_accounts();
    assert_eq!(
        who_serves(world.router.say("hello")).await,
        served("work", "current")
    );
    world.home.choose("other\n");
    assert_eq!(
        who_serves(world.router.say("hello")).await,
        served("other", "current")
    );
}

#[tokio::test]
async fn a_folder_made_by_hand_is_a_profile_without_a_restart() {
    let world = World::two_accounts();
    let by_hand = || {
        world
            .router
            .say("hello")
            .header("x-codex-profile", "by hand ü")
    };
    assert_eq!(
        Answer::to(by_hand()).await.error(404),
        "profile_unavailable"
    );
    let login = world.fake.auth_json(&Account::new("user-3", "acct-3"));
    world.home.add("by hand ü", &login);
    let answer = Answer::to(by_hand()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.headers["x-codex-router-profile"].as_bytes(),
        "by hand ü".as_bytes()
    );
    assert_eq!(
        world.fake.model_calls().pop().unwrap().account.as_deref(),
        Some("acct-3")
    );
    std::fs::remove_dir_all(world.home.path("profiles/by hand ü")).unwrap();
    assert_eq!(
        Answer::to(by_hand()).await.error(404),
        "profile_unavailable"
    );
}

#[tokio::test]
async fn a_request_may_name_its_profile() {
    let world = World::two_accounts();
    let by_header = world.router.say("hello").header("x-codex-profile", "other");
    assert_eq!(who_serves(by_header).await, served("other", "header"));
    let by_key = world.router.say("hello").bearer_auth("profile:other");
    assert_eq!(who_serves(by_key).await, served("other", "key"));
    let any_case = world.router.say("hello");
    let by_key = any_case.header("authorization", "bearer profile:other");
    assert_eq!(who_serves(by_key).await, served("other", "key"));
    let both = world.router.say("hello").bearer_auth("profile:other");
    assert_eq!(
        who_serves(both.header("x-codex-profile", "work")).await,
        served("work", "header")
    );
    let neither = world.router.say("hello").bearer_auth("unused");
    assert_eq!(who_serves(neither).await, served("work", "current"));
    for call in world.fake.model_calls() {
        assert_eq!(
            call.header("x-codex-profile"),
            None,
            "ours never goes upstream"
        );
        assert_ne!(call.bearer(), Some("unused"));
    }
}

#[tokio::test]
async fn an_unknown_profile_is_an_error_and_never_served_by_another() {
    let world = World::two_accounts();
    for request in [
        world
            .router
            .say("hello")
            .header("x-codex-profile", "nobody"),
        world.router.say("hello").bearer_auth("profile:nobody"),
        world
            .router
            .get("/v1/models")
            .header("x-codex-profile", "nobody"),
        world
            .router
            .get("/v1/anything")
            .header("x-codex-profile", "nobody"),
    ] {
        let answer = Answer::to(request).await;
        assert_eq!(answer.error(404), "profile_unavailable");
        assert_eq!(answer.header("x-codex-router-error"), Some("router"));
        assert_eq!(answer.header("x-codex-router-profile"), None);
    }
    assert!(world.fake.requests().is_empty());
}

#[tokio::test]
async fn an_empty_or_doubled_profile_header_is_not_taken_for_the_current_profile() {
    let world = World::two_accounts();
    for request in [
        world.router.say("hello").header("x-codex-profile", ""),
        world.router.say("hello").bearer_auth("profile:"),
    ] {
        let answer = Answer::to(request).await;
        assert!(answer.status >= 400, "{}", answer.text());
    }
    let doubled = world.router.say("hello").header("x-codex-profile", "work");
    let answer = Answer::to(doubled.header("x-codex-profile", "other")).await;
    assert!(answer.status >= 400, "{:?}", answer.served_by());
    assert!(world.fake.model_calls().is_empty());
}

#[tokio::test]
async fn a_stream_under_way_ends_on_the_profile_it_began_with() {
    let world = World::two_accounts();
    world
        .fake
        .fault(Fault::stall_after(6, Duration::from_millis(400)));
    let mut stream = world
        .router
        .say_streaming("count to 20")
        .send()
        .await
        .unwrap();
    let mut text = Vec::from(stream.chunk().await.unwrap().unwrap());
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    assert_eq!(
        who_serves(world.router.say("hello")).await,
        served("other", "current")
    );
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(stream.headers()["x-codex-router-profile"], "work");
    assert!(String::from_utf8_lossy(&text).ends_with("data: [DONE]\n\n"));
    let accounts: Vec<_> = world
        .fake
        .model_calls()
        .into_iter()
        .map(|call| call.account)
        .collect();
    assert_eq!(
        accounts,
        [Some("acct-work".to_owned()), Some("acct-other".to_owned())]
    );
}

#[tokio::test]
async fn without_a_current_profile_the_live_login_serves() {
    let (fake, home) = (fake(), Home::empty());
    write(&home.live(), fake.auth_json(&worker()).to_string());
    let router = Router::start(&home, &fake);
    assert_eq!(
        who_serves(router.say("hello")).await,
        served("live", "live-login")
    );
    // Saved under a name, it serves under that name.
    assert_eq!(home.run(&["save", "mine"]).code, Some(0));
    let (status, profile, _) = who_serves(router.say("hello")).await;
    assert_eq!((status, profile.as_str()), (200, "mine"));
}

#[tokio::test]
async fn nobody_logged_in_names_the_file_and_the_commands_that_help() {
    let (fake, home) = (fake(), Home::empty());
    let router = Router::start(&home, &fake);
    for request in [router.say("hello"), router.get("/v1/models")] {
        let answer = Answer::to(request).await;
        assert_eq!(answer.error(503), "not_logged_in");
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(home.live().to_str().unwrap()), "{message}");
        assert!(
            message.contains("codex-router login") && message.contains("codex-router use"),
            "{message}"
        );
    }
    assert_eq!(Answer::to(router.get("/healthz")).await.status, 200);
    assert_eq!(Answer::to(router.get("/readyz")).await.status, 503);
    // As soon as somebody logs in, it serves.
    write(&home.live(), fake.auth_json(&worker()).to_string());
    assert_eq!(Answer::to(router.say("hello")).await.status, 200);
}

#[tokio::test]
async fn however_fast_it_is_switched_each_answer_names_the_login_that_made_it() {
    let world = World::two_accounts();
    let home = std::sync::Arc::new(world.home);
    let same = std::sync::Arc::clone(&home);
    let switcher = tokio::task::spawn_blocking(move || {
        for name in ["other", "work", "other", "work", "other"] {
            assert_eq!(same.run(&["use", name]).code, Some(0));
        }
    });
    let mut answers = Vec::new();
    while !switcher.is_finished() || answers.len() < 20 {
        answers.push(Answer::to(world.router.say("hello")).await);
    }
    switcher.await.unwrap();
    let calls = world.fake.model_calls();
    assert_eq!(calls.len(), answers.len());
    for (answer, call) in answers.iter().zip(&calls) {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let account = call.account.as_deref().unwrap();
        assert_eq!(account, format!("acct-{}", answer.served_by().0));
    }
    assert_eq!(
        std::fs::read_dir(home.path("profiles")).unwrap().count(),
        2,
        "no copies"
    );
}

#[tokio::test]
async fn readyz_names_every_profile_that_can_serve_and_no_other() {
    let world = World::two_accounts();
    let token = serde_json::json!({"personal_access_token": "at-of-the-test"});
    world.home.add("pat", &token);
    write(&world.home.profile("broken"), "{");
    let answer = Answer::to(world.router.get("/readyz")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["profiles"],
        serde_json::json!(["other", "work"])
    );
}
