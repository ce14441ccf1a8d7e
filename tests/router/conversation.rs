//! A conversation that changes account goes on, without what the other account alone can read.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{Answer, MODEL, World};

/// One more turn of a conversation of Codex's kind: all that was said, in thread `t`.
fn turn(world: &World, thread: &str, input: &[Value]) -> RequestBuilder {
    let body = json!({"model": MODEL, "input": input, "include": ["reasoning.encrypted_content"]});
    world
        .router
        .post("/v1/responses", &body)
        .header("thread-id", thread)
}

fn said(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

/// A conversation in which the account of `work` has thought.
async fn with_reasoning(world: &World, thread: &str) -> Vec<Value> {
    let mut input = vec![said("think first")];
    let answer = Answer::to(turn(world, thread, &input)).await;
    assert_eq!(answer.status, 200);
    let output = answer.json()["output"].as_array().unwrap().clone();
    assert_eq!(output[0]["type"], "reasoning");
    assert!(output[0]["encrypted_content"].is_string());
    input.extend(output);
    input.push(said("and now"));
    input
}

fn reasoning_of_the_last_call(world: &World) -> usize {
    let call = world.fake.model_calls().pop().unwrap();
    let items = call.json["input"].as_array().unwrap();
    items
        .iter()
        .filter(|item| item["type"] == "reasoning")
        .count()
}

#[tokio::test]
async fn a_thread_that_moves_leaves_its_reasoning_behind_and_goes_on() {
    let world = World::two_accounts();
    let input = with_reasoning(&world, "thread-1").await;
    assert_eq!(world.home.run(&["use", "other"]).code, Some(0));
    world.fake.forget_requests();
    for _ in 0..2 {
        let answer = Answer::to(turn(&world, "thread-1", &input)).await;
        assert_eq!((answer.status, answer.served_by().0), (200, "other"));
        assert_eq!(reasoning_of_the_last_call(&world), 0);
    }
    assert_eq!(
        world.fake.model_calls().len(),
        2,
        "no turn was refused first"
    );
}

#[tokio::test]
async fn a_thread_nobody_remembers_is_tried_once_more_without_its_reasoning() {
    let world = World::two_accounts();
    let input = with_reasoning(&world, "thread-1").await;
    let elsewhere = turn(&world, "unknown", &input).header("x-codex-profile", "other");
    let answer = Answer::to(elsewhere).await;
    assert_eq!((answer.status, answer.served_by().0), (200, "other"));
    assert_eq!(reasoning_of_the_last_call(&world), 0);
}

#[tokio::test]
async fn a_thread_that_stays_keeps_its_reasoning() {
    let world = World::two_accounts();
    let input = with_reasoning(&world, "thread-1").await;
    let answer = Answer::to(turn(&world, "thread-1", &input)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(reasoning_of_the_last_call(&world), 1);
}

#[tokio::test]
async fn a_compacted_thread_that_moves_gets_a_clear_error() {
    let world = World::two_accounts();
    let input = with_reasoning(&world, "thread-1").await;
    let summary = json!({"type": "compaction", "encrypted_content": input[1]["encrypted_content"]});
    let compacted = [summary, said("and now")];
    let moved = turn(&world, "thread-1", &compacted).header("x-codex-profile", "other");
    let answer = Answer::to(moved).await;
    assert_eq!(answer.error(400), "conversation_not_portable");
}
