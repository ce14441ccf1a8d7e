//! Where a message says what it is, its kind is what a JSON parser finds.
#![no_main]

use codex_proxy::ws::kind_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &str| {
    let kind = kind_of(message);
    // An object that names its type twice is read by nobody; its kind does not matter.
    if let Ok(whole) = serde_json::from_str::<serde_json::Value>(message)
        && message.matches("type").count() == 1
        && !message.contains("\\u")
    {
        assert_eq!(kind.as_deref(), whole["type"].as_str());
    }
});
