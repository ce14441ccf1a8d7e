//! What the parts cost: a request translated, a stream translated.
//!
//! `cargo bench -p codex-router-benches --bench parts`

use std::{
    convert::Infallible,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_proxy::{
    chat::{ChatCompletionsLayer, ReasoningFormat, request::translate},
    responses::ResponsesLayer,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Either, Full};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// Conversations of two sizes: the time for a byte must stay the same.
fn chat_request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chat request");
    for mebibytes in [1, 8] {
        let body = conversation(mebibytes << 20);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.sample_size(20);
        group.bench_function(
            BenchmarkId::from_parameter(format!("{mebibytes} MiB")),
            |bencher| {
                bencher.iter(|| translate(black_box(&body), ReasoningFormat::default()));
            },
        );
    }
}

/// One inline image: a text that goes on as it came.
fn chat_image(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chat image");
    group.sample_size(20);
    let url = format!("data:image/png;base64,{}", "A".repeat(8 << 20));
    let image = json!({"type": "image_url", "image_url": {"url": url}});
    let message = json!({"role": "user", "content": [image]});
    let body = json!({"model": "m", "messages": [message]}).to_string();
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("8 MiB", |bencher| {
        bencher.iter(|| translate(black_box(body.as_bytes()), ReasoningFormat::default()));
    });
}

/// Many short deltas, and one event of 8 MiB.
fn chat_stream(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("chat stream");
    group.sample_size(20);
    let deltas = vec!["token "; 40_000];
    let long = "x".repeat(8 << 20);
    for (name, deltas) in [
        ("40,000 deltas", deltas),
        ("one delta of 8 MiB", vec![long.as_str()]),
    ] {
        let stream = event_stream(&deltas);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(name, |bencher| {
            let layer = ChatCompletionsLayer::new();
            bencher.iter(|| answered(&runtime, layer.layer(upstream(&stream))));
        });
    }
}

/// The same deltas for a client of the Responses API that is not Codex.
fn responses_stream(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("responses stream");
    group.sample_size(20);
    let stream = event_stream(&vec!["token "; 40_000]);
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("40,000 deltas", |bencher| {
        let layer = ResponsesLayer::new();
        bencher.iter(|| answered(&runtime, layer.layer(upstream(&stream))));
    });
}

fn answered<S, R>(runtime: &Runtime, service: S) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: std::fmt::Debug>,
    R: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    runtime.block_on(async {
        let answer = service.oneshot(question()).await.expect("an answer");
        answer
            .into_body()
            .collect()
            .await
            .expect("a whole answer")
            .to_bytes()
            .len()
    })
}

/// What is below a layer: the request is taken in, the stream given out as a socket would, in
/// pieces.
fn upstream(
    stream: &Bytes,
) -> impl Service<
    Request<Either<Full<Bytes>, Full<Bytes>>>,
    Response = Response<Pieces>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let stream = stream.clone();
    service_fn(move |_| {
        let answer = Response::new(Pieces(stream.clone()));
        async move { Ok(answer) }
    })
}

/// As much at once as comes from a socket.
const PIECE_BYTES: usize = 64 << 10;

struct Pieces(Bytes);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.0.len().min(PIECE_BYTES);
        let piece = self.0.split_to(length);
        Poll::Ready((length > 0).then_some(Ok(Frame::data(piece))))
    }
}

fn question() -> Request<Full<Bytes>> {
    let body = json!({"model": "m", "stream": true, "input": "hi",
                      "messages": [{"role": "user", "content": "hi"}]});
    Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .expect("a valid request")
}

fn conversation(bytes: usize) -> Vec<u8> {
    let turn = "some words of a conversation, ".repeat(30);
    let messages: Vec<_> = (0..bytes / turn.len())
        .map(|index| json!({"role": if index % 2 == 0 { "user" } else { "assistant" }, "content": turn}))
        .collect();
    json!({"model": "m", "stream": true, "messages": messages})
        .to_string()
        .into_bytes()
}

fn event_stream(deltas: &[&str]) -> Bytes {
    // The type stands first, as the backend has it.
    let delta = |text: &&str| {
        format!(
            r#"{{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"{text}","sequence_number":7}}"#
        )
    };
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}})
    .to_string();
    let mut stream = String::new();
    for event in deltas.iter().map(delta).chain([end]) {
        for piece in ["data: ", &event, "\n\n"] {
            stream.push_str(piece);
        }
    }
    stream.into()
}

criterion_group!(
    parts,
    chat_request,
    chat_image,
    chat_stream,
    responses_stream
);
criterion_main!(parts);
