//! What the ChatGPT backend is known to insist on. *Source:* wire reference 5.5.

use serde_json::Value;

pub(crate) fn parsed(body: &[u8]) -> Option<Value> {
    match serde_json::from_slice(body) {
        Ok(body) => Some(body),
        // Half of a surrogate pair, and what is too deep or too large for this parser, go on as the
        // client sent them.
        Err(error) if is_a_limit(&error) => None,
        Err(error) => panic!("not JSON: {error}"),
    }
}

fn is_a_limit(error: &serde_json::Error) -> bool {
    let reasons = ["surrogate", "hex escape", "recursion limit", "out of range"];
    let error = error.to_string();
    reasons.iter().any(|reason| error.contains(reason))
}

pub(crate) fn accepts(body: &[u8]) {
    let Some(body) = parsed(body) else { return };
    assert_eq!(
        (&body["store"], &body["stream"]),
        (&false.into(), &true.into())
    );
    assert!(body.get("instructions").is_some());
    for item in body["input"].as_array().expect("a list") {
        assert!(item.get("type").is_some(), "{item}");
        assert_ne!(item["role"], "system");
    }
    let refused = [
        "temperature",
        "top_p",
        "max_output_tokens",
        "previous_response_id",
        "user",
    ];
    for name in refused {
        assert!(body.get(name).is_none(), "{name}");
    }
}
