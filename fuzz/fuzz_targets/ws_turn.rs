//! Where a message says what it is, its kind is what a JSON parser finds.
#![no_main]

#[path = "../checks/ws_turn.rs"]
mod checked;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checked::check(input));
