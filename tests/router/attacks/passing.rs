//! What HTTP allows, and must arrive at the upstream as one request that nobody can misread.

use fake_openai::RecordedRequest;

use super::*;
use crate::harness::chat;

/// The one request that arrived for a raw one that was answered once.
fn arrived(world: &World, request: &str) -> RecordedRequest {
    let before = world.fake.requests().len();
    let answer = world.router.raw(request);
    assert!(answer.starts_with("HTTP/1.1 200"), "{request}\n{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    let mut arrived = world.fake.requests().split_off(before);
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    arrived.remove(0)
}

/// Of each of these there is one at most, and none that is about another hop.
fn is_plain(request: &RecordedRequest) {
    for name in [
        "content-length",
        "transfer-encoding",
        "host",
        "authorization",
        "content-type",
    ] {
        let count = request.headers.get_all(name).iter().count();
        assert!(count <= 1, "{name}: {request:?}");
    }
    let framed =
        ["content-length", "transfer-encoding"].map(|name| request.headers.contains_key(name));
    assert_ne!(framed, [true, true], "{request:?}");
    for name in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "cookie",
    ] {
        assert!(!request.headers.contains_key(name), "{name}: {request:?}");
    }
    assert_eq!(request.bearer(), Some("sk-key-of-the-test"));
}

#[test]
fn a_body_is_framed_anew_however_it_came() {
    let world = World::api_key();
    let body = chat("hello").to_string();
    let (first, second) = body.split_at(10);
    let chunks = format!(
        "{:x};a=b;c=\"d\"\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n",
        first.len(),
        second.len()
    );
    let typed = "Content-Type: application/json\r\n";
    let post = |lines: &str, body: &str| post_here(&format!("{typed}{lines}"), body);
    let length = body.len();
    for request in [
        post("Transfer-Encoding: chunked\r\n", &format!("{chunks}\r\n")),
        // Chunks go before a length (RFC 9112, section 6.3).
        post(
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            &format!("{chunks}\r\n"),
        ),
        post(
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            &format!("{chunks}\r\n"),
        ),
        post("Transfer-Encoding: CHUNKED\r\n", &format!("{chunks}\r\n")),
        post(
            "Transfer-Encoding: chunked\r\n",
            &format!("{chunks}Authorization: Bearer evil\r\nContent-Length: 1\r\n\r\n"),
        ),
        post(
            &format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            &body,
        ),
        post(&format!("Content-Length: 000{length}\r\n"), &body),
        post(
            &format!("Expect: 100-continue\r\nContent-Length: {length}\r\n"),
            &body,
        )
        .replace("100-continue", "200-ok"),
        post(&format!("Content-Length: {length}\r\n"), &body).replace("\r\n", "\n"),
    ] {
        let arrived = arrived(&world, &request);
        is_plain(&arrived);
        assert_eq!(arrived.path, "/v1/chat/completions");
        assert_eq!(arrived.json["messages"][0]["content"], "hello", "{request}");
    }
}

/// A request that is passed on as it is.
fn embed(lines: &str) -> String {
    let body = r#"{"model":"text-embedding-3-small","input":"x"}"#;
    let lines = format!(
        "{lines}Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = post_here(&lines, body);
    request.replace("/v1/chat/completions", "/v1/embeddings")
}

#[test]
fn what_is_about_one_connection_goes_no_further_and_takes_nothing_along() {
    let world = World::api_key();
    for lines in [
        "Connection: close, authorization, host, x-theirs\r\nX-Theirs: 1\r\n",
        "Connection: authorization\r\nConnection: content-type, chatgpt-account-id\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: foo/2\r\n",
        "Keep-Alive: timeout=5\r\nProxy-Authorization: Basic eDp5\r\nTE: trailers\r\nTrailer: authorization\r\n",
        "Cookie: a=b\r\nReferer: http://localhost/secret\r\nX-Api-Key: theirs\r\n",
    ] {
        let arrived = arrived(&world, &embed(lines));
        is_plain(&arrived);
        for name in ["x-theirs", "referer", "x-api-key"] {
            assert!(!arrived.headers.contains_key(name), "{arrived:?}");
        }
        let host = arrived.header("host").unwrap();
        assert_eq!(host, world.fake.address().to_string());
    }
}

#[test]
fn a_second_request_on_the_connection_is_one_of_its_own() {
    let world = World::api_key();
    let first = get_here("").replace("Connection: close\r\n", "");
    let foreign = get("Host: evil.example\r\n");
    let answer = world.router.raw(&(first + &foreign));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("host_not_allowed"), "{answer}");
    assert_eq!(world.fake.requests().len(), 1);
}
