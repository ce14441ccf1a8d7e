//! Whose trace a request belongs to: the client says it, and the upstream never learns of it.

use serde_json::json;

use super::{CHAT, MODEL, chat_span, collector::Collector, environment, only, started, traced};
use crate::{
    harness::{Answer, World, fake},
    websocket::Socket,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

#[tokio::test]
async fn a_request_goes_on_with_the_trace_of_its_client() {
    let (world, collector) = traced(fake()).await;
    let request = world
        .router
        .say("hello")
        .header("traceparent", traceparent("01"));
    Answer::to(request.header("tracestate", "vendor=value")).await;
    let spans = collector.spans_with(1, CHAT).await;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
    assert_eq!(only(&spans, CHAT).parent, PARENT);
    // Its `tracestate` is any text: nobody is sent it.
    assert!(spans.iter().all(|span| span.state.is_empty()), "{spans:#?}");
}

#[tokio::test]
async fn what_is_no_traceparent_is_ignored() {
    let (world, collector) = traced(fake()).await;
    let twice = traceparent("01");
    let malformed = [
        "",
        "00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "+0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ada@example.com",
    ];
    for header in malformed {
        let request = world.router.say("hello").header("traceparent", header);
        assert_eq!(Answer::to(request).await.status, 200, "{header}");
    }
    let request = world.router.say("hello").header("traceparent", &twice);
    Answer::to(request.header("traceparent", &twice)).await;
    let spans = collector.spans_with(malformed.len() + 1, CHAT).await;
    for span in spans.iter().filter(|span| span.name == CHAT) {
        assert_eq!(span.parent, "", "{span:#?}");
        assert_ne!(span.trace, TRACE);
    }
}

#[tokio::test]
async fn a_client_that_does_not_record_is_followed() {
    let (world, collector) = traced(fake()).await;
    let request = world
        .router
        .say("hello")
        .header("traceparent", traceparent("00"));
    Answer::to(request).await;
    Answer::to(world.router.get("/healthz")).await;
    let spans = collector.spans_with(1, "GET /healthz").await;
    assert!(spans.iter().all(|span| span.trace != TRACE), "{spans:#?}");
}

/// A model is asked in every way there is, by a client that says whose trace it is.
async fn asked_in_every_way(world: &World) {
    let parent = traceparent("01");
    let headers = [
        ("traceparent", &*parent),
        ("tracestate", "vendor=planted"),
        ("baggage", "user=planted"),
    ];
    let codex = [
        ("originator", "codex_exec"),
        ("user-agent", "codex_exec/0.169.0"),
    ];
    let body = json!({
        "model": MODEL, "instructions": "", "store": false, "stream": true,
        "input": [{"type": "message", "role": "user", "content": "hello"}],
    });
    for (path, profile) in [
        ("/v1/responses", "work"),
        ("/v1/responses", "key"),
        ("/v1/embeddings", "key"),
    ] {
        for client in [&codex[..], &[]] {
            let mut request = world
                .router
                .post(path, &body)
                .header("x-codex-profile", profile);
            for (name, value) in headers.iter().chain(client) {
                request = request.header(*name, *value);
            }
            Answer::to(request).await;
        }
    }
    let mut socket = Socket::with(&world.router, &headers).await.unwrap();
    socket.ask("hello").await;
    let mut socket = Socket::open(&world.router, &headers).await.unwrap();
    socket.ask("hello").await;
}

fn assert_nothing_was_told(world: &World) {
    let requests = world.fake.requests();
    assert!(requests.len() >= 8, "{}", requests.len());
    for request in requests {
        for name in ["traceparent", "tracestate", "baggage"] {
            assert_eq!(
                request.header(name),
                None,
                "{} {}",
                request.method,
                request.path
            );
        }
        let shown = format!("{:?}", request.headers);
        assert!(
            !shown.contains(TRACE) && !shown.contains("planted"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_upstream_never_learns_of_a_trace() {
    let (world, collector) = traced(fake()).await;
    asked_in_every_way(&world).await;
    assert_nothing_was_told(&world);
    let spans = collector.spans_with(1, &chat_span()).await;
    assert!(spans.iter().all(|span| span.trace == TRACE));
}

#[tokio::test]
async fn nor_where_none_is_made() {
    let world = started(fake(), &[]);
    asked_in_every_way(&world).await;
    assert_nothing_was_told(&world);
}

#[tokio::test]
async fn the_sampler_of_the_environment_is_obeyed() {
    let collector = Collector::start();
    let mut settings = environment(&collector);
    settings.push(("OTEL_TRACES_SAMPLER", "parentbased_always_off".to_owned()));
    let world = started(fake(), &settings);
    Answer::to(world.router.say("hello")).await;
    let request = world
        .router
        .get("/healthz")
        .header("traceparent", traceparent("01"));
    Answer::to(request).await;
    let spans = collector.spans_with(1, "GET /healthz").await;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
}
