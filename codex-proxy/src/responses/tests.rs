use bytes::{Bytes, BytesMut};
use codex_auth::{Backend, RouteHint};
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::{Relay, ResponsesLayer, adapt::adapt};
use crate::{
    ApiError, BoxError,
    translated::{Flow, Translate},
};

type Sent = Request<Either<Full<Bytes>, Full<Bytes>>>;

const DELTA: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n";
const ITEM: &str = "data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":\"m\"}}\n\n";
const COMPLETED: &str = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[],\"usage\":null}}\n\n";
const WITH_OUTPUT: &str = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"usage\":null,\"output\":[{\"type\":\"message\",\"id\":\"m\"}]}}\n\n";
const FAILED: &str = "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"x\"}}}\n\n";

fn adapted(request: &Value) -> Value {
    serde_json::from_slice(&adapt(request.to_string().as_bytes()).unwrap().body).unwrap()
}

#[test]
fn a_text_becomes_a_list_of_one_typed_message() {
    let body = adapted(&json!({"model": "m", "input": "a\n"}));
    assert_eq!(
        body,
        json!({"model": "m", "instructions": "", "store": false, "stream": true,
               "include": ["reasoning.encrypted_content"],
               "input": [{"type": "message", "role": "user",
                          "content": [{"type": "input_text", "text": "a\n"}]}]})
    );
}

#[test]
fn items_are_typed_and_system_is_developer() {
    let body = adapted(&json!({"model": "m", "input": [
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "input_text", "text": "b"}]},
        {"type": "message", "role": "system", "content": "c", "id": "x"},
        {"type": "function_call_output", "call_id": "c", "output": "d"}]}));
    assert_eq!(
        body["input"],
        json!([
            {"type": "message", "role": "developer", "content": "a"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
            {"type": "message", "role": "developer", "content": "c", "id": "x"},
            {"type": "function_call_output", "call_id": "c", "output": "d"}])
    );
}

#[test]
fn what_the_backend_knows_passes_and_the_rest_is_named() {
    let request = json!({"model": "m", "input": [], "instructions": "i", "tools": [{"type": "x"}],
        "text": {"verbosity": "low"}, "reasoning": {"effort": "minimal", "summary": "auto"},
        "include": ["file_search_call.results"], "service_tier": "flex", "temperature": 0.3,
        "top_p": 1, "max_output_tokens": 5, "metadata": {}, "store": true, "stream": true,
        "truncation": null});
    let answer = adapt(request.to_string().as_bytes()).unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        body["reasoning"],
        json!({"effort": "low", "summary": "auto"})
    );
    assert_eq!(
        body["include"],
        json!(["file_search_call.results", "reasoning.encrypted_content"])
    );
    assert_eq!(
        (&body["instructions"], &body["tools"]),
        (&json!("i"), &request["tools"])
    );
    assert!(answer.stream && body.get("service_tier").is_none());
    let mut dropped = answer.dropped;
    dropped.sort_unstable();
    assert_eq!(
        dropped,
        ["max_output_tokens", "service_tier", "store", "temperature"]
    );
}

#[test]
fn what_needs_kept_answers_is_refused_by_name() {
    for name in ["previous_response_id", "conversation", "prompt"] {
        let mut request = json!({"model": "m", "input": "a"});
        request[name] = json!("x");
        let error = adapt(request.to_string().as_bytes()).unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.param.as_deref()),
            (400, Some(name))
        );
    }
    let error = adapt(br#"{"model":"m","input":[7]}"#).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input[0]"));
}

async fn call(
    request: Request<Full<Bytes>>,
    answer: String,
) -> Result<(Response<()>, String), BoxError> {
    let inner = service_fn(move |_: Sent| {
        let answer = answer.clone();
        async move { Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(answer)))) }
    });
    let answer = ResponsesLayer::new().layer(inner).oneshot(request).await?;
    let (head, body) = answer.into_parts();
    let bytes = body.collect().await?.to_bytes();
    Ok((
        Response::from_parts(head, ()),
        String::from_utf8(bytes.to_vec())?,
    ))
}

fn request(stream: bool) -> Request<Full<Bytes>> {
    let body = json!({"model": "m", "input": "a", "stream": stream, "top_p": 0.5}).to_string();
    Request::post("/v1/responses")
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn a_stream_passes_byte_for_byte() {
    let completed = COMPLETED.replace("[]", "[{}]");
    let text = [DELTA, ": ping\n\n", ITEM, &completed].concat();
    let (head, body) = call(request(true), text.clone()).await.unwrap();
    assert_eq!(body, text);
    assert_eq!(head.headers()["content-type"], "text/event-stream");
    assert_eq!(head.headers()["x-codex-router-dropped"], "top_p");
}

#[tokio::test]
async fn a_last_event_without_output_gets_the_items_that_came_before() {
    let text = [DELTA, ITEM, COMPLETED].concat();
    let (_, body) = call(request(true), text).await.unwrap();
    assert_eq!(body, [DELTA, ITEM, WITH_OUTPUT].concat());
    let (_, body) = call(request(true), [DELTA, COMPLETED].concat())
        .await
        .unwrap();
    assert_eq!(body, [DELTA, COMPLETED].concat(), "there were none");
}

#[tokio::test]
async fn nothing_follows_the_last_event() {
    let told = [DELTA, COMPLETED].concat();
    for more in ["data: [DONE]\n\n", ": ping\n\n", DELTA, "data: half"] {
        let (_, body) = call(request(true), told.clone() + more).await.unwrap();
        assert_eq!(body, told, "{more}");
    }
    let with_crlf = told.replace('\n', "\r\n");
    let (_, body) = call(request(true), with_crlf.clone()).await.unwrap();
    assert_eq!(body, with_crlf);
}

#[tokio::test]
async fn an_early_end_is_an_error_event_after_whole_events() {
    let text = [DELTA, &ITEM[..20]].concat();
    let (_, body) = call(request(true), text).await.unwrap();
    let error = body.strip_prefix(DELTA).unwrap();
    assert!(
        error.starts_with("event: error\ndata: {") && error.ends_with("}\n\n"),
        "{error}"
    );
}

#[tokio::test]
async fn a_client_that_does_not_stream_gets_the_object_with_its_output() {
    let (head, body) = call(request(false), [DELTA, ITEM, COMPLETED].concat())
        .await
        .unwrap();
    assert_eq!(head.headers()["content-type"], "application/json");
    let object: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(object["id"], "r");
    assert_eq!(object["output"], json!([{"type": "message", "id": "m"}]));
}

#[tokio::test]
async fn an_independent_library_reads_the_gathered_object() {
    let item = json!({"type": "response.output_item.done", "output_index": 0, "item": {
        "type": "message", "id": "m", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}});
    let last = json!({"type": "response.completed", "response": {
        "id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m",
        "output": [], "parallel_tool_calls": true, "tool_choice": "auto", "tools": []}});
    let text = format!("data: {item}\n\ndata: {last}\n\n");
    let (_, body) = call(request(false), text).await.unwrap();
    let object: async_openai::types::responses::Response = serde_json::from_str(&body).unwrap();
    assert_eq!(object.output_text().as_deref(), Some("Hi"));
}

#[tokio::test]
async fn a_failure_is_an_error_with_its_status() {
    let error = call(request(false), FAILED.into()).await.unwrap_err();
    assert_eq!(ApiError::from_boxed(&error).status, 429);
    let error = call(request(false), DELTA.into()).await.unwrap_err();
    assert_eq!(ApiError::from_boxed(&error).status, 502);
}

#[tokio::test]
async fn codex_and_the_public_api_are_left_alone() {
    let inner = service_fn(|request: Sent| async move {
        assert!(matches!(request.body(), Either::Left(_)), "not read");
        assert_eq!(request.headers()["content-encoding"], "zstd");
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("as it is"))))
    });
    let packed = || Request::post("/v1/responses").header("content-encoding", "zstd");
    let codex = packed()
        .header("originator", "codex_exec")
        .body(Full::from("packed"))
        .unwrap();
    let mut public = packed().body(Full::from("packed")).unwrap();
    public
        .extensions_mut()
        .insert(RouteHint::default().with_backend(Backend::OpenAi));
    for request in [codex, public] {
        let answer = ResponsesLayer::new()
            .layer(inner)
            .oneshot(request)
            .await
            .unwrap();
        assert!(answer.headers().is_empty());
        assert_eq!(
            answer.into_body().collect().await.unwrap().to_bytes(),
            "as it is"
        );
    }
}

#[tokio::test]
async fn a_packed_body_that_must_be_read_is_415() {
    let mut request = request(true);
    request
        .headers_mut()
        .insert("content-encoding", "zstd".parse().unwrap());
    let error = call(request, String::new()).await.unwrap_err();
    assert_eq!(ApiError::from_boxed(&error).status, 415);
}

proptest! {
    #[test]
    fn any_cutting_relays_the_same_bytes(
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = [DELTA, ": ping\r\n\r\n", ITEM, COMPLETED].concat();
        let bytes = text.as_bytes();
        let mut borders: Vec<_> = at.iter().map(|index| index.index(bytes.len())).collect();
        borders.extend([0, bytes.len()]);
        borders.sort_unstable();
        let (mut relay, mut out, mut flow) = (Relay::default(), BytesMut::new(), Flow::Nothing);
        for pair in borders.windows(2) {
            flow = relay.piece(&bytes[pair[0]..pair[1]], &mut out);
        }
        let expected = text.replace(COMPLETED, WITH_OUTPUT);
        prop_assert_eq!((&out[..], flow), (expected.as_bytes(), Flow::Ended));
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = adapt(&bytes);
    }
}
