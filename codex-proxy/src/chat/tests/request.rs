use async_openai::types::chat::CreateChatCompletionRequest;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    ApiError,
    chat::{ReasoningFormat, request::translate},
};

fn translated(request: &Value) -> Result<Value, ApiError> {
    let translated = translate(request.to_string().as_bytes(), ReasoningFormat::default())?;
    Ok(serde_json::from_slice(&translated.body).unwrap())
}

fn with(name: &str, value: &Value) -> Value {
    let mut request = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]});
    request[name] = value.clone();
    request
}

fn input(messages: &Value) -> Value {
    translated(&with("messages", messages)).unwrap()["input"].clone()
}

#[test]
fn the_fields_the_backend_insists_on_are_always_there() {
    let body = translated(&with("temperature", &json!(0.5))).unwrap();
    assert_eq!(body["store"], false);
    assert_eq!(body["stream"], true);
    assert_eq!(body["instructions"], "");
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(body["reasoning"], json!({"summary": "auto"}));
    assert!(body.get("temperature").is_none());
}

#[test]
fn every_role_becomes_a_typed_item_in_its_place() {
    let text = |kind: &str, text: &str| json!([{"type": kind, "text": text}]);
    let table = [
        (
            json!({"role": "system", "content": "a"}),
            json!({"type": "message", "role": "developer", "content": text("input_text", "a")}),
        ),
        (
            json!({"role": "developer", "content": [{"type": "text", "text": "a"}]}),
            json!({"type": "message", "role": "developer", "content": text("input_text", "a")}),
        ),
        (
            json!({"role": "user", "name": "ada", "content": "a\n\"b\" \u{1f600}"}),
            json!({"type": "message", "role": "user",
                "content": text("input_text", "a\n\"b\" \u{1f600}")}),
        ),
        (
            json!({"role": "assistant", "content": "a"}),
            json!({"type": "message", "role": "assistant", "content": text("output_text", "a")}),
        ),
        (
            json!({"role": "assistant", "content": null, "refusal": "no"}),
            json!({"type": "message", "role": "assistant",
                "content": [{"type": "refusal", "refusal": "no"}]}),
        ),
        (
            json!({"role": "tool", "tool_call_id": "c", "content": "done"}),
            json!({"type": "function_call_output", "call_id": "c", "output": "done"}),
        ),
        (
            json!({"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}]}),
            json!({"type": "function_call_output", "call_id": "c",
                "output": text("input_text", "a")}),
        ),
    ];
    let (messages, items): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    assert_eq!(
        input(&json!(messages)),
        json!(items),
        "in order, wherever a system message is"
    );
}

#[test]
fn every_kind_of_part_has_its_new_form() {
    let table = [
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}}),
            json!({"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}),
        ),
        (
            json!({"type": "image_url", "image_url": "https://example.com/a.png"}),
            json!({"type": "input_image", "image_url": "https://example.com/a.png"}),
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}),
            json!({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}),
        ),
        (
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "AA"}}),
            json!({"type": "input_file", "filename": "a.pdf", "file_data": "AA"}),
        ),
        (
            json!({"type": "input_text", "text": "a"}),
            json!({"type": "input_text", "text": "a"}),
        ),
    ];
    for (part, expected) in table {
        let items = input(&json!([{"role": "user", "content": [part]}]));
        assert_eq!(items[0]["content"][0], expected);
    }
}

#[test]
fn calls_and_their_results_stay_together() {
    let items = input(&json!([
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}}]},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
    ]));
    assert_eq!(
        items,
        json!([
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "2"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
        ])
    );
}

#[test]
fn the_legacy_form_of_calls_is_understood() {
    let mut request = with(
        "messages",
        &json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ]),
    );
    request["functions"] = json!([{"name": "f", "parameters": {"type": "object"}}]);
    request["function_call"] = json!({"name": "f"});
    let body = translated(&request).unwrap();
    assert_eq!(body["input"][1]["call_id"], body["input"][2]["call_id"]);
    assert_eq!(body["input"][2]["type"], "function_call_output");
    assert_eq!(body["tools"][0]["type"], "function");
    assert_eq!(
        body["tool_choice"],
        json!({"type": "function", "name": "f"})
    );
    assert_eq!(body["parallel_tool_calls"], false);
}

#[test]
fn tools_are_flat_and_strict_only_if_asked() {
    let table = [
        (
            json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}),
            json!({"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}),
        ),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": false}),
        ),
        (
            json!({"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}}),
            json!({"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}),
        ),
        (
            json!({"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}}),
            json!({"type": "custom", "name": "g", "format": {"type": "text"}}),
        ),
        (json!({"type": "web_search"}), json!({"type": "web_search"})),
    ];
    for (tool, expected) in table {
        assert_eq!(
            translated(&with("tools", &json!([tool]))).unwrap()["tools"][0],
            expected
        );
    }
}

#[test]
fn every_choice_of_tools_is_flat() {
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "function", "function": {"name": "f"}}]}});
    let table = [
        (json!("required"), json!("required")),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"type": "function", "name": "f"}),
        ),
        (
            json!({"type": "custom", "custom": {"name": "f"}}),
            json!({"type": "custom", "name": "f"}),
        ),
        (
            allowed,
            json!({"type": "allowed_tools", "mode": "auto",
                         "tools": [{"type": "function", "name": "f"}]}),
        ),
    ];
    for (choice, expected) in table {
        assert_eq!(
            translated(&with("tool_choice", &choice)).unwrap()["tool_choice"],
            expected
        );
    }
}

#[test]
fn every_parameter_that_is_forwarded_arrives() {
    let schema = json!({"type": "json_schema", "json_schema": {
        "name": "n", "schema": {"type": "object"}, "strict": true}});
    let search = json!({"search_context_size": "low", "user_location": {
        "type": "approximate", "approximate": {"country": "DE"}}});
    let table = [
        (
            "parallel_tool_calls",
            json!(false),
            "/parallel_tool_calls",
            json!(false),
        ),
        (
            "response_format",
            json!({"type": "json_object"}),
            "/text/format",
            json!({"type": "json_object"}),
        ),
        (
            "response_format",
            schema,
            "/text/format",
            json!({
            "type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}),
        ),
        ("verbosity", json!("low"), "/text/verbosity", json!("low")),
        (
            "reasoning_effort",
            json!("high"),
            "/reasoning",
            json!({"effort": "high", "summary": "auto"}),
        ),
        (
            "reasoning_effort",
            json!("minimal"),
            "/reasoning/effort",
            json!("low"),
        ),
        (
            "reasoning",
            json!({"effort": "high", "summary": "detailed"}),
            "/reasoning",
            json!({"effort": "high", "summary": "detailed"}),
        ),
        (
            "extra_body",
            json!({"reasoning_effort": "high"}),
            "/reasoning/effort",
            json!("high"),
        ),
        (
            "service_tier",
            json!("priority"),
            "/service_tier",
            json!("priority"),
        ),
        (
            "prompt_cache_key",
            json!("k"),
            "/prompt_cache_key",
            json!("k"),
        ),
        (
            "web_search_options",
            search,
            "/tools/0",
            json!({"type": "web_search",
            "search_context_size": "low",
            "user_location": {"type": "approximate", "country": "DE"}}),
        ),
    ];
    for (name, value, pointer, expected) in table {
        let body = translated(&with(name, &value)).unwrap();
        assert_eq!(body.pointer(pointer), Some(&expected), "{name}: {value}");
    }
}

#[test]
fn text_is_the_format_there_is_without_one() {
    let body = translated(&with("response_format", &json!({"type": "text"}))).unwrap();
    assert!(body.get("text").is_none());
}

#[test]
fn the_cache_key_stays_as_the_conversation_grows() {
    let key = |messages: &Value| {
        translated(&with("messages", messages)).unwrap()["prompt_cache_key"].clone()
    };
    let beginning = [
        json!({"role": "system", "content": "a"}),
        json!({"role": "user", "content": "b"}),
    ];
    let mut longer = beginning.to_vec();
    longer.push(json!({"role": "assistant", "content": "c"}));
    assert_eq!(key(&json!(beginning)), key(&json!(longer)));
    assert_ne!(
        key(&json!(beginning)),
        key(&json!([{"role": "user", "content": "other"}]))
    );
}

#[test]
fn an_error_names_the_place_and_never_quotes_it() {
    let secret = "my secret prompt";
    let table = [
        ("messages", json!([]), "messages"),
        ("messages", json!(secret), "messages"),
        (
            "messages",
            json!([{"role": secret, "content": "a"}]),
            "messages[0].role",
        ),
        (
            "messages",
            json!([{"role": "user", "content": 7, "x": secret}]),
            "messages[0].content",
        ),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": secret}]}]),
            "messages[0].content[0]",
        ),
        (
            "messages",
            json!([{"role": "tool", "content": secret}]),
            "messages[0].tool_call_id",
        ),
        (
            "messages",
            json!([{"role": "assistant", "tool_calls": [{"id": secret}]}]),
            "messages[0].tool_calls[0]",
        ),
        ("n", json!(3), "n"),
        ("max_tokens", json!(0), "max_tokens"),
        ("stop", json!(["a", "b", "c", "d", "e"]), "stop"),
        ("tools", json!([{"x": secret}]), "tools[0]"),
        ("tool_choice", json!({"x": secret}), "tool_choice"),
        (
            "response_format",
            json!({"type": secret}),
            "response_format",
        ),
        ("stream", json!(secret), "stream"),
        ("model", json!(7), "model"),
    ];
    for (name, value, param) in table {
        let error = translated(&with(name, &value)).unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.param.as_deref()),
            (400, Some(param)),
            "{value}"
        );
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
}

#[test]
fn what_is_left_out_is_reported() {
    let dropped = |name: &str, value: Value| {
        let body = with(name, &value).to_string();
        translate(body.as_bytes(), ReasoningFormat::default())
            .unwrap()
            .dropped
    };
    assert_eq!(dropped("temperature", json!(0.2)), ["temperature"]);
    assert_eq!(dropped("temperature", json!(1)), Vec::<String>::new());
    assert_eq!(dropped("service_tier", json!("flex")), ["service_tier"]);
    assert_eq!(dropped("service_tier", json!("auto")), Vec::<String>::new());
    assert_eq!(dropped("of_tomorrow", json!([1])), ["of_tomorrow"]);
}

#[test]
fn a_request_made_with_an_independent_library_is_understood() {
    let request: CreateChatCompletionRequest = serde_json::from_value(json!({
        "model": "gpt-5.5", "stream": true, "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
            {"role": "assistant", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "d"}],
        "tools": [{"type": "function", "function": {"name": "f"}}]
    }))
    .unwrap();
    let body = translated(&serde_json::to_value(request).unwrap()).unwrap();
    assert_eq!(body["input"].as_array().unwrap().len(), 4);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(user|tool|text|function|a|\u{e9}|\")".prop_map(Value::from),
    ];
    let name = "(role|content|type|text|tool_calls|id|function|name|messages|model|tools|stop)";
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_translated_or_refused(messages in any_json(), tools in any_json(), stop in any_json()) {
        let request = json!({"model": "m", "messages": [messages], "tools": tools, "stop": stop});
        if let Ok(body) = translated(&request) {
            prop_assert!(body["input"].is_array());
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = translate(&bytes, ReasoningFormat::default());
    }

    #[test]
    fn any_text_arrives_as_it_was(text in any::<String>()) {
        let items = input(&json!([{"role": "user", "content": text}]));
        prop_assert_eq!(items[0]["content"][0]["text"].as_str().unwrap(), text);
    }
}

#[test]
fn what_says_nothing_is_left_out_in_either_form() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    for nothing in [json!(""), json!([]), json!([{"type": "text", "text": ""}])] {
        let items = input(&json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": nothing, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": nothing},
            {"role": "assistant", "content": nothing},
        ]));
        let kinds: Vec<_> = items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["type"])
            .collect();
        let expected = ["message", "function_call", "function_call_output"];
        assert_eq!(kinds, expected, "{nothing}");
        assert_ne!(items[2]["output"], json!([]), "{nothing}");
    }
}
