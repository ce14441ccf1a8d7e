//! Whatever an upstream sends, its chunks are well formed, however the network cuts it.
#![no_main]

#[path = "../checks/chat_stream.rs"]
mod checked;
#[path = "../checks/well_formed.rs"]
mod well_formed;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checked::check(input));
