//! What goes wrong behind the router is told as it is: whose fault, and when to try again.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use fake_openai::Fault;
use serde_json::{Value, json};

use crate::harness::{Answer, Home, MODEL, Router, World, fake, worker};

/// The same call in both forms.
fn calls(router: &Router) -> [reqwest::RequestBuilder; 2] {
    let responses = json!({"model": MODEL, "input": "hello"});
    [
        router.say("hello"),
        router.post("/v1/responses", &responses),
    ]
}

/// A router whose ChatGPT backend is at this address.
fn with_backend(address: &str) -> (fake_openai::FakeOpenAi, Home, Router) {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let url = format!("http://{address}/backend-api");
    let router = Router::start_with(&home, &fake, &[("CODEX_ROUTER_CHATGPT_BASE_URL", &url)]);
    (fake, home, router)
}

/// An upstream that answers every connection with these bytes.
fn scripted(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 8192]);
            let _ = connection.write_all(answer);
        }
    });
    address
}

#[tokio::test]
async fn a_usage_limit_is_kept_with_its_reset_time_and_headers() {
    let world = World::two_accounts();
    for request in calls(&world.router) {
        world.fake.fault(Fault::usage_limit_reached("plus", 3600));
        let answer = Answer::to(request).await;
        answer.error(429);
        let error = answer.json()["error"].clone();
        assert_eq!(error["type"], "usage_limit_reached");
        assert!(error["resets_at"].as_i64().unwrap() > 1_700_000_000);
        assert_eq!(answer.header("x-codex-primary-used-percent"), Some("100"));
        assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
        assert_eq!(
            answer.served_by(),
            ("work", "current"),
            "never served by another"
        );
    }
    assert!(
        world
            .fake
            .model_calls()
            .iter()
            .all(|call| call.account.as_deref() == Some("acct-work"))
    );
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let world = World::two_accounts();
    for request in calls(&world.router) {
        world.fake.fault(Fault::rate_limit_exceeded(7));
        let answer = Answer::to(request).await;
        assert_eq!(answer.error(429), "rate_limit_exceeded");
        assert_eq!(answer.header("retry-after"), Some("7"));
    }
}

#[tokio::test]
async fn statuses_of_the_upstream_are_kept_and_not_retried() {
    let world = World::two_accounts();
    for status in [400, 402, 403, 404, 408, 409, 422, 500, 502, 503, 504, 529] {
        world.fake.forget_requests();
        world.fake.fault(
            Fault::status(status).json(json!({"error": {"message": "scripted", "code": "c"}})),
        );
        let answer = Answer::to(world.router.say("hello")).await;
        assert_eq!(answer.error(status), "c");
        assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
        assert_eq!(world.fake.model_calls().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn errors_of_other_shapes_become_that_of_openai() {
    let world = World::two_accounts();
    for (body, message) in [
        (
            json!({"detail": "Unsupported parameter: top_p"}),
            "Unsupported parameter: top_p",
        ),
        (json!({"detail": [{"loc": ["body"]}]}), "loc"),
        (json!({"error": "a text"}), "a text"),
        (json!({"message": "unknown shape"}), "400"),
        (json!([1, 2]), "400"),
        (Value::Null, "400"),
    ] {
        world.fake.fault(Fault::status(400).json(body.clone()));
        let answer = Answer::to(world.router.say("hello")).await;
        answer.error(400);
        let said = answer.json()["error"]["message"].to_string();
        assert!(said.contains(message), "{body}: {said}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_page_of_cloudflare_is_recognised_and_no_logout() {
    let world = World::two_accounts();
    for request in calls(&world.router) {
        world.fake.fault(Fault::cloudflare());
        let answer = Answer::to(request).await;
        assert_eq!(answer.error(403), "upstream_blocked");
        assert!(!answer.text().contains("<html"));
    }
    assert!(world.fake.refreshes().is_empty());
    assert_eq!(world.home.listed("work")["state"], "ok");
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_an_error_within_seconds() {
    // Bound and dropped: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let (_fake, _home, router) = with_backend(&address);
    for request in calls(&router).into_iter().chain([router.get("/v1/models")]) {
        let begun = Instant::now();
        let answer = Answer::to(request).await;
        assert_eq!(answer.error(502), "upstream_unreachable");
        assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn an_upstream_that_talks_nonsense_is_an_error_within_seconds() {
    for nonsense in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<html/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (_fake, _home, router) = with_backend(&scripted(nonsense));
        for request in calls(&router) {
            let answer = Answer::to(request).await;
            answer.error(502);
            assert_eq!(answer.header("x-codex-router-error"), Some("upstream"));
        }
    }
}

#[tokio::test]
async fn bytes_nobody_understands_pass_to_codex_as_they_are() {
    let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Novel: 1\r\nSet-Cookie: a=b\r\n\r\n\
        : a comment\r\n\r\nevent: response.novel\ndata: {\"type\":\"response.novel\",  \"n\":1.10}\n\n\xff\xfe no end";
    let (_fake, _home, router) = with_backend(&scripted(answer));
    let request = router.post("/v1/responses", &json!({"model": MODEL, "input": []}));
    let came = Answer::to(request.header("originator", "codex_exec")).await;
    let body = &answer[answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4..];
    assert_eq!((came.status, came.bytes.as_slice()), (200, body));
    assert_eq!(came.header("x-novel"), Some("1"));
    assert_eq!(
        came.header("set-cookie"),
        None,
        "cookies are the router's own"
    );
}

#[tokio::test]
async fn a_stream_that_is_cut_is_cut_for_codex_too() {
    let world = World::two_accounts();
    world.fake.fault(Fault::cut_after(6));
    let body = json!({"model": MODEL, "instructions": "", "store": false, "stream": true,
        "input": [{"type": "message", "role": "user", "content": "count to 50"}]});
    let request = world
        .router
        .post("/v1/responses", &body)
        .header("originator", "codex_exec");
    let answer = Answer::to(request).await;
    assert!(!answer.complete, "never a clean end");
    assert!(!answer.text().contains("response.completed"));
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_costs_nobody_an_error() {
    let world = World::two_accounts();
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    world.fake.fault(Fault::refused());
    // It was closed unanswered: whether it was done, nobody knows, so that the client must decide.
    Answer::to(world.router.say("hello")).await.error(502);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
}
