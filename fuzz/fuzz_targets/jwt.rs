//! Any text is either claims or one of the named errors.
#![no_main]

use codex_auth::{IdTokenClaims, secret::IdToken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = IdTokenClaims::of_id_token(&IdToken::new(text));
});
