//! Any head of a request is refused with a reason, or read alike by everybody.
#![no_main]

#[path = "../checks/http_edge.rs"]
mod checked;

libfuzzer_sys::fuzz_target!(|head: &[u8]| checked::check(head));
