//! One module per promise.

#![cfg(test)]

mod bad_requests;
mod broken_profiles;
mod chat;
mod codex_client;
mod command_line;
mod conversation;
mod ending;
mod gate;
mod harness;
mod keeping;
mod keyring;
mod model_list;
mod other_paths;
mod profile_names;
mod refreshing;
mod responses;
mod secrets;
mod switching;
mod upstream_errors;
