//! Any body is either a Responses request that the ChatGPT backend takes, or a 400.
#![no_main]

#[path = "../checks/backend.rs"]
mod backend;
#[path = "../checks/chat_request.rs"]
mod checked;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checked::check(input));
