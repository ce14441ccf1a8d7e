use serde_json::{Value, json};

use super::*;
use crate::Builder;

fn script_of(body: &Value) -> Script {
    Script::new(
        &Prompt::of_responses(body),
        &Builder::default().settings,
        None,
    )
}

fn weather() -> Value {
    json!({"type": "function", "name": "get_weather", "parameters": {
        "type": "object", "required": ["city"], "properties": {"city": {"type": "string"}},
    }})
}

fn asked(said: &str) -> Script {
    let shell = json!({"type": "namespace", "name": "functions", "tools": [
        {"type": "custom", "name": "exec"},
    ]});
    script_of(&json!({"input": said, "tools": [weather(), shell]}))
}

fn function(arguments: &str) -> Item {
    let (name, arguments) = ("get_weather".to_owned(), arguments.to_owned());
    Item::FunctionCall {
        name,
        namespace: None,
        arguments,
    }
}

#[test]
fn without_a_directive_it_echoes() {
    let expected = Item::message(Text::Words("You said: hello".to_owned()));
    assert_eq!(asked("hello").items, [expected]);
}

#[test]
fn it_calls_the_tools_it_is_told_to_call() {
    let two = r#"call get_weather {"city":"Paris"} and call get_weather {"city": "Rome"}"#;
    let calls = [
        function(r#"{"city":"Paris"}"#),
        function(r#"{"city": "Rome"}"#),
    ];
    assert_eq!(asked(two).items, calls);
    assert_eq!(
        asked("use the tool").items,
        [function(r#"{"city":"example"}"#)]
    );
    let (name, namespace) = ("exec".to_owned(), Some("functions".to_owned()));
    let custom = Item::CustomToolCall {
        name,
        namespace,
        input: "echo hi".to_owned(),
    };
    assert_eq!(asked("call functions.exec echo hi").items, [custom]);
    assert!(matches!(
        asked("call nobody {}").items[..],
        [Item::Message { .. }]
    ));
}

#[test]
fn tool_choice_and_parallel_tool_calls_are_obeyed() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"input": "call get_weather, call get_weather", "tools": [weather()]});
        body[name] = value;
        script_of(&body).items
    };
    assert_eq!(with("parallel_tool_calls", json!(false)).len(), 1);
    assert!(matches!(
        with("tool_choice", json!("none"))[..],
        [Item::Message { .. }]
    ));
    let required = json!({"input": "hi", "tools": [weather()], "tool_choice": "required"});
    assert!(matches!(
        script_of(&required).items[..],
        [Item::FunctionCall { .. }]
    ));
}

#[test]
fn outputs_of_tools_are_quoted() {
    let body = json!({"input": [
        {"type": "message", "role": "user", "content": "call get_weather"},
        {"type": "function_call", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
    ], "tools": [weather()]});
    let expected = Item::message(Text::Words("The tool answered: sunny".to_owned()));
    assert_eq!(script_of(&body).items, [expected]);
}

#[test]
fn tools_inside_of_the_input_count() {
    let body = json!({"input": [
        {"type": "additional_tools", "role": "developer", "tools": [weather()]},
        {"type": "message", "role": "user", "content": "use the tool"},
    ]});
    assert!(matches!(
        script_of(&body).items[..],
        [Item::FunctionCall { .. }]
    ));
}

#[test]
fn it_ends_as_it_is_told_to() {
    let failed = asked("fail with insufficient_quota").ending;
    assert!(matches!(failed, Ending::Failed { code, .. } if code == "insufficient_quota"));
    let filtered = Ending::Incomplete("content_filter".to_owned());
    assert_eq!(asked("stop at content_filter").ending, filtered);
    let limited = script_of(&json!({"input": "count to 100", "max_output_tokens": 3}));
    assert_eq!(
        limited.ending,
        Ending::Incomplete("max_output_tokens".to_owned())
    );
    assert_eq!(limited.items, [Item::message(Text::Count(3))]);
}

#[test]
fn text_is_json_where_a_format_is_asked_for() {
    let format = json!({"type": "json_schema", "name": "x", "schema": {
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
    }});
    let script = script_of(&json!({"input": "hi", "text": {"format": format}}));
    assert_eq!(
        script.items,
        [Item::message(Text::Words(r#"{"n":1}"#.to_owned()))]
    );
}

#[test]
fn a_compaction_trigger_is_answered_with_a_compaction() {
    let body = json!({"input": [{"type": "compaction_trigger"}]});
    assert_eq!(script_of(&body).items, [Item::Compaction]);
}

#[test]
fn a_question_about_a_tool_calls_it() {
    assert_eq!(
        asked("What is the weather in 'Oslo'?").items,
        [function(r#"{"city":"Oslo"}"#)]
    );
    assert!(matches!(
        asked("The weather is nice.").items[..],
        [Item::Message { .. }]
    ));
}

#[test]
fn only_the_tools_that_are_allowed_are_called() {
    let clock = json!({"type": "function", "name": "clock", "parameters": {}});
    let choice = json!({"type": "allowed_tools", "mode": "required", "tools": [
        {"type": "function", "name": "clock"},
    ]});
    let body = json!({"input": "hi", "tools": [weather(), clock], "tool_choice": choice});
    let items = script_of(&body).items;
    assert!(
        matches!(&items[..], [Item::FunctionCall { name, .. }] if name == "clock"),
        "{items:?}"
    );
}

#[test]
fn json_without_a_schema_has_the_fields_in_quotes() {
    let format = json!({"type": "json_object"});
    let said = "A joke, as JSON with 'setup' and 'punchline'.";
    let script = script_of(&json!({"input": said, "text": {"format": format}}));
    let expected = r#"{"punchline":"example","setup":"example"}"#;
    assert_eq!(
        script.items,
        [Item::message(Text::Words(expected.to_owned()))]
    );
}

#[test]
fn what_is_attached_is_told_apart() {
    let content = json!([
        {"type": "input_text", "text": "what is attached"},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "input_file", "filename": "notes.pdf", "file_data": "data:…"},
        {"type": "input_audio", "input_audio": {"data": "…", "format": "wav"}},
    ]);
    let script = script_of(&json!({"input": [{"role": "user", "content": content}]}));
    let expected = "Attached: image https://example.com/a.png, file notes.pdf, audio wav";
    assert_eq!(
        script.items,
        [Item::message(Text::Words(expected.to_owned()))]
    );
}
