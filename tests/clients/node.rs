//! The official JavaScript library, and Vercel's AI SDK.

use std::process::Command;

use crate::child::{command, installed};
use crate::sdk::{everywhere, follows_a_switch, suite};

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
    suite(|| node("ai_sdk/suite.mjs"), |_| {});
}

#[test]
fn node_goes_on_from_answers() {
    everywhere(|| node("responses_state.mjs"), |_| {});
}

#[test]
fn node_uses_responses_over_websocket() {
    everywhere(|| node("responses_ws.mjs"), |_| {});
}

#[test]
fn nodes_next_turn_on_a_websocket_is_served_by_the_profile_that_was_chosen() {
    follows_a_switch(node("responses_ws.mjs"));
}
