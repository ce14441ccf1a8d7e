//! The Responses API for clients that are not Codex: what the backend wants is added, what it
//! leaves out is rebuilt.

use fake_openai::Fault;
use serde_json::{Value, json};

use crate::harness::{Answer, MODEL, World};

fn body(input: &Value, fields: &Value) -> Value {
    let mut body = json!({"model": MODEL, "input": input});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn ask(world: &World, body: &Value) -> Answer {
    let answer = Answer::to(world.router.post("/v1/responses", body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn sent(world: &World) -> Value {
    world.fake.model_calls().pop().unwrap().json
}

#[tokio::test]
async fn an_answer_in_one_piece_has_its_output() {
    let world = World::two_accounts();
    let answer = ask(&world, &body(&json!("hello"), &json!({"stream": false}))).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!(
        (&json["object"], &json["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(json["output"][0]["type"], "message");
    assert_eq!(json["output"][0]["content"][0]["text"], "You said: hello");
    assert!(json["usage"]["total_tokens"].as_u64().unwrap() > 0);
    let sent = sent(&world);
    assert_eq!(
        (&sent["store"], &sent["stream"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(sent["instructions"], "");
}

#[tokio::test]
async fn rebuilt_output_has_every_item_in_its_order() {
    let world = World::two_accounts();
    let tools = json!([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]);
    let asked = "think first, call weather {\"city\":\"A\"} and call weather {\"city\":\"B\"}";
    let json = ask(&world, &body(&json!(asked), &json!({"tools": tools})))
        .await
        .json();
    let kinds: Vec<&str> = json["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["reasoning", "function_call", "function_call"]);
    assert_eq!(json["output"][2]["arguments"], "{\"city\":\"B\"}");
}

#[tokio::test]
async fn a_stream_has_the_events_of_the_upstream() {
    let world = World::two_accounts();
    let answer = ask(
        &world,
        &body(&json!("count to 20"), &json!({"stream": true})),
    )
    .await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let events = answer.events();
    assert_eq!(events[0]["type"], "response.created");
    assert_eq!(events.last().unwrap()["type"], "response.completed");
    let deltas = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert!(text.starts_with("1 2 3") && text.ends_with("20"));
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    // Each event has its name before its data.
    assert_eq!(answer.text().matches("\nevent: ").count() + 1, events.len());
}

#[tokio::test]
async fn messages_of_every_form_are_made_items_and_system_becomes_developer() {
    let world = World::two_accounts();
    let input = json!([
        {"role": "system", "content": "first"},
        {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    ]);
    let fields = json!({"instructions": "be brief"});
    let json = ask(&world, &body(&input, &fields)).await.json();
    assert_eq!(json["output"][0]["content"][0]["text"], "You said: hello");
    let sent = sent(&world);
    assert_eq!(sent["instructions"], "be brief");
    let items = sent["input"].as_array().unwrap();
    assert!(items.iter().all(|item| item["type"] == "message"));
    assert_eq!(items[0]["role"], "developer");
}

#[tokio::test]
async fn a_tool_round_trip_needs_no_state_at_the_server() {
    let world = World::two_accounts();
    let tools = json!([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]);
    let asked = json!({"role": "user", "content": "think first, call weather {}"});
    let fields = json!({"tools": tools, "include": ["reasoning.encrypted_content"]});
    let first = ask(&world, &body(&json!([asked]), &fields)).await.json();
    let mut input = vec![asked];
    input.extend(first["output"].as_array().unwrap().iter().cloned());
    let call_id = first["output"][1]["call_id"].clone();
    input.push(json!({"type": "function_call_output", "call_id": call_id, "output": "rain"}));
    let second = ask(&world, &body(&json!(input), &fields)).await.json();
    let text =
        second["output"].as_array().unwrap().last().unwrap()["content"][0]["text"].to_string();
    assert!(text.contains("rain"), "{text}");
}

#[tokio::test]
async fn what_is_left_out_is_named_and_what_cannot_be_is_refused() {
    let world = World::two_accounts();
    let fields = json!({"temperature": 0.3, "max_output_tokens": 100, "store": true, "user": "u"});
    let answer = ask(&world, &body(&json!("hello"), &fields)).await;
    let dropped = answer.header("x-codex-router-dropped").unwrap();
    for name in ["temperature", "user"] {
        assert!(dropped.contains(name), "{dropped}");
    }
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("background", json!(true)),
    ] {
        let body = body(&json!("hello"), &json!({name: value}));
        let answer = Answer::to(world.router.post("/v1/responses", &body)).await;
        answer.error(400);
        assert_eq!(answer.json()["error"]["param"], name);
    }
}

#[tokio::test]
async fn a_broken_stream_ends_in_an_error_event() {
    let world = World::two_accounts();
    for (fault, last) in [
        (Fault::cut_after(6), None),
        (
            Fault::response_failed("server_error"),
            Some("response.failed"),
        ),
    ] {
        world.fake.fault(fault);
        let answer = ask(
            &world,
            &body(&json!("count to 50"), &json!({"stream": true})),
        )
        .await;
        let events = answer.events();
        let kind = events.last().unwrap()["type"].as_str().unwrap();
        assert!(["error", "response.failed"].contains(&kind), "{kind}");
        assert!(last.is_none_or(|last| last == kind));
        assert!(!answer.text().contains("response.completed"));
    }
}
