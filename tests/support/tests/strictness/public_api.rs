//! The public API, for API keys.

use super::*;

#[tokio::test]
async fn the_public_api_answers_whole_and_remembers_what_it_answered() {
    let setup = Setup::new().await;
    let ask = |body: Value| {
        let request = setup.api("responses", &body);
        async { json_of(request.send().await.unwrap()).await }
    };
    let first = ask(json!({"model": "gpt-5.5", "input": "hi"})).await;
    assert_eq!(first["output"][0]["content"][0]["text"], "You said: hi");
    let next = |id: &Value| json!({"model": "gpt-5.5", "input": "x", "previous_response_id": id});
    assert_eq!(ask(next(&first["id"])).await["status"], "completed");
    let unknown = ask(next(&json!("resp_unknown"))).await;
    assert_eq!(unknown["error"]["code"], "previous_response_not_found");
    let odd = ask(json!({"model": "gpt-5.5", "input": "x", "odd": 1})).await;
    assert_eq!(odd["error"]["code"], "unknown_parameter");
    let model = ask(json!({"model": "gpt-9", "input": "x"})).await;
    assert_eq!(model["error"]["code"], "model_not_found");
    let url = format!("{}/models", setup.fake.openai_base_url());
    let key = setup
        .client
        .get(url)
        .bearer_auth("sk-other")
        .send()
        .await
        .unwrap();
    assert_eq!(key.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_item_that_is_kept_may_stand_for_itself() {
    let setup = Setup::new().await;
    let ask = |body: Value| {
        let request = setup.api("responses", &body);
        async { json_of(request.send().await.unwrap()).await }
    };
    let first = ask(json!({"model": "gpt-5.5", "input": "think first"})).await;
    let again = |id: &Value| {
        let items = json!([
            {"type": "item_reference", "id": id}, {"role": "user", "content": "hi"},
        ]);
        json!({"model": "gpt-5.5", "input": items, "store": false})
    };
    let thought = &first["output"][0];
    let answer = ask(again(&thought["id"])).await;
    assert_eq!(answer["output"][0]["content"][0]["text"], "You said: hi");
    let unkept = ask(again(&answer["output"][0]["id"])).await;
    let message = unkept["error"]["message"].as_str().unwrap();
    assert!(message.contains("not persisted"), "{message}");
}

#[tokio::test]
async fn a_chat_that_fails_before_it_begins_has_the_status_of_the_failure() {
    let setup = Setup::new().await;
    for (said, streamed, status) in [
        ("fail at once with rate_limit_exceeded", true, 429),
        ("fail at once with server_error", false, 500),
        ("fail with rate_limit_exceeded", true, 200),
    ] {
        let messages = json!([{"role": "user", "content": said}]);
        let body = json!({"model": "gpt-5.5", "messages": messages, "stream": streamed});
        let answer = setup.api("chat/completions", &body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{said}");
    }
}

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {}}}])
}

#[tokio::test]
async fn a_chat_can_call_tools_and_use_their_outputs() {
    let setup = Setup::new().await;
    let user = json!({"role": "user", "content": r#"call get_weather {"city":"Paris"}"#});
    let body = json!({"model": "gpt-5.5", "messages": [user], "tools": weather()});
    let whole = json_of(setup.api("chat/completions", &body).send().await.unwrap()).await;
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], r#"{"city":"Paris"}"#);
    let output = json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"});
    let body = json!({"model": "gpt-5.5", "messages": [user, choice["message"], output]});
    let answer = json_of(setup.api("chat/completions", &body).send().await.unwrap()).await;
    let text = &answer["choices"][0]["message"]["content"];
    assert_eq!(text, "The tool answered: sunny");
    let orphan = json!({"model": "gpt-5.5", "messages": [user, output]});
    let refused = setup.api("chat/completions", &orphan).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_streamed_chat_has_the_chunks_of_the_real_one() {
    let setup = Setup::new().await;
    let body = json!({
        "model": "gpt-5.5", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "hi"}],
    });
    let chunks = events(setup.api("chat/completions", &body)).await;
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let texts = chunks
        .iter()
        .filter_map(|c| c["choices"][0]["delta"]["content"].as_str());
    assert_eq!(texts.collect::<String>(), "You said: hi");
    let [.., end, usage] = chunks.as_slice() else {
        panic!("{chunks:?}")
    };
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 3);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk")
    );
}
