//! Chat completions of any OpenAI client, served by a ChatGPT login.

use fake_openai::Fault;
use serde_json::{Value, json};

use crate::harness::{Answer, Home, MODEL, Router, World, chat, fake, worker, write};

/// A body with these messages.
fn messages(messages: &Value) -> Value {
    json!({"model": MODEL, "messages": messages})
}

/// A chat completion with fields of its own.
fn with(said: &str, fields: &Value) -> Value {
    let mut body = chat(said);
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn weather() -> Value {
    json!([{"type": "function", "function": {
        "name": "weather", "description": "of a city", "strict": true,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
            "required": ["city"], "additionalProperties": false},
    }}])
}

async fn ask(world: &World, body: &Value) -> Answer {
    let answer = Answer::to(world.router.post("/v1/chat/completions", body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// What reached the upstream last.
fn sent(world: &World) -> Value {
    world.fake.model_calls().pop().unwrap().json
}

fn deltas<'a>(chunks: &'a [Value], field: &'a str) -> impl Iterator<Item = &'a Value> {
    let deltas = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]);
    deltas
        .filter_map(move |delta| delta.get(field))
        .filter(|value| !value.is_null())
}

fn joined(chunks: &[Value], field: &str) -> String {
    deltas(chunks, field)
        .map(|piece| piece.as_str().unwrap())
        .collect()
}

fn finish_reasons(chunks: &[Value]) -> Vec<&str> {
    chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str())
        .collect()
}

#[tokio::test]
async fn an_answer_is_a_whole_completion() {
    let world = World::two_accounts();
    let answer = ask(&world, &chat("hello")).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!(
        (&json["object"], &json["model"]),
        (&json!("chat.completion"), &json!(MODEL))
    );
    assert!(json["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(json["created"].as_i64().unwrap() > 1_700_000_000);
    let choice = &json["choices"][0];
    assert_eq!(
        (&choice["index"], &choice["finish_reason"]),
        (&json!(0), &json!("stop"))
    );
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!(choice["message"]["content"], "You said: hello");
    let count = |name: &str| json["usage"][name].as_u64().unwrap();
    assert_eq!(
        count("prompt_tokens") + count("completion_tokens"),
        count("total_tokens")
    );
    assert_eq!(json["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert!(json["usage"]["completion_tokens_details"]["reasoning_tokens"].is_u64());
}

#[tokio::test]
async fn a_stream_has_the_role_first_one_finish_and_its_end_mark() {
    let world = World::two_accounts();
    let answer = ask(&world, &with("count to 20", &json!({"stream": true}))).await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let text = answer.text();
    assert!(text.ends_with("data: [DONE]\n\n"));
    assert_eq!(text.matches("[DONE]").count(), 1);
    let chunks = answer.events();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(deltas(&chunks, "role").count(), 1);
    assert_eq!(finish_reasons(&chunks), ["stop"]);
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    let numbers: Vec<String> = (1..=20).map(|number: u8| number.to_string()).collect();
    assert_eq!(joined(&chunks, "content"), numbers.join(" "));
    assert!(
        deltas(&chunks, "content").count() >= 20,
        "deltas come as they are made"
    );
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        for constant in ["id", "created", "model"] {
            assert_eq!(chunk[constant], chunks[0][constant]);
        }
        assert!(
            chunk.get("usage").is_none_or(Value::is_null),
            "not asked for: {chunk}"
        );
    }
}

#[tokio::test]
async fn usage_comes_in_a_last_chunk_when_asked_for() {
    let world = World::two_accounts();
    let fields = json!({"stream": true, "stream_options": {"include_usage": true}});
    let chunks = ask(&world, &with("hello", &fields)).await.events();
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].as_u64().unwrap() > 0);
    assert!(others.iter().all(|chunk| chunk["usage"].is_null()));
    assert_eq!(finish_reasons(&chunks), ["stop"]);
    assert!(sent(&world).get("stream_options").is_none());
}

#[tokio::test]
async fn system_messages_may_stand_anywhere_and_keep_their_order() {
    let world = World::two_accounts();
    let body = messages(&json!([
        {"role": "system", "content": "first"},
        {"role": "developer", "content": [{"type": "text", "text": "second"}]},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "system", "content": "third"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
    ]));
    assert_eq!(ask(&world, &body).await.said(), "You said: three");
    let sent = sent(&world);
    let said: Vec<(&str, String)> = sent["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let content = &item["content"];
            let text = content
                .as_str()
                .or_else(|| content[0]["text"].as_str())
                .unwrap();
            (item["role"].as_str().unwrap(), text.to_owned())
        })
        .collect();
    let expected = [
        ("developer", "first"),
        ("developer", "second"),
        ("user", "one"),
        ("assistant", "two"),
        ("developer", "third"),
        ("user", "three"),
    ];
    assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));
}

#[tokio::test]
async fn a_function_call_streams_out_and_its_result_goes_back_in() {
    let world = World::two_accounts();
    let asked = "call weather {\"city\": \"Löwen \\\"1\\\"\"}";
    let fields = json!({"stream": true, "tools": weather()});
    let chunks = ask(&world, &with(asked, &fields)).await.events();
    assert_eq!(finish_reasons(&chunks), ["tool_calls"]);
    let calls: Vec<&Value> = deltas(&chunks, "tool_calls")
        .map(|calls| &calls[0])
        .collect();
    let id = calls[0]["id"].as_str().unwrap();
    assert_eq!(
        (&calls[0]["type"], &calls[0]["function"]["name"]),
        (&json!("function"), &json!("weather"))
    );
    assert!(calls.len() > 2, "arguments come in pieces");
    assert!(calls.iter().all(|call| call["index"] == 0));
    let arguments: String = calls
        .iter()
        .filter_map(|call| call["function"]["arguments"].as_str())
        .collect();
    assert_eq!(
        serde_json::from_str::<Value>(&arguments).unwrap(),
        json!({"city": "Löwen \"1\""})
    );

    let call = json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}});
    let mut body = messages(&json!([
        {"role": "user", "content": asked},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id, "content": "rain"},
    ]));
    body["tools"] = weather();
    let answer = ask(&world, &body).await;
    assert!(answer.said().contains("rain"), "{}", answer.said());
    assert_eq!(sent(&world)["tools"][0]["strict"], true);
}

#[tokio::test]
async fn parallel_calls_keep_their_indexes_and_ids_apart() {
    let world = World::two_accounts();
    let asked = "call weather {\"city\":\"A\"} and call weather {\"city\":\"B\"}";
    let fields = json!({"tools": weather(), "parallel_tool_calls": true});
    let whole = ask(&world, &with(asked, &fields)).await.json();
    let calls = whole["choices"][0]["message"]["tool_calls"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(calls[1]["function"]["arguments"], "{\"city\":\"B\"}");

    let mut streamed = with(asked, &fields);
    streamed["stream"] = json!(true);
    let chunks = ask(&world, &streamed).await.events();
    for (index, city) in [(0, "A"), (1, "B")] {
        let own = deltas(&chunks, "tool_calls")
            .map(|calls| &calls[0])
            .filter(|call| call["index"] == index);
        let arguments: String = own
            .filter_map(|call| call["function"]["arguments"].as_str())
            .collect();
        assert_eq!(arguments, format!("{{\"city\":\"{city}\"}}"));
    }
    // Both results go back in, in any order.
    let result = |call: &Value, said: &str| json!({"role": "tool", "tool_call_id": call["id"], "content": said});
    let mut back = messages(&json!([
        {"role": "user", "content": asked},
        {"role": "assistant", "tool_calls": calls},
        result(&calls[1], "sun"), result(&calls[0], "rain"),
    ]));
    back["tools"] = weather();
    let said = ask(&world, &back).await.said();
    assert!(said.contains("sun") && said.contains("rain"), "{said}");
}

#[tokio::test]
async fn one_call_at_a_time_can_be_demanded() {
    let world = World::two_accounts();
    let asked = "call weather {\"city\":\"A\"} and call weather {\"city\":\"B\"}";
    let fields = json!({"tools": weather(), "parallel_tool_calls": false});
    let whole = ask(&world, &with(asked, &fields)).await.json();
    assert_eq!(
        whole["choices"][0]["message"]["tool_calls"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(sent(&world)["parallel_tool_calls"], false);
}

#[tokio::test]
async fn tool_choice_and_legacy_functions_are_obeyed() {
    let world = World::two_accounts();
    let named = json!({"type": "function", "function": {"name": "weather"}});
    for choice in [json!("required"), named] {
        let fields = json!({"tools": weather(), "tool_choice": choice});
        let whole = ask(&world, &with("hello", &fields)).await.json();
        assert_eq!(
            whole["choices"][0]["finish_reason"], "tool_calls",
            "{choice}"
        );
    }
    let fields = json!({"tools": weather(), "tool_choice": "none"});
    let whole = ask(&world, &with("use the tool", &fields)).await.json();
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    let function = weather()[0]["function"].clone();
    let fields = json!({"functions": [function], "function_call": {"name": "weather"}});
    let whole = ask(&world, &with("hello", &fields)).await.json();
    assert_eq!(whole["choices"][0]["finish_reason"], "function_call");
    assert_eq!(
        whole["choices"][0]["message"]["function_call"]["name"],
        "weather"
    );
}

#[tokio::test]
async fn reasoning_effort_reaches_the_upstream_however_it_is_given() {
    let world = World::two_accounts();
    for (fields, effort) in [
        (json!({"reasoning_effort": "medium"}), "medium"),
        (json!({"extra_body": {"reasoning_effort": "high"}}), "high"),
        (json!({"reasoning": {"effort": "low"}}), "low"),
        (json!({"reasoning_effort": "minimal"}), "low"),
    ] {
        ask(&world, &with("hello", &fields)).await;
        assert_eq!(sent(&world)["reasoning"]["effort"], effort, "{fields}");
    }
}

#[tokio::test]
async fn a_response_format_reaches_the_upstream_and_is_obeyed() {
    let world = World::two_accounts();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}},
        "required": ["n"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}});
    let said = ask(&world, &with("hello", &json!({"response_format": format})))
        .await
        .said();
    assert!(
        serde_json::from_str::<Value>(&said).unwrap()["n"].is_i64(),
        "{said}"
    );
    let sent = sent(&world)["text"]["format"].clone();
    assert_eq!(
        sent,
        json!({"type": "json_schema", "name": "answer", "strict": true, "schema": schema})
    );
    let said = ask(
        &world,
        &with(
            "hello",
            &json!({"response_format": {"type": "json_object"}}),
        ),
    )
    .await
    .said();
    assert!(
        serde_json::from_str::<Value>(&said).unwrap().is_object(),
        "{said}"
    );
}

#[tokio::test]
async fn images_reach_the_upstream_by_address_and_by_data() {
    let world = World::two_accounts();
    for url in [
        "https://example.com/a.png",
        "data:image/png;base64,iVBORw0KGgo=",
    ] {
        let parts = json!([{"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]);
        ask(
            &world,
            &messages(&json!([{"role": "user", "content": parts}])),
        )
        .await;
        let image = sent(&world)["input"][0]["content"][1].clone();
        assert_eq!(
            image,
            json!({"type": "input_image", "image_url": url, "detail": "low"})
        );
    }
}

#[tokio::test]
async fn what_is_left_out_is_named() {
    let world = World::two_accounts();
    let fields = json!({"temperature": 0.2, "top_p": 0.9, "seed": 7, "user": "u",
        "presence_penalty": 0, "never_heard_of": 1});
    let answer = ask(&world, &with("hello", &fields)).await;
    let mut dropped: Vec<&str> = answer
        .header("x-codex-router-dropped")
        .unwrap()
        .split(", ")
        .collect();
    dropped.sort_unstable();
    assert_eq!(
        dropped,
        ["never_heard_of", "seed", "temperature", "top_p", "user"]
    );
    assert_eq!(
        ask(&world, &chat("hello"))
            .await
            .header("x-codex-router-dropped"),
        None
    );
}

#[tokio::test]
async fn what_cannot_be_left_out_is_refused_by_name() {
    let world = World::two_accounts();
    for (name, value) in [
        ("n", json!(2)),
        ("logprobs", json!(true)),
        ("modalities", json!(["audio"])),
    ] {
        let body = with("hello", &json!({name: value}));
        let answer = Answer::to(world.router.post("/v1/chat/completions", &body)).await;
        answer.error(400);
        assert_eq!(answer.json()["error"]["param"], name);
        assert_eq!(answer.header("x-codex-router-error"), Some("client"));
    }
    assert!(world.fake.model_calls().is_empty());
}

#[tokio::test]
async fn limits_the_upstream_has_not_are_kept_here() {
    let world = World::two_accounts();
    let whole = ask(&world, &with("count to 500", &json!({"max_tokens": 5})))
        .await
        .json();
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    let whole = ask(
        &world,
        &with("count to 50", &json!({"stop": [" 7", "never"]})),
    )
    .await
    .json();
    assert_eq!(whole["choices"][0]["message"]["content"], "1 2 3 4 5 6");
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    let fields = json!({"stop": " 7", "stream": true});
    let answer = ask(&world, &with("count to 50", &fields)).await;
    assert_eq!(joined(&answer.events(), "content"), "1 2 3 4 5 6");
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn refusals_incomplete_answers_and_reasoning_keep_their_meaning() {
    let world = World::two_accounts();
    let refused = ask(&world, &chat("refuse to answer")).await.json();
    assert!(
        refused["choices"][0]["message"]["refusal"].is_string(),
        "{refused}"
    );
    for (said, reason) in [
        ("stop at max_output_tokens", "length"),
        ("stop at content_filter", "content_filter"),
    ] {
        let json = ask(&world, &chat(said)).await.json();
        assert_eq!(json["choices"][0]["finish_reason"], reason);
    }
    let thought = ask(&world, &chat("think first")).await.json();
    assert!(
        thought["choices"][0]["message"]["reasoning_content"].is_string(),
        "{thought}"
    );
    // Events and items of tomorrow are no error.
    assert_eq!(
        ask(&world, &chat("send an unknown event")).await.said(),
        "You said: send an unknown event"
    );
}

#[tokio::test]
async fn a_broken_stream_ends_in_an_error_and_never_cleanly() {
    let world = World::two_accounts();
    for fault in [Fault::cut_after(6), Fault::response_failed("server_error")] {
        world.fake.fault(fault);
        let body = with("count to 50", &json!({"stream": true}));
        let answer = ask(&world, &body).await;
        assert!(!answer.text().contains("[DONE]"));
        let chunks = answer.events();
        assert!(finish_reasons(&chunks).is_empty());
        assert!(
            chunks.last().unwrap()["error"]["message"].is_string(),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_stream_that_fails_before_any_text_has_the_status_of_the_failure() {
    let world = World::two_accounts();
    for (code, status) in [("server_error", 502), ("rate_limit_exceeded", 429)] {
        let body = with(
            &format!("fail at once with {code}"),
            &json!({"stream": true}),
        );
        let answer = Answer::to(world.router.post("/v1/chat/completions", &body)).await;
        assert_eq!(answer.error(status), code);
        assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
        assert_eq!(answer.header("x-codex-router-profile"), Some("work"));
    }
}

#[tokio::test]
async fn reasoning_is_shown_as_the_settings_say() {
    for (format, shown) in [
        ("reasoning_content", (true, false)),
        ("none", (false, false)),
        ("think-tags", (false, true)),
        ("in verse", (true, false)),
    ] {
        let fake = fake();
        let home = Home::with(&[("work", fake.auth_json(&worker()))]);
        let settings = json!({"auto_refresh_enabled": false, "reasoning_format": format});
        write(&home.path("router/state.json"), settings.to_string());
        let router = Router::start(&home, &fake);
        let request = router.post("/v1/chat/completions", &chat("think first"));
        let answer = Answer::to(request).await.json();
        let message = &answer["choices"][0]["message"];
        let tagged = message["content"].as_str().unwrap().starts_with("<think>");
        let is_shown = (message["reasoning_content"].is_string(), tagged);
        assert_eq!(is_shown, shown, "{format}: {message}");
    }
}

#[tokio::test]
async fn a_broken_stream_is_a_clear_error_for_a_client_that_wants_one_answer() {
    let world = World::two_accounts();
    world.fake.fault(Fault::cut_after(6));
    let answer = Answer::to(world.router.say("count to 50")).await;
    answer.error(502);
    assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
    world
        .fake
        .fault(Fault::response_failed("context_length_exceeded"));
    let answer = Answer::to(world.router.say("hello")).await;
    assert!(answer.status >= 400, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn the_same_conversation_has_the_same_cache_key() {
    let world = World::two_accounts();
    let begin =
        json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "one"}]);
    let mut longer = begin.clone();
    let more = [
        json!({"role": "assistant", "content": "two"}),
        json!({"role": "user", "content": "three"}),
    ];
    longer.as_array_mut().unwrap().extend(more);
    let mut keys = Vec::new();
    for body in [messages(&begin), messages(&longer), chat("something else")] {
        ask(&world, &body).await;
        keys.push(sent(&world)["prompt_cache_key"].clone());
    }
    assert!(keys[0].is_string());
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[0], keys[2]);
}

#[tokio::test]
async fn the_upstream_is_called_as_ourselves_and_learns_nothing_of_the_client() {
    let world = World::two_accounts();
    let request = world
        .router
        .say("hello")
        .header("user-agent", "OpenAI/Python 2.0");
    let request = request
        .header("x-stainless-os", "Linux")
        .header("cookie", "a=b");
    assert_eq!(Answer::to(request).await.status, 200);
    let call = world.fake.model_calls().pop().unwrap();
    assert_eq!(call.header("originator"), Some("codex_router"));
    assert!(
        call.header("user-agent")
            .unwrap()
            .starts_with("codex_router/")
    );
    for name in [
        "x-stainless-os",
        "cookie",
        "x-request-id",
        "x-codex-profile",
    ] {
        assert_eq!(call.header(name), None, "{name}");
    }
}
