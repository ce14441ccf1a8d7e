//! One module per promise.

#![cfg(test)]

mod attaching;
mod attacks;
mod auditing;
mod bad_requests;
mod broken_profiles;
mod chat;
mod client_keys;
mod codex_client;
mod command_line;
mod completions;
mod config;
mod control;
mod conversation;
#[cfg(unix)]
mod doctor;
mod ending;
mod fallback;
mod files;
mod gate;
mod harness;
mod keeping;
mod keyring;
mod limits;
mod listening;
mod logs;
mod metrics;
mod model_list;
mod model_rules;
mod other_paths;
mod profile_names;
mod refreshing;
mod reloading;
mod removing;
mod request_list;
mod responses;
mod responses_state;
mod running;
mod secrets;
mod service;
mod signing_in;
mod signing_out;
mod switching;
mod traces;
mod transfer;
mod upstream_errors;
mod usage;
mod websocket;
