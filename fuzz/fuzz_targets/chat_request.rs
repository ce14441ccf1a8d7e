//! Any body is either a Responses request or a 400.
#![no_main]

use codex_proxy::chat::{ReasoningFormat, request::translate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = translate(bytes, ReasoningFormat::default()) {
        assert_eq!(error.status.as_u16(), 400);
    }
});
