//! A conversation that stays passes to the byte; one that moves leaves what is not its own behind.
#![no_main]

#[path = "../checks/conversation.rs"]
mod checked;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checked::check(input));
