//! What a stream costs in allocations: none for an event, only those of the frames that leave.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;

use bytes::Bytes;
use codex_proxy::{
    BoxError,
    chat::ChatCompletionsLayer,
    meter::MeterLayer,
    requests::{RequestLog, RequestLogLayer},
    responses::ResponsesLayer,
};
use futures_util::stream;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt as _, service_fn};

/// As much as comes from a socket at once.
const PIECE_BYTES: usize = 16 << 10;
const EVENTS: u64 = 5_000;

/// An event stream with this many deltas, in pieces cut wherever they happen to be.
fn pieces(events: u64, begin: &[Value], delta: &Value) -> Vec<Bytes> {
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "output": []}});
    let deltas = (0..events).map(|_| delta);
    let all: Vec<&Value> = begin.iter().chain(deltas).chain([&end]).collect();
    let all: Vec<String> = all
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let text = Bytes::from(all.concat());
    let starts = (0..text.len()).step_by(PIECE_BYTES);
    starts
        .map(|start| text.slice(start..text.len().min(start + PIECE_BYTES)))
        .collect()
}

type Upstream = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

fn upstream(pieces: Vec<Bytes>) -> Upstream {
    let frames: Vec<_> = pieces
        .into_iter()
        .map(|piece| Ok(Frame::data(piece)))
        .collect();
    StreamBody::new(stream::iter(frames))
}

/// Allocations from the first frame of an answer to its last.
async fn allocations<B>(mut answer: B) -> u64
where
    B: Body<Data = Bytes, Error = BoxError> + Unpin,
{
    let mut bytes = 0;
    let mut read = std::pin::pin!(async {
        while let Some(frame) = answer.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len();
        }
    });
    let mut count = 0;
    std::future::poll_fn(|cx| {
        let mut poll = std::task::Poll::Pending;
        let info = allocation_counter::measure(|| poll = read.as_mut().poll(cx));
        count += info.count_total;
        poll
    })
    .await;
    assert!(bytes > 0);
    count
}

/// What a thousand more events cost: the difference of a long and a longer stream.
fn per_thousand(count: impl Fn(u64) -> u64) -> u64 {
    (count(2 * EVENTS) - count(EVENTS)) * 1000 / EVENTS
}

fn request(path: &str, extra: &Value) -> Request<Full<Bytes>> {
    let mut body = json!({"model": "m", "stream": true, "input": "hi",
                          "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    Request::post(path)
        .body(Full::from(body.to_string()))
        .unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn chat(pieces: Vec<Bytes>, extra: &Value) -> u64 {
    let inner = service_fn(move |_: Request<_>| {
        let answer = Response::new(upstream(pieces.clone()));
        async { Ok::<_, Infallible>(answer) }
    });
    let request = request("/v1/chat/completions", extra);
    let answer = ChatCompletionsLayer::new()
        .layer(inner)
        .oneshot(request)
        .await;
    allocations(answer.unwrap().into_body()).await
}

#[tokio::main(flavor = "current_thread")]
async fn responses(pieces: Vec<Bytes>) -> u64 {
    let inner = service_fn(move |_: Request<_>| {
        let answer = Response::new(upstream(pieces.clone()));
        async { Ok::<_, Infallible>(answer) }
    });
    let request = request("/v1/responses", &json!({}));
    let answer = ResponsesLayer::new().layer(inner).oneshot(request).await;
    allocations(answer.unwrap().into_body()).await
}

/// Untouched, as Codex's own streams pass, but metered and listed.
#[tokio::main(flavor = "current_thread")]
async fn metered(pieces: Vec<Bytes>) -> u64 {
    let inner = service_fn(move |_: Request<_>| {
        let answer = Response::new(upstream(pieces.clone()));
        async { Ok::<_, Infallible>(answer) }
    });
    let log = RequestLog::new();
    let service = RequestLogLayer::new(log.clone()).layer(MeterLayer::new().layer(inner));
    let request = request("/v1/responses", &json!({}));
    let answer = service.oneshot(request).await.unwrap();
    allocations(answer.into_body()).await
}

fn delta(kind: &str, item: &str) -> Value {
    json!({"type": kind, "item_id": item, "output_index": 0, "content_index": 0,
           "sequence_number": 7, "logprobs": [], "delta": " tok\"en"})
}

/// For a thousand events. Frames leave in pieces of at least 64 KiB, some hundred events each.
const FRAMES_ALONE: u64 = 20;

#[test]
fn a_delta_of_a_chat_costs_no_allocation() {
    let call = json!({"type": "response.output_item.added", "output_index": 0, "item":
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}});
    for (kind, item, begin) in [
        ("response.output_text.delta", "msg_1", vec![]),
        ("response.refusal.delta", "msg_1", vec![]),
        ("response.reasoning_summary_text.delta", "rs_1", vec![]),
        ("response.function_call_arguments.delta", "fc_1", vec![call]),
        ("response.in_progress_of_tomorrow", "x", vec![]),
    ] {
        let delta = delta(kind, item);
        let cost = per_thousand(|events| chat(pieces(events, &begin, &delta), &json!({})));
        assert!(cost < FRAMES_ALONE, "{kind}: {cost} allocations a thousand");
    }
}

#[test]
fn a_delta_that_is_watched_for_a_stop_string_costs_what_its_text_needs() {
    let delta = |text: &str| json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": text});
    let limits = json!({"stop": ["never said"], "max_tokens": 1_000_000});
    let cost = |text: &str| per_thousand(|events| chat(pieces(events, &[], &delta(text)), &limits));
    assert!(cost(" token") < FRAMES_ALONE, "{}", cost(" token"));
    // What is escaped must be read: quoted, unescaped, and kept.
    assert!(cost("\n") < 3000 + FRAMES_ALONE, "{}", cost("\n"));
}

#[test]
fn an_event_of_the_responses_api_costs_no_allocation() {
    let delta = delta("response.output_text.delta", "msg_1");
    let cost = per_thousand(|events| responses(pieces(events, &[], &delta)));
    assert!(cost < FRAMES_ALONE, "{cost} allocations a thousand");
}

#[test]
fn an_event_that_is_metered_and_listed_costs_no_allocation() {
    let text = delta("response.output_text.delta", "msg_1");
    // The keys that are looked for, as a text has them, and as a stream of chats has them.
    let escaped = json!({"type": "response.output_text.delta", "delta": "\"usage\":{\"model\":"});
    let null = json!({"object": "chat.completion.chunk", "model": "m", "usage": null});
    for delta in [text, escaped, null] {
        let cost = per_thousand(|events| metered(pieces(events, &[], &delta)));
        assert!(cost < 5, "{delta}: {cost} allocations a thousand");
    }
}
