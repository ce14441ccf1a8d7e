//! Each turn names its model, which may have a profile of its own.

use std::time::Duration;

use fake_openai::Fault;
use serde_json::{Value, json};

use super::{Socket, asking, recorded, user};
use crate::harness::{MODEL, World};

const OTHER_MODEL: &str = "gpt-6.1-sol";

fn asking_of(model: &str, text: &str) -> Value {
    json!({"model": model, "input": [user(text)]})
}

fn rule() -> Value {
    json!([{"model": "gpt-6*", "profile": "other"}])
}

/// Whose account each turn was sent with.
fn accounts(world: &World) -> Vec<String> {
    let turns = recorded(world, "MESSAGE").into_iter();
    turns.filter_map(|it| it.account).collect()
}

async fn connect(world: &World, headers: &[(&str, &str)]) -> Socket {
    Socket::with(&world.router, headers).await.unwrap()
}

#[tokio::test]
async fn a_handshake_goes_where_its_hint_says() {
    let world = World::two_accounts();
    world.rule(rule()).await;
    let hint = format!("model={OTHER_MODEL};tier=priority");
    let mut socket = connect(&world, &[("x-codex-routing-hint", &hint)]).await;
    assert_eq!(socket.header("x-codex-router-profile"), "other");
    assert_eq!(socket.header("x-codex-router-reason"), "model-rule");
    socket.turn(&asking_of(OTHER_MODEL, "one")).await;
    assert_eq!(accounts(&world), ["acct-other"]);
}

#[tokio::test]
async fn a_turn_for_another_profile_has_codex_connect_anew_and_not_in_circles() {
    let world = World::two_accounts();
    world.rule(rule()).await;
    // A hint that is out of date, as after a change of the model within a conversation.
    let hint = format!("model={MODEL}");
    let thread = [("thread-id", "t1"), ("x-codex-routing-hint", &*hint)];
    let mut socket = connect(&world, &thread).await;
    assert_eq!(socket.header("x-codex-router-profile"), "work");
    socket.turn(&asking("one")).await;
    let told = socket.turn(&asking_of(OTHER_MODEL, "two")).await;
    assert_eq!(told[0]["error"]["code"], "previous_response_not_found");
    assert_eq!(socket.closed().await.unwrap().0, 1012);

    let mut anew = connect(&world, &thread).await;
    assert_eq!(anew.header("x-codex-router-profile"), "other");
    anew.turn(&asking_of(OTHER_MODEL, "two")).await;
    let back = anew.turn(&asking("three")).await;
    assert_eq!(back[0]["error"]["code"], "previous_response_not_found");
    let mut again = connect(&world, &thread).await;
    assert_eq!(again.header("x-codex-router-profile"), "work");
    again.turn(&asking("three")).await;
    assert_eq!(accounts(&world), ["acct-work", "acct-other", "acct-work"]);
}

#[tokio::test]
async fn a_turn_that_no_new_connection_would_help_is_refused_and_the_next_one_goes_on() {
    let world = World::two_accounts();
    world.rule(rule()).await;
    let mut socket = connect(&world, &[]).await;
    let told = socket.turn(&asking_of(OTHER_MODEL, "one")).await;
    assert_eq!(told[0]["error"]["code"], "model_rule_elsewhere");
    socket.turn(&asking("two")).await;
    assert_eq!(accounts(&world), ["acct-work"]);
}

#[tokio::test]
async fn a_turn_that_no_rule_is_about_goes_on_as_where_there_are_none() {
    let world = World::two_accounts();
    world.rule(rule()).await;
    let fault = Fault::stall_after(4, Duration::from_secs(1));
    world.fake.fault(fault.times(1));
    let mut socket = connect(&world, &[]).await;
    socket.say(&asking("one")).await;
    assert_eq!(socket.event().await["type"], "response.created");
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    socket.say(&asking("two")).await;
    loop {
        let event = socket.event().await;
        assert_ne!(event["type"], "error", "{event}");
        if event["type"] == "response.completed" {
            break;
        }
    }
}

#[tokio::test]
async fn a_rule_counts_for_the_next_turn_of_an_open_connection() {
    let world = World::two_accounts();
    let mut socket = connect(&world, &[("thread-id", "t2")]).await;
    socket.turn(&asking("one")).await;
    world
        .rule(json!([{"model": "*", "profile": "other"}]))
        .await;
    let told = socket.turn(&asking("two")).await;
    assert_eq!(told[0]["error"]["code"], "previous_response_not_found");
    let mut anew = connect(&world, &[("thread-id", "t2")]).await;
    assert_eq!(anew.header("x-codex-router-profile"), "other");
    anew.turn(&asking("two")).await;
}

#[tokio::test]
async fn who_names_a_profile_is_asked_for_no_model() {
    let world = World::two_accounts();
    world
        .rule(json!([{"model": "*", "profile": "other"}]))
        .await;
    let mut socket = connect(&world, &[("x-codex-profile", "work")]).await;
    assert_eq!(socket.header("x-codex-router-reason"), "header");
    socket.turn(&asking_of(OTHER_MODEL, "one")).await;
    assert_eq!(accounts(&world), ["acct-work"]);
}

#[tokio::test]
async fn other_clients_turns_each_go_to_the_profile_of_their_model() {
    let world = World::two_accounts();
    world.rule(rule()).await;
    let mut socket = Socket::open(&world.router, &[]).await.unwrap();
    for (model, account) in [(MODEL, "acct-work"), (OTHER_MODEL, "acct-other")] {
        world.fake.forget_requests();
        socket.turn(&asking_of(model, "hello")).await;
        let calls = world.fake.model_calls();
        assert_eq!(calls.last().unwrap().account.as_deref(), Some(account));
    }
}
