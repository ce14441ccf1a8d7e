//! The real clients, each through the real program, against the fake OpenAI.
//!
//! `scripts/setup test` installs them, in pinned versions, below this folder. A script of an SDK
//! checks what it gets itself; it runs first against the fake alone, so that what fails after that
//! is a fault of ours. What the fake was sent is checked here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod child;
mod codex;
mod corpus;
mod fidelity;
#[path = "../router/harness.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod harness;
mod langchain;
mod node;
mod python;
mod sdk;
mod sharing;
mod stage;
mod tap;
