//! Where a message says what it is, its kind is what a JSON parser finds.

use codex_proxy::ws::kind_of;

pub(crate) fn check(message: &[u8]) {
    let Ok(message) = std::str::from_utf8(message) else {
        return;
    };
    let kind = kind_of(message);
    // An object that names its type twice is read by nobody; its kind does not matter.
    if let Ok(whole) = serde_json::from_str::<serde_json::Value>(message)
        && message.matches("type").count() == 1
        && !message.contains("\\u")
    {
        assert_eq!(kind.as_deref(), whole["type"].as_str());
    }
}
