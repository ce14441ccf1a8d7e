//! A stream cut in two at any place is the same stream, and ends its events at the same places.
#![no_main]

#[path = "../checks/sse.rs"]
mod checked;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checked::check(input));
