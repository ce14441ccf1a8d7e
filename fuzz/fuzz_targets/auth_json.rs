//! Whatever is read as a login is written back as the same login, and never printed.
#![no_main]

use codex_auth::AuthDotJson;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(login) = AuthDotJson::parse(bytes) else {
        return;
    };
    let again = AuthDotJson::parse(&login.to_bytes()).expect("what was written can be read");
    assert_eq!(again.identity(), login.identity());
    assert_eq!(again.generation(), login.generation());
});
