//! The official JavaScript library, and Vercel's AI SDK.

use std::process::Command;

use serde_json::Value;

use crate::child::{command, installed};
use crate::sdk::{follows_a_switch, suite};
use crate::stage::Stage;

fn node(script: &str) -> Command {
    let mut command = command(installed(".venv/bin/node"));
    command.arg(installed("node").join(script));
    command
}

#[test]
fn the_javascript_library_works_as_the_table_of_fidelity_says() {
    suite(|| node("suite.mjs"), |_| {});
}

#[test]
fn vercels_ai_sdk_works_as_the_table_of_fidelity_says() {
    suite(|| node("ai_sdk/suite.mjs"), reasoning_went_back);
}

/// In a conversation of two answers with reasoning: as references where the server keeps what they
/// mean, else encrypted.
fn reasoning_went_back(stage: &Stage) {
    let calls = stage.fake.model_calls().into_iter();
    let third = calls.filter(|call| call.json["input"].to_string().contains("a third"));
    let inputs: Vec<_> = third.map(|call| call.json["input"].clone()).collect();
    assert!(!inputs.is_empty(), "there is no such conversation");
    for input in inputs {
        let items = input.as_array().into_iter().flatten();
        assert_eq!(
            items.filter(|item| is_reasoning(item)).count(),
            2,
            "{input}"
        );
    }
}

fn is_reasoning(item: &Value) -> bool {
    let id = item["id"].as_str().unwrap_or_default();
    match item["type"].as_str() {
        Some("reasoning") => item["encrypted_content"].is_string(),
        Some("item_reference") => id.starts_with("rs_"),
        _ => false,
    }
}

#[test]
fn node_goes_on_from_answers() {
    suite(|| node("responses_state.mjs"), |_| {});
}

#[test]
fn node_uses_responses_over_websocket() {
    suite(|| node("responses_ws.mjs"), |_| {});
}

#[test]
fn nodes_next_turn_on_a_websocket_is_served_by_the_profile_that_was_chosen() {
    follows_a_switch(node("responses_ws.mjs"));
}
