//! Codex itself: what it sends reaches the upstream unchanged, and what comes back too.

use fake_openai::Fault;
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

use crate::harness::{Answer, Router, World, fake, worker};

/// A turn of a real Codex CLI, its texts shortened.
const BODY: &str = include_str!("../data/codex-request.json");
const HEADERS: &str = include_str!("../data/codex-headers.json");

fn headers() -> HeaderMap {
    let pairs: Vec<(String, String)> = serde_json::from_str(HEADERS).unwrap();
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn body() -> &'static str {
    BODY.trim_end()
}

fn packed() -> Vec<u8> {
    zstd::encode_all(body().as_bytes(), 3).unwrap()
}

fn codex(router: &Router, body: Vec<u8>) -> RequestBuilder {
    router
        .client
        .post(router.url("/v1/responses"))
        .headers(headers())
        .body(body)
}

fn packed_codex(router: &Router) -> RequestBuilder {
    codex(router, packed()).header("content-encoding", "zstd")
}

/// The same model call straight at the fake.
async fn direct(world: &World) -> Answer {
    let call = world.fake.model_calls().pop().unwrap();
    let url = format!("{}/codex/responses", world.fake.chatgpt_base_url());
    let request = world
        .router
        .client
        .post(url)
        .headers(headers())
        .bearer_auth(call.bearer().unwrap());
    Answer::to(request.header("content-encoding", "zstd").body(packed())).await
}

/// A stream without what differs between any two answers: ids and times.
fn comparable(stream: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in stream.chars() {
        if c.is_ascii_hexdigit() {
            digits.push(c);
            continue;
        }
        if digits.len() < 9 {
            out.push_str(&digits);
        }
        digits.clear();
        out.push(c);
    }
    out + &digits
}

#[tokio::test]
async fn its_body_and_headers_reach_the_upstream_as_they_are() {
    let world = World::two_accounts();
    for (request, bytes) in [
        (packed_codex(&world.router), packed()),
        (codex(&world.router, body().into()), body().into()),
    ] {
        let answer = Answer::to(request.bearer_auth("its own token")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let call = world.fake.model_calls().pop().unwrap();
        assert_eq!(call.raw, bytes);
        assert_eq!(call.account.as_deref(), Some("acct-work"));
        for (name, value) in &headers() {
            assert_eq!(call.headers.get(name), Some(value), "{name}");
        }
    }
}

#[tokio::test]
async fn its_events_come_back_as_they_are() {
    let world = World::two_accounts();
    let answer = Answer::to(packed_codex(&world.router)).await;
    let direct = direct(&world).await;
    assert_eq!(direct.status, 200, "{}", direct.text());
    assert!(answer.text().contains("event: response.completed"));
    assert_eq!(comparable(&answer.text()), comparable(&direct.text()));
    assert_eq!(answer.text().len(), direct.text().len());
    for name in [
        "x-codex-turn-state",
        "x-codex-primary-used-percent",
        "cache-control",
    ] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    assert!(
        answer.header("x-request-id").unwrap().starts_with("req_"),
        "that of the upstream"
    );
}

#[tokio::test]
async fn a_turn_with_a_tool_call_works() {
    let world = World::two_accounts();
    let asked = body().replace("say hi", "call functions.exec ls -l");
    let first = Answer::to(codex(&world.router, asked.clone().into())).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let done = first
        .events()
        .into_iter()
        .find(|event| event["type"] == "response.output_item.done");
    let item = done.unwrap()["item"].clone();
    assert_eq!(
        (item["type"].as_str(), item["name"].as_str()),
        (Some("custom_tool_call"), Some("exec"))
    );
    let mut turn: Value = serde_json::from_str(&asked).unwrap();
    let output = serde_json::json!({"type": "custom_tool_call_output", "call_id": item["call_id"], "output": "total 0"});
    turn["input"].as_array_mut().unwrap().extend([item, output]);
    let state = first.header("x-codex-turn-state").unwrap();
    let second = codex(&world.router, turn.to_string().into()).header("x-codex-turn-state", state);
    let second = Answer::to(second).await;
    assert_eq!(second.status, 200, "{}", second.text());
    assert!(second.text().contains("total 0"));
    assert_eq!(
        world
            .fake
            .model_calls()
            .pop()
            .unwrap()
            .header("x-codex-turn-state"),
        Some(state)
    );
}

#[tokio::test]
async fn a_packed_body_is_sent_again_after_a_401() {
    let fake = fake();
    let login = fake.auth_json(&worker());
    fake.expire_access_token(crate::harness::access_token(&login));
    let world = World::with(fake, &[("work", login)]);
    assert_eq!(Answer::to(packed_codex(&world.router)).await.status, 200);
    let calls = world.fake.model_calls();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.raw == packed()));
}

#[tokio::test]
async fn a_get_that_asks_for_no_websocket_is_the_wrong_method() {
    let world = World::two_accounts();
    let without = Answer::to(world.router.get("/v1/responses")).await;
    without.error(405);
    let head = world.router.client.head(world.router.url("/v1/responses"));
    assert_eq!(Answer::to(head).await.status, 200);
}

#[tokio::test]
async fn a_usage_limit_reaches_it_with_all_it_needs() {
    let world = World::two_accounts();
    world.fake.fault(Fault::usage_limit_reached("plus", 3600));
    let answer = Answer::to(packed_codex(&world.router)).await;
    assert_eq!(answer.status, 429);
    let error = answer.json()["error"].clone();
    assert_eq!(error["type"], "usage_limit_reached");
    assert!(error["resets_at"].is_i64() && error["plan_type"] == "plus");
    assert_eq!(answer.header("x-codex-primary-used-percent"), Some("100"));
    assert!(answer.header("x-codex-primary-reset-at").is_some());
}

#[tokio::test]
async fn its_own_account_id_is_replaced_by_that_of_the_profile() {
    let world = World::two_accounts();
    let request = packed_codex(&world.router).bearer_auth("its own token");
    let answer = Answer::to(request.header("chatgpt-account-id", "acct-of-codex")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let call = world.fake.model_calls().pop().unwrap();
    let ids: Vec<_> = call.headers.get_all("chatgpt-account-id").iter().collect();
    assert_eq!(ids, ["acct-work"]);
}

#[tokio::test]
async fn with_an_api_key_it_reaches_the_public_api_plain() {
    let world = World::api_key();
    let request = packed_codex(&world.router).header("chatgpt-account-id", "acct-of-codex");
    Answer::to(request).await;
    let call = world.fake.model_calls().pop().unwrap();
    assert_eq!(
        (call.path.as_str(), call.bearer()),
        ("/v1/responses", Some("sk-key-of-the-test"))
    );
    assert_eq!(call.header("chatgpt-account-id"), None);
    assert_eq!(call.header("content-encoding"), None);
    assert_eq!(call.raw, body().as_bytes());
}

#[tokio::test]
async fn each_of_its_programs_is_known_by_its_name() {
    let world = World::two_accounts();
    for (name, value) in [
        ("originator", "codex_cli_rs"),
        ("originator", "codex_vscode"),
        ("originator", "codex-tui"),
        ("originator", "Codex Desktop"),
        ("user-agent", "Codex Desktop/1.0"),
    ] {
        let request = world
            .router
            .client
            .post(world.router.url("/v1/responses"))
            .body(body());
        let request = request
            .header("content-type", "application/json")
            .header(name, value);
        Answer::to(request.header("x-codex-window-id", "w")).await;
        let call = world.fake.model_calls().pop().unwrap();
        assert_eq!(call.raw, body(), "{value}");
        assert_eq!(
            (call.header(name), call.header("x-codex-window-id")),
            (Some(value), Some("w"))
        );
    }
}
