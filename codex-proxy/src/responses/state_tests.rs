//! Requests that go on from an answer.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use codex_auth::{Backend, ProfileRef, RouteHint};
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::{
    ResponsesLayer, StoredResponsesLayer,
    adapt::adapt,
    memory::{ConnectionMemories, ConnectionMemory, MemoryLimits, ResponseMemory},
};
use crate::ApiError;

type Sent = Request<Either<Full<Bytes>, Full<Bytes>>>;

/// A layer over an upstream that numbers its answers and notes what it was asked.
struct Bench {
    layer: ResponsesLayer,
    connection: Option<ConnectionMemory>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(ResponsesLayer::new().with_memory(ResponseMemory::new()))
    }

    fn with(layer: ResponsesLayer) -> Self {
        Self {
            layer,
            connection: None,
            asked: Arc::default(),
        }
    }

    fn on_a_connection(layer: ResponsesLayer) -> Self {
        Self {
            connection: Some(ConnectionMemory::new()),
            ..Self::with(layer)
        }
    }

    async fn ask(&self, fields: Value) -> Result<Value, ApiError> {
        self.ask_as("work", fields).await
    }

    /// The response object, from the last event if it is a stream.
    async fn ask_as(&self, profile: &str, fields: Value) -> Result<Value, ApiError> {
        let mut body = json!({"model": "m", "input": "a"});
        (body.as_object_mut().unwrap()).extend(fields.as_object().unwrap().clone());
        let asked = self.asked.clone();
        let inner = service_fn(move |request: Sent| answer(asked.clone(), request));
        let mut request = Request::post("/v1/responses");
        let extensions = request.extensions_mut().unwrap();
        let hint = RouteHint::profile(ProfileRef::new(profile)).with_backend(Backend::ChatGpt);
        extensions.insert(hint);
        if let Some(connection) = &self.connection {
            extensions.insert(connection.clone());
        }
        let request = request.body(Full::<Bytes>::from(body.to_string())).unwrap();
        let answer = self.layer.layer(inner).oneshot(request).await;
        let answer = answer.map_err(|error| ApiError::from_boxed(&error))?;
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        let last = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data: "));
        let last = last.map(|data| serde_json::from_str::<Value>(data).unwrap()["response"].take());
        Ok(last.unwrap_or_else(|| serde_json::from_str(text).unwrap()))
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }

    /// The input of the last request, its items by their ids or texts.
    fn last_input(&self) -> Vec<String> {
        let asked = self.asked();
        let items = asked.last().unwrap()["input"].as_array().unwrap();
        let text = |item: &Value| item["content"][0]["text"].as_str().map(str::to_owned);
        let name = |item: &Value| {
            item["id"]
                .as_str()
                .map(str::to_owned)
                .or_else(|| text(item))
        };
        items.iter().map(|item| name(item).unwrap()).collect()
    }
}

async fn answer(
    asked: Arc<Mutex<Vec<Value>>>,
    request: Sent,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(body);
        asked.len()
    };
    let items = [
        json!({"type": "reasoning", "id": format!("rs_{number}"), "summary": [], "encrypted_content": "x"}),
        json!({"type": "message", "id": format!("msg_{number}"), "role": "assistant", "status": "completed",
               "content": [{"type": "output_text", "text": "b"}]}),
    ];
    let mut events: Vec<Value> = (items.iter().enumerate())
        .map(|(at, item)| json!({"type": "response.output_item.done", "output_index": at, "item": item}))
        .collect();
    events.push(json!({"type": "response.completed", "response": {
        "id": format!("resp_{number}"), "object": "response", "store": false,
        "previous_response_id": null, "output": []}}));
    let events: Vec<String> = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let text = events.concat();
    Ok(Response::new(Full::from(text)))
}

#[tokio::test]
async fn a_request_goes_on_from_an_answer_streamed_or_not() {
    for stream in [true, false] {
        let bench = Bench::new();
        let first = bench
            .ask(json!({"stream": stream, "instructions": "i"}))
            .await
            .unwrap();
        assert_eq!(
            (&first["id"], &first["store"]),
            (&json!("resp_1"), &json!(true))
        );
        assert_eq!(first["previous_response_id"], Value::Null);
        assert_eq!(first["output"][1]["status"], "completed");
        let after = json!({"stream": stream, "input": "c", "previous_response_id": "resp_1"});
        let second = bench.ask(after).await.unwrap();
        assert_eq!(second["previous_response_id"], "resp_1");
        assert_eq!(bench.last_input(), ["a", "rs_1", "msg_1", "c"]);
        let sent = &bench.asked()[1];
        assert_eq!(sent["instructions"], "", "not inherited");
        assert!(sent.get("previous_response_id").is_none() && sent["store"] == false);
        assert!(sent["input"][2].get("status").is_none());
        let third = json!({"input": [], "previous_response_id": "resp_2"});
        bench.ask(third).await.unwrap();
        assert_eq!(
            bench.last_input(),
            ["a", "rs_1", "msg_1", "c", "rs_2", "msg_2"]
        );
        let branch = json!({"input": "d", "previous_response_id": "resp_1"});
        bench.ask(branch).await.unwrap();
        assert_eq!(bench.last_input(), ["a", "rs_1", "msg_1", "d"]);
    }
}

#[tokio::test]
async fn what_another_profile_was_told_and_what_was_not_stored_is_not_found() {
    let bench = Bench::new();
    bench.ask(json!({})).await.unwrap();
    let unstored = bench.ask(json!({"store": false})).await.unwrap();
    assert_eq!(unstored["store"], false);
    for (profile, id) in [("other", "resp_1"), ("work", "resp_2"), ("work", "resp_9")] {
        let after = json!({"previous_response_id": id});
        let error = bench.ask_as(profile, after).await.unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
        assert_eq!(error.code.as_deref(), Some("previous_response_not_found"));
        assert_eq!(error.param.as_deref(), Some("previous_response_id"));
        assert!(!error.message.contains(id), "no quotation");
    }
}

#[tokio::test]
async fn an_item_that_is_referred_to_is_sent_itself() {
    let bench = Bench::new();
    bench.ask(json!({})).await.unwrap();
    let reference = |id: &str| json!({"type": "item_reference", "id": id});
    let bare = json!({"id": "msg_1"});
    bench
        .ask(json!({"input": [reference("rs_1"), bare]}))
        .await
        .unwrap();
    let sent = &bench.asked()[1]["input"];
    assert_eq!(sent[0]["encrypted_content"], "x");
    assert_eq!(sent[1]["content"][0]["text"], "b");
    let input = json!({"input": [{"role": "user", "content": "c"}, reference("msg_9")]});
    let error = bench.ask(input.clone()).await.unwrap_err();
    assert_eq!(
        (error.status.as_u16(), error.param.as_deref()),
        (400, Some("input[1]"))
    );
    let forgetful = Bench::with(ResponsesLayer::new());
    let error = forgetful.ask(input).await.unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input[1]"));
}

#[tokio::test]
async fn an_answer_that_is_too_large_says_that_it_is_not_stored() {
    let limits = MemoryLimits {
        answer_bytes: 1000,
        ..MemoryLimits::default()
    };
    let memory = ResponseMemory::with_limits(limits);
    let bench = Bench::with(ResponsesLayer::new().with_memory(memory.clone()));
    let answer = bench.ask(json!({"input": "x".repeat(1000)})).await.unwrap();
    assert_eq!((&answer["store"], memory.held_bytes()), (&json!(false), 0));
    let answer = bench.ask(json!({})).await.unwrap();
    assert!(answer["store"] == true && memory.held_bytes() > 0);
}

#[tokio::test]
async fn old_answers_make_room_for_new_ones() {
    let limits = MemoryLimits {
        total_bytes: 50_000,
        ..MemoryLimits::default()
    };
    let memory = ResponseMemory::with_limits(limits);
    let bench = Bench::with(ResponsesLayer::new().with_memory(memory.clone()));
    for size in [15_000, 10, 15_000, 15_000, 15_000] {
        let answer = bench.ask(json!({"input": "x".repeat(size)})).await.unwrap();
        assert_eq!(answer["store"], true);
        assert!(memory.held_bytes() <= 50_000);
    }
    for (id, known) in [("resp_1", false), ("resp_2", false), ("resp_5", true)] {
        let after = json!({"previous_response_id": id});
        assert_eq!(bench.ask(after).await.is_ok(), known, "{id}");
    }
}

#[tokio::test]
async fn a_conversation_that_outgrew_the_limit_of_bodies_is_refused() {
    let bench = Bench::new();
    let bench = Bench {
        layer: bench.layer.with_body_limit(1000),
        ..bench
    };
    let mut after = json!({"input": "x".repeat(500)});
    let answer = bench.ask(after.clone()).await.unwrap();
    after["previous_response_id"] = answer["id"].clone();
    let error = bench.ask(after).await.unwrap_err();
    assert_eq!(error.status.as_u16(), 413);
    assert_eq!(error.param.as_deref(), Some("previous_response_id"));
}

#[tokio::test]
async fn references_that_stand_for_more_than_a_body_may_hold_are_refused() {
    let bench = Bench::on_a_connection(ResponsesLayer::new().with_body_limit(100_000));
    let text = "x".repeat(20_000);
    let item = json!({"type": "message", "role": "user", "id": "m", "content": text});
    let warm_up = json!({"input": [item], "generate": false});
    bench.ask(warm_up).await.unwrap();
    let references = |count| json!({"input": vec![json!({"id": "m"}); count]});
    bench.ask(references(4)).await.unwrap();
    assert_eq!(bench.last_input(), ["m", "m", "m", "m"]);
    for count in [6, 1000] {
        let error = bench.ask(references(count)).await.unwrap_err();
        assert_eq!(error.status.as_u16(), 413);
        assert_eq!(error.param.as_deref(), Some("input"));
    }
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test]
async fn a_connection_remembers_its_answers_whatever_is_stored() {
    for layer in [ResponsesLayer::new(), Bench::new().layer] {
        let bench = Bench::on_a_connection(layer);
        bench.ask(json!({"store": false})).await.unwrap();
        let after = json!({"input": "c", "previous_response_id": "resp_1", "store": false});
        bench.ask(after.clone()).await.unwrap();
        assert_eq!(bench.last_input(), ["a", "rs_1", "msg_1", "c"]);
        let other = Bench {
            connection: Some(ConnectionMemory::new()),
            ..bench
        };
        assert!(other.ask(after).await.is_err(), "another connection");
    }
}

#[tokio::test]
async fn what_is_not_stored_ends_with_its_connection() {
    let memories = ConnectionMemories::new();
    let mut bench = Bench {
        connection: Some(memories.begin()),
        ..Bench::new()
    };
    let other = Bench {
        connection: Some(memories.begin()),
        ..Bench::new()
    };
    for bench in [&bench, &other] {
        bench.ask(json!({"store": false})).await.unwrap();
    }
    let held_bytes = memories.held_bytes();
    bench.connection = None;
    assert_eq!(memories.held_bytes(), held_bytes / 2);
    let after = json!({"input": "c", "previous_response_id": "resp_1"});
    other.ask(after.clone()).await.unwrap();
    assert!(bench.ask(after).await.is_err());
}

#[tokio::test]
async fn connections_share_one_bound() {
    let memories = ConnectionMemories::with_total_bytes(50_000);
    let connections: Vec<_> = (0..10).map(|_| memories.begin()).collect();
    for connection in &connections {
        let bench = Bench {
            connection: Some(connection.clone()),
            ..Bench::with(ResponsesLayer::new())
        };
        let warm_up = json!({"input": "x".repeat(20_000), "generate": false});
        bench.ask(warm_up).await.unwrap();
        assert!(memories.held_bytes() <= 50_000);
    }
}

#[tokio::test]
async fn a_stored_answer_of_a_connection_is_gone_when_it_is_deleted() {
    let memory = ResponseMemory::new();
    let memories = ConnectionMemories::new();
    let bench = Bench {
        connection: Some(memories.begin()),
        ..Bench::with(ResponsesLayer::new().with_memory(memory.clone()))
    };
    bench.ask(json!({})).await.unwrap();
    let after = json!({"input": "c", "previous_response_id": "resp_1"});
    bench.ask(after.clone()).await.unwrap();
    assert_eq!(memories.held_bytes(), 0, "it is kept once");
    let nobody = service_fn(async |_: Request<Full<Bytes>>| {
        Err::<Response<Bytes>, crate::BoxError>("nobody is asked".into())
    });
    let mut request = Request::delete("/v1/responses/resp_1");
    let hint = RouteHint::profile(ProfileRef::new("work")).with_backend(Backend::ChatGpt);
    request.extensions_mut().unwrap().insert(hint);
    let request = request.body(Full::default()).unwrap();
    let stored = StoredResponsesLayer::new(memory).layer(nobody);
    assert_eq!(stored.oneshot(request).await.unwrap().status(), 200);
    let error = bench.ask(after).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("previous_response_not_found"));
}

#[tokio::test]
async fn a_conversation_that_outgrew_the_memory_says_that_it_is_not_stored() {
    let limits = MemoryLimits {
        total_bytes: 50_000,
        ..MemoryLimits::default()
    };
    let memory = ResponseMemory::with_limits(limits);
    for connection in [None, Some(ConnectionMemory::new())] {
        let on_a_connection = connection.is_some();
        let bench = Bench {
            connection,
            ..Bench::with(ResponsesLayer::new().with_memory(memory.clone()))
        };
        let long = "x".repeat(30_000);
        let first = bench.ask(json!({"input": long})).await.unwrap();
        let after = json!({"input": long, "previous_response_id": first["id"]});
        let second = bench.ask(after).await.unwrap();
        assert_eq!(
            (&first["store"], &second["store"]),
            (&json!(true), &json!(false))
        );
        let after = json!({"input": "c", "previous_response_id": second["id"]});
        assert_eq!(bench.ask(after).await.is_ok(), on_a_connection);
    }
}

#[tokio::test]
async fn a_warm_up_that_cannot_be_kept_is_refused() {
    let memories = ConnectionMemories::with_total_bytes(10_000);
    let bench = Bench {
        connection: Some(memories.begin()),
        ..Bench::new()
    };
    let warm_up = json!({"input": "x".repeat(20_000), "generate": false});
    let error = bench.ask(warm_up).await.unwrap_err();
    assert_eq!(
        (error.status.as_u16(), error.param.as_deref()),
        (413, Some("input"))
    );
    assert!(bench.asked().is_empty());
}

#[tokio::test]
async fn a_warm_up_asks_nobody_and_its_input_is_kept() {
    let bench = Bench::on_a_connection(ResponsesLayer::new());
    let warm = json!({"input": "w", "generate": false, "stream": true, "store": true});
    let answer = bench.ask(warm.clone()).await.unwrap();
    assert!(bench.asked().is_empty() && answer["output"] == json!([]));
    let after = json!({"input": "c", "previous_response_id": answer["id"], "stream": true});
    bench.ask(after).await.unwrap();
    assert_eq!(bench.last_input(), ["w", "c"]);
    assert!(bench.asked()[0].get("generate").is_none());
    let alone = Bench::new();
    alone.ask(warm).await.unwrap();
    assert_eq!(alone.last_input(), ["w"], "no connection, no warm-up");
}

#[test]
fn nothing_that_was_said_is_shown() {
    let bench = Bench::on_a_connection(Bench::new().layer);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(bench.ask(json!({"input": "planted secret"})))
        .unwrap();
    let adapted = adapt(br#"{"model":"m","input":"planted secret"}"#).unwrap();
    let secret = format!("{:?}", b"planted");
    let secret = secret.trim_matches(['[', ']']);
    let shown = format!("{:?} {:?} {adapted:?}", bench.layer, bench.connection);
    assert!(!shown.contains(secret), "as bytes: {shown}");
    assert!(!shown.contains("planted"), "{shown}");
}
