//! What is logged of a request says which one it was, in lines that programs can read.

use fake_openai::Fault;
use serde_json::Value;

use crate::{
    harness::{Answer, Home, PATIENCE, Router, fake, worker},
    websocket::Socket,
};

/// The lines of a router that has ended, each of which is JSON.
fn lines(mut router: Router) -> Vec<Value> {
    router.terminate();
    router.ended(PATIENCE);
    let logged = router.logged();
    let read = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    logged.lines().map(read).collect()
}

/// The id of the request that a line is about.
fn request_of(line: &Value) -> Option<&str> {
    line["spans"][0]["request_id"].as_str()
}

fn answered(lines: &[Value]) -> Vec<&Value> {
    let access = lines
        .iter()
        .filter(|line| line["target"] == "codex_router::access");
    access.collect()
}

fn started(level: &str, format: &str) -> (Router, fake_openai::FakeOpenAi, Home) {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json_expired(&worker()))]);
    home.keep_nothing_alive();
    let environment = [
        ("CODEX_ROUTER_LOG", level),
        ("CODEX_ROUTER_LOG_FORMAT", format),
    ];
    (Router::start_with(&home, &fake, &environment), fake, home)
}

#[tokio::test]
async fn one_line_says_how_a_request_ended_and_all_say_which_one_it_was() {
    let (router, _fake, _home) = started(
        "codex_router=debug,codex_proxy=debug,codex_profiles=debug",
        "json",
    );
    let request = router.say("hello").header("x-request-id", "mine-1");
    let answer = Answer::to(request).await;
    assert_eq!(answer.status, 200);
    let answer_id = answer.header("x-request-id").unwrap().to_owned();
    let mut socket = Socket::with(&router, &[("x-request-id", "mine-2")])
        .await
        .unwrap();
    socket.ask("one").await;
    socket.ask("two").await;
    drop(socket);

    let lines = lines(router);
    let all = answered(&lines);
    let first = all[0];
    assert_eq!(request_of(first), Some("mine-1"), "{first}");
    assert!(
        first["id"] == *answer_id || first["answer_id"] == *answer_id,
        "{first}"
    );
    for (field, value) in [
        ("status", Value::from(200)),
        ("profile", "work".into()),
        ("reason", "current".into()),
        ("route", "/v1/chat/completions".into()),
        ("cancelled", false.into()),
    ] {
        assert_eq!(first[field], value, "{field} of {first}");
    }
    assert!(first["duration_ms"].as_u64() >= first["first_byte_ms"].as_u64());
    let turns = all.iter().filter(|line| request_of(line) == Some("mine-2"));
    assert_eq!(turns.clone().count(), 2, "{all:?}");
    assert!(turns.clone().all(|turn| turn["method"] == "WS"));
    // It runs on a task of its own, and its files are written on a thread of its own.
    let refreshed = lines
        .iter()
        .find(|line| line["message"] == "refreshed")
        .unwrap();
    assert_eq!(request_of(refreshed), Some("mine-1"), "{refreshed}");
}

#[tokio::test]
async fn a_warning_says_which_request_it_is_about_where_nothing_else_is_logged() {
    let (router, fake, _home) = started("warn", "json");
    fake.fault(Fault::refresh_status(500).always());
    let request = router.say("hello").header("x-request-id", "mine-3");
    assert!(Answer::to(request).await.status >= 500);
    let lines = lines(router);
    assert!(answered(&lines).is_empty(), "a desktop is spared them");
    let warned = lines.iter().find(|line| line["level"] == "WARN").unwrap();
    assert_eq!(request_of(warned), Some("mine-3"), "{warned}");
}

#[tokio::test]
async fn an_id_that_could_be_anything_is_replaced_by_one_of_ours() {
    let (router, _fake, _home) = started("codex_router::access=debug", "json");
    let long = "x".repeat(100);
    for made_up in ["ada@example.com", &long, "a b"] {
        let request = router
            .get("/v1/models/none")
            .header("x-request-id", made_up);
        Answer::to(request).await;
    }
    let lines = lines(router);
    assert_eq!(answered(&lines).len(), 3);
    for line in lines {
        assert_eq!(line["id"].as_str().unwrap().len(), 36, "{line}");
    }
}

#[test]
fn an_unknown_format_is_said_and_is_text() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let environment = [
        ("CODEX_ROUTER_LOG_FORMAT", "yaml"),
        ("CODEX_ROUTER_LOG", "warn"),
    ];
    let ran = home.run_with(&["list"], &environment);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stderr.contains("CODEX_ROUTER_LOG_FORMAT is neither"),
        "{}",
        ran.stderr
    );
}
