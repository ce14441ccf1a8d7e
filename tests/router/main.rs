//! One module per promise.

#![cfg(test)]

mod chat;
mod codex_client;
mod command_line;
mod ending;
mod harness;
mod model_list;
mod refreshing;
mod responses;
mod switching;
