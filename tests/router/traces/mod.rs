//! A trace tells how a request went through the rings, and nothing of what was said.

mod collector;
mod export;
mod parents;

use std::time::Duration;

use fake_openai::{FakeOpenAi, Fault};
use serde_json::json;

pub(crate) use self::collector::Collector;
use self::collector::{Span, only, tree};
use crate::{
    harness::{Answer, Home, MODEL, Router, World, fake, until, worker},
    websocket::Socket,
};

const CHAT: &str = "POST /v1/chat/completions";

/// A router that sends traces at once.
pub(crate) fn environment(collector: &Collector) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
    ]
}

/// A router with this in its environment, with the profiles `work` (current) and `key`.
fn started(fake: FakeOpenAi, environment: &[(&'static str, String)]) -> World {
    let profiles = [
        ("work", fake.auth_json(&worker())),
        ("key", fake.api_key_auth_json("sk-key-of-the-test")),
    ];
    let home = Home::with(&profiles);
    home.keep_nothing_alive();
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, it)| (*name, &**it))
        .collect();
    let router = Router::start_with(&home, &fake, &environment);
    World { router, home, fake }
}

async fn traced(fake: FakeOpenAi) -> (World, Collector) {
    let collector = Collector::start();
    let world = started(fake, &environment(&collector));
    (world, collector)
}

fn chat_span() -> String {
    format!("chat {MODEL}")
}

/// The request's span, and the one that says what was asked of the model.
#[track_caller]
fn pair<'a>(spans: &'a [Span], name: &str) -> (&'a Span, &'a Span) {
    (only(spans, name), only(spans, &chat_span()))
}

#[tokio::test]
async fn a_stream_of_a_chat_is_a_tree_of_its_steps() {
    let (world, collector) = traced(fake()).await;
    let request = world.router.say_streaming("hello");
    let request = request.header("x-request-id", "mine-1");
    let answer = Answer::to(request.header("user-agent", "curl/8.5.0")).await;
    assert!(answer.complete && answer.text().ends_with("[DONE]\n\n"));

    let spans = collector.spans_with(1, CHAT).await;
    let (server, chat) = pair(&spans, CHAT);
    assert_eq!(
        tree(&spans, server),
        format!(
            "{CHAT} [gate, client_key, {} [route, translate, credentials, workspace, POST]]",
            chat_span()
        )
    );
    assert_eq!(
        (server.kind, chat.kind),
        (2, 3),
        "a server's and a client's"
    );
    assert!(spans.iter().all(|span| !span.failed), "{spans:#?}");
    server.has(&json!({
        "http.request.method": "POST", "http.route": "/v1/chat/completions",
        "http.response.status_code": 200, "url.scheme": "http",
        "url.path": "/v1/chat/completions", "network.protocol.version": "1.1",
        "codex_router.request_id": "mine-1", "codex_router.profile": "work",
        "codex_router.reason": "current", "error.type": null,
    }));
    chat.has(&json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL, "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ["stop"], "gen_ai.request.stream": true,
        "openai.api.type": "chat_completions", "codex_router.profile": "work",
        "codex_router.reason": "current", "codex_router.client": "curl 8.5", "error.type": null,
    }));
    assert!(chat.attributes["gen_ai.usage.input_tokens"].as_i64() > Some(0));
    assert!(chat.attributes["gen_ai.usage.output_tokens"].as_i64() > Some(0));
    assert_eq!(chat.events, ["first_byte"]);
    let first = chat.attributes["gen_ai.response.time_to_first_chunk"].as_f64();
    let whole = Duration::from_nanos(chat.nanoseconds).as_secs_f64();
    assert!(
        first > Some(0.0) && first < Some(whole),
        "{first:?} of {whole}"
    );
    let upstream = only(&spans, "POST");
    let address = world.fake.chatgpt_base_url().parse::<http::Uri>().unwrap();
    upstream.has(&json!({
        "http.request.method": "POST", "http.response.status_code": 200,
        "server.address": address.host(), "server.port": address.port_u16(),
        "url.path": null, "url.full": null,
    }));
    only(&spans, "credentials").has(&json!({"codex_router.profile": "work"}));
}

#[tokio::test]
async fn a_span_lasts_as_long_as_its_stream() {
    let slow = FakeOpenAi::builder().event_delay(Duration::from_millis(20));
    let (world, collector) = traced(slow.start_on_own_thread().unwrap()).await;
    let begun = std::time::Instant::now();
    Answer::to(world.router.say_streaming("count to 20")).await;
    let whole = begun.elapsed();
    let spans = collector.spans_with(1, CHAT).await;
    let (server, chat) = pair(&spans, CHAT);
    for span in [server, chat, only(&spans, "POST")] {
        let lasted = Duration::from_nanos(span.nanoseconds);
        assert!(
            lasted > whole / 2 && lasted <= whole,
            "{span:#?} of {whole:?}"
        );
    }
}

#[tokio::test]
async fn the_apis_are_told_apart_and_other_routes_ask_no_model() {
    let (world, collector) = traced(fake()).await;
    let responses = json!({"model": MODEL, "input": "stop at max_output_tokens"});
    Answer::to(world.router.post("/v1/responses", &responses)).await;
    let native = world.router.say("hello").header("x-codex-profile", "key");
    Answer::to(native).await;
    Answer::to(
        world
            .router
            .get("/v1/models/a-model-of-somebody?key=planted"),
    )
    .await;
    Answer::to(world.router.get("/healthz")).await;

    let spans = collector.spans_with(1, "GET /healthz").await;
    let asked: Vec<_> = spans
        .iter()
        .filter(|span| span.name == chat_span())
        .collect();
    let [responses, native] = asked.as_slice() else {
        panic!("{spans:#?}");
    };
    responses.has(&json!({
        "openai.api.type": "responses", "gen_ai.response.finish_reasons": ["length"],
        "gen_ai.request.stream": null, "gen_ai.response.time_to_first_chunk": null,
    }));
    assert_eq!(responses.events, ["first_byte"]);
    native.has(&json!({
        "codex_router.profile": "key", "codex_router.reason": "header",
        "gen_ai.response.finish_reasons": ["stop"],
    }));
    assert!(
        !tree(&spans, native).contains("translate"),
        "it passes as it is"
    );
    let models = only(&spans, "GET /v1/models/{id}");
    models.has(&json!({"http.route": "/v1/models/{id}", "url.path": null}));
    assert_eq!(
        tree(&spans, only(&spans, "GET /healthz")),
        "GET /healthz [gate]"
    );
}

#[tokio::test]
async fn a_401_shows_the_refresh_between_two_calls() {
    let (world, collector) = traced(fake()).await;
    world.fake.fault(Fault::unauthorized());
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.status, 200);
    let spans = collector.spans_with(1, CHAT).await;
    let (_, chat) = pair(&spans, CHAT);
    assert_eq!(
        tree(&spans, chat),
        format!(
            "{} [route, translate, credentials, workspace, POST, refresh, workspace, POST]",
            chat_span()
        )
    );
    let calls: Vec<_> = spans.iter().filter(|span| span.name == "POST").collect();
    calls[0].has(&json!({"http.response.status_code": 401, "error.type": "401"}));
    calls[1].has(&json!({"http.response.status_code": 200, "error.type": null}));
    assert!(calls[0].failed && !calls[1].failed && !chat.failed);
}

#[tokio::test]
async fn an_error_says_its_code_and_whose_it_is() {
    let (world, collector) = traced(fake()).await;
    world.fake.fault(Fault::usage_limit_reached("plus", 60));
    assert_eq!(Answer::to(world.router.say("one")).await.status, 429);
    world.fake.fault(Fault::cut_after(8));
    Answer::to(world.router.say_streaming("count to 20")).await;
    let nobody = world
        .router
        .say("three")
        .header("x-codex-profile", "nobody");
    Answer::to(nobody).await;
    let foreign = world
        .router
        .say("four")
        .header("origin", "https://evil.example");
    assert_eq!(Answer::to(foreign).await.status, 403);

    let spans = collector.spans_with(4, CHAT).await;
    let of = |name: &str| -> Vec<_> {
        let named = spans.iter().filter(|span| span.name == name);
        named.cloned().collect::<Vec<Span>>()
    };
    let (servers, asked) = (of(CHAT), of(&chat_span()));
    let [limited, cut, unknown, refused] = servers.as_slice() else {
        panic!("{servers:#?}");
    };
    let is_limit =
        json!({"codex_router.error_by": "upstream", "error.type": "usage_limit_reached"});
    asked[0].has(&is_limit);
    limited.has(&json!({
        "http.response.status_code": 429, "error.type": null,
        "codex_router.error_code": "usage_limit_reached",
    }));
    assert!(
        asked[0].failed && !limited.failed,
        "a 4xx is no error of the server's"
    );
    cut.has(&json!({"http.response.status_code": 200, "error.type": "upstream_connection_lost"}));
    asked[1].has(&json!({"error.type": "upstream_connection_lost"}));
    assert!(cut.failed && asked[1].failed);
    // Nobody has read what it asks for.
    let unread = only(&spans, "chat");
    let code = &unknown.attributes["codex_router.error_code"];
    assert_eq!(&unread.attributes["error.type"], code);
    let step = spans.iter().find(|span| span.parent == unread.id).unwrap();
    assert!(step.name == "route" && step.failed, "{step:#?}");
    refused.has(&json!({"codex_router.error_by": "client", "http.response.status_code": 403}));
    assert_eq!(tree(&spans, refused), format!("{CHAT} [gate]"));
}

#[tokio::test]
async fn a_body_that_cannot_be_translated_fails_at_that_step() {
    let (world, collector) = traced(fake()).await;
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/responses"] {
        let body = json!({"model": MODEL, "messages": 1, "prompt": {}, "input": 1});
        let answer = Answer::to(world.router.post(path, &body)).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        let spans = collector.spans_with(1, &format!("POST {path}")).await;
        let step = spans.iter().rfind(|span| span.name == "translate").unwrap();
        let server = only(&spans, &format!("POST {path}"));
        let code = server.attributes.get("codex_router.error_code");
        let kind = code.cloned().unwrap_or_else(|| json!("400"));
        step.has(&json!({"error.type": kind}));
        assert!(step.failed && !server.failed, "{step:#?}");
        assert!(spans.iter().all(|span| span.name != "POST"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_told_from_an_end() {
    let slow = FakeOpenAi::builder().event_delay(Duration::from_millis(20));
    let (world, collector) = traced(slow.start_on_own_thread().unwrap()).await;
    let request = world.router.say_streaming("count to 500");
    let mut response = request.send().await.unwrap();
    response.chunk().await.unwrap();
    drop(response);
    let spans = collector.spans_with(1, CHAT).await;
    let (server, chat) = pair(&spans, CHAT);
    for span in [server, chat] {
        span.has(&json!({"error.type": "client_closed"}));
        assert!(span.failed);
    }
    // One that leaves before there is an answer.
    world.fake.fault(Fault::slow_head(Duration::from_secs(30)));
    let asked = world.fake.requests().len();
    let call = tokio::spawn(world.router.say("hello").send());
    until("the call", || world.fake.requests().len() > asked).await;
    call.abort();
    let spans = collector.spans_with(2, CHAT).await;
    for name in [CHAT, &chat_span()] {
        let last = spans.iter().rfind(|span| span.name == name).unwrap();
        last.has(&json!({"error.type": "client_closed", "http.response.status_code": null}));
    }
}

#[tokio::test]
async fn each_turn_of_a_connection_is_a_span_under_its_own() {
    let (world, collector) = traced(fake()).await;
    let mut codex = Socket::to(&world.router).await;
    codex.ask("one").await;
    codex.ask("two").await;
    // What is over is sent, while the connection is open.
    let spans = collector.spans_with(2, &chat_span()).await;
    assert!(spans.iter().all(|span| span.name != "GET /v1/responses"));
    drop(codex);
    let spans = collector.spans_with(1, "GET /v1/responses").await;
    let connection = only(&spans, "GET /v1/responses");
    connection.has(&json!({
        "http.response.status_code": 101, "codex_router.profile": "work", "error.type": null,
    }));
    let turns: Vec<_> = spans
        .iter()
        .filter(|span| span.name == chat_span())
        .collect();
    for turn in &turns {
        assert_eq!(
            (&turn.parent, &turn.trace),
            (&connection.id, &connection.trace)
        );
        turn.has(&json!({
            "openai.api.type": "responses", "gen_ai.request.stream": true,
            "gen_ai.response.finish_reasons": ["stop"], "codex_router.profile": "work",
            "gen_ai.response.model": MODEL, "error.type": null,
        }));
        assert_eq!(turn.events, ["first_byte"]);
    }
    let whole = turns.iter().map(|turn| turn.nanoseconds).sum::<u64>();
    assert!(
        connection.nanoseconds >= whole,
        "it lasts as long as they do"
    );
}

#[tokio::test]
async fn a_turn_that_is_served_over_http_has_its_steps_under_it() {
    let (world, collector) = traced(fake()).await;
    let mut other = Socket::open(&world.router, &[]).await.unwrap();
    other.ask("one").await;
    world.fake.fault(Fault::response_failed("server_error"));
    other.turn_to_any_end("two").await;
    drop(other);
    let spans = collector.spans_with(1, "GET /v1/responses").await;
    let connection = only(&spans, "GET /v1/responses");
    let turn = |asked: &str| format!("{} [route, translate, credentials, {asked}]", chat_span());
    let (one, two) = (turn("workspace, POST"), turn("POST"));
    assert_eq!(
        tree(&spans, connection),
        format!("GET /v1/responses [gate, client_key, route, {one}, {two}]")
    );
    let failed = spans.iter().filter(|span| span.failed).collect::<Vec<_>>();
    let [failed] = failed.as_slice() else {
        panic!("the turn alone: {failed:#?}");
    };
    failed.has(&json!({"error.type": "server_error", "codex_router.error_by": "upstream"}));
}

#[tokio::test]
async fn another_profile_that_serves_is_named() {
    let (world, collector) = traced(fake()).await;
    world.fallback_to("key").await;
    world
        .fake
        .fault(Fault::usage_limit_reached("plus", 60).account("acct-work"));
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.served_by(), ("key", "fallback"));
    let spans = collector.spans_with(1, CHAT).await;
    let (server, chat) = pair(&spans, CHAT);
    for span in [server, chat] {
        span.has(&json!({"codex_router.profile": "key", "codex_router.reason": "fallback"}));
    }
    let logins = spans.iter().filter(|span| span.name == "credentials");
    let profiles: Vec<_> = logins
        .map(|it| &it.attributes["codex_router.profile"])
        .collect();
    assert_eq!(profiles, ["work", "key"]);
    chat.has(&json!({"error.type": null}));
}
