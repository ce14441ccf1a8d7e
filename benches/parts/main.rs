//! What the parts cost: a request translated, a stream translated.
//!
//! `cargo bench -p codex-router-benches --bench parts`

use std::{convert::Infallible, hint::black_box};

use bytes::Bytes;
use codex_proxy::chat::{ChatCompletionsLayer, ReasoningFormat, request::translate};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
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
            bencher.iter(|| translated(&runtime, &stream));
        });
    }
}

fn translated(runtime: &Runtime, stream: &Bytes) -> usize {
    runtime.block_on(async {
        let answer = service(stream.clone())
            .oneshot(question())
            .await
            .expect("an answer");
        answer
            .into_body()
            .collect()
            .await
            .expect("a whole answer")
            .to_bytes()
            .len()
    })
}

fn service(
    stream: Bytes,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
    Error: std::fmt::Debug,
> {
    ChatCompletionsLayer::new().layer(service_fn(move |_: Request<_>| {
        let answer = Response::new(Full::new(stream.clone()));
        async move { Ok::<_, Infallible>(answer) }
    }))
}

fn question() -> Request<Full<Bytes>> {
    let body =
        json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
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
    let delta = |text: &&str| {
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
               "content_index": 0, "delta": text})
    };
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}});
    let mut stream = String::new();
    for event in deltas.iter().map(delta).chain([end]) {
        for piece in ["data: ", &event.to_string(), "\n\n"] {
            stream.push_str(piece);
        }
    }
    stream.into()
}

criterion_group!(parts, chat_request, chat_stream);
criterion_main!(parts);
