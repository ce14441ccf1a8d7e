//! Bodies the backend refuses. *Source:* wire reference, sections 5.4 and 5.5.

use serde_json::Value;

use super::models::slugs;
use crate::intake::Call;

/// The fields of a body; everything else is refused by name.
const ALLOWED: [&str; 16] = [
    "client_metadata",
    "generate",
    "include",
    "input",
    "instructions",
    "model",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "text",
    "tool_choice",
    "tools",
];

/// The reason to refuse this call, as `detail` tells it.
pub(super) fn problem(call: &Call) -> Option<String> {
    let Some(body) = call.json.as_object() else {
        return Some("Invalid JSON".to_owned());
    };
    if let Some(name) = body.keys().find(|name| !ALLOWED.contains(&name.as_str())) {
        return Some(format!("Unsupported parameter: {name}"));
    }
    let body: &Value = &call.json;
    unsupported_value(body).or_else(|| {
        let fixed = match () {
            () if !call.has_json_type() => "Unsupported content type",
            () if body["store"] != false => "Store must be set to false",
            () if body["stream"] != true => "Stream must be set to true",
            () if !body["input"].is_array() => "Input must be a list",
            () if has_system_message(body) => "System messages are not allowed",
            () if lacks_instructions(call) => "Instructions are required",
            () => return None,
        };
        Some(fixed.to_owned())
    })
}

fn unsupported_value(body: &Value) -> Option<String> {
    let model = body["model"].as_str().unwrap_or_default();
    if !slugs().contains(&model) {
        return Some(format!(
            "The '{model}' model is not supported when using Codex with a ChatGPT account."
        ));
    }
    let tier = body["service_tier"]
        .as_str()
        .filter(|tier| *tier != "priority");
    if let Some(tier) = tier {
        return Some(format!("Unsupported service_tier: {tier}"));
    }
    if body["reasoning"]["effort"] == "minimal" {
        return Some("Unsupported value: 'minimal' for reasoning.effort".to_owned());
    }
    // The one form of it that the Codex CLI sends.
    let options = body["stream_options"].as_object();
    let foreign = options?
        .keys()
        .any(|name| name != "reasoning_summary_delivery");
    foreign.then(|| "Unsupported parameter: stream_options".to_owned())
}

fn has_system_message(body: &Value) -> bool {
    body["input"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|item| item["role"] == "system")
}

/// The Codex CLI itself omits the field, so it must be accepted without it.
fn lacks_instructions(call: &Call) -> bool {
    !call.json["instructions"].is_string() && !is_codex(call.header("originator"))
}

fn is_codex(originator: Option<&str>) -> bool {
    originator.is_some_and(|name| {
        name == "codex-tui" || (name.starts_with("codex_") && name != "codex_router")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn call(body: Value, originator: &str) -> Call {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert("originator", originator.parse().unwrap());
        Call {
            headers,
            body: bytes::Bytes::new(),
            json: Arc::new(body),
            fault: None,
        }
    }

    fn good() -> Value {
        json!({
            "model": "gpt-5.5", "stream": true, "store": false, "instructions": "",
            "input": [{"type": "message", "role": "user", "content": "hi"}],
        })
    }

    fn changed(name: &str, value: Value) -> Option<String> {
        let mut body = good();
        body[name] = value;
        problem(&call(body, "codex_router"))
    }

    #[test]
    fn a_good_body_passes() {
        assert_eq!(problem(&call(good(), "codex_router")), None);
        assert_eq!(changed("service_tier", json!("priority")), None);
    }

    #[test]
    fn public_parameters_are_refused_by_name() {
        for name in [
            "max_output_tokens",
            "temperature",
            "previous_response_id",
            "metadata",
            "user",
        ] {
            let expected = format!("Unsupported parameter: {name}");
            assert_eq!(changed(name, json!(1)), Some(expected));
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        let system = json!([{"type": "message", "role": "system", "content": "x"}]);
        for (name, value, expected) in [
            ("store", json!(true), "Store must be set to false"),
            ("stream", json!(false), "Stream must be set to true"),
            ("input", json!("hi"), "Input must be a list"),
            ("input", system, "System messages are not allowed"),
            ("instructions", Value::Null, "Instructions are required"),
            (
                "model",
                json!("gpt-4o"),
                "The 'gpt-4o' model is not supported",
            ),
            (
                "reasoning",
                json!({"effort": "minimal"}),
                "Unsupported value: 'minimal'",
            ),
            (
                "stream_options",
                json!({"include_usage": true}),
                "Unsupported parameter",
            ),
        ] {
            let problem = changed(name, value).unwrap_or_default();
            assert!(problem.starts_with(expected), "{name}: {problem}");
        }
    }

    #[test]
    fn codex_itself_may_omit_the_instructions() {
        let mut body = good();
        body.as_object_mut().unwrap().remove("instructions");
        for (originator, refused) in [
            ("codex_exec", false),
            ("codex-tui", false),
            ("codex_router", true),
            ("curl", true),
        ] {
            assert_eq!(
                problem(&call(body.clone(), originator)).is_some(),
                refused,
                "{originator}"
            );
        }
    }
}
