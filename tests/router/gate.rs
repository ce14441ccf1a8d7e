//! Nothing else on the machine, and no web page, can use the logins through the router.

use reqwest::RequestBuilder;

use crate::harness::{Answer, Home, Router, World, chat, fake, worker};

/// A request that a local program would send, as text.
fn raw_chat(extra: &str) -> String {
    let body = chat("hello").to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn status_of(answer: &str) -> u16 {
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer}"))
}

fn assert_nothing_reached(world: &World) {
    assert!(
        world.fake.requests().is_empty(),
        "{:?}",
        world.fake.requests()
    );
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let world = World::two_accounts();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:1"),
        ("origin", "https://localhost.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("forwarded", "for=127.0.0.1"),
    ] {
        for request in [
            world.router.say("hello"),
            world.router.get("/v1/models"),
            world.router.get("/"),
        ] {
            let answer = Answer::to(request.header(name, value)).await;
            answer.error(403);
        }
    }
    let preflight = world
        .router
        .client
        .request(reqwest::Method::OPTIONS, world.router.url("/v1/responses"));
    let preflight = preflight.header("origin", "https://evil.example");
    assert_eq!(
        Answer::to(preflight.header("access-control-request-method", "POST"))
            .await
            .status,
        403
    );
    assert_nothing_reached(&world);
}

#[tokio::test]
async fn what_a_page_could_send_without_asking_is_refused() {
    let world = World::two_accounts();
    let body = chat("hello").to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
    ] {
        for path in ["/v1/chat/completions", "/v1/responses"] {
            let request = world
                .router
                .client
                .post(world.router.url(path))
                .body(body.clone());
            Answer::to(request.header("content-type", kind))
                .await
                .error(415);
        }
    }
    let untyped = world
        .router
        .client
        .post(world.router.url("/v1/responses"))
        .body(body);
    Answer::to(untyped).await.error(415);
    assert_nothing_reached(&world);
}

#[tokio::test]
async fn only_loopback_names_are_answered_to() {
    let world = World::two_accounts();
    let port = world.router.address().port();
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "10.0.0.1",
        "a@localhost",
        "",
    ] {
        let answer = world
            .router
            .raw(&raw_chat(&format!("Host: {host}:{port}\r\n")));
        assert!([400, 403].contains(&status_of(&answer)), "{host}: {answer}");
    }
    for hosts in [
        "",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: evil.example\r\nHost: localhost\r\n",
    ] {
        assert_eq!(
            status_of(&world.router.raw(&raw_chat(hosts))),
            400,
            "{hosts:?}"
        );
    }
    // A rebound name in the target of the request counts, whatever `Host` says.
    let absolute = raw_chat("Host: localhost\r\n").replace("POST /", "POST http://evil.example/");
    assert_eq!(status_of(&world.router.raw(&absolute)), 400);
    assert_nothing_reached(&world);
    for host in [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "[::1]",
        &format!("localhost:{port}"),
    ] {
        assert_eq!(
            status_of(&world.router.raw(&raw_chat(&format!("Host: {host}\r\n")))),
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn no_answer_ever_has_a_cors_header() {
    let world = World::api_key();
    let cors = |name: &str, value: &str| {
        fake_openai::Fault::status(400)
            .json(chat("x"))
            .header(name, value)
    };
    world.fake.fault(cors("access-control-allow-origin", "*"));
    world
        .fake
        .fault(cors("access-control-allow-credentials", "true"));
    let origin = |request: RequestBuilder| request.header("origin", "https://evil.example");
    let own = format!("http://{}", world.router.address());
    for request in [
        world.router.say("hello"),
        world.router.say("hello"),
        world.router.say("hello").header("origin", own),
        world.router.get("/v1/models"),
        world.router.get("/healthz"),
        origin(world.router.get("/v1/models")),
        origin(world.router.say("hello")),
    ] {
        let answer = Answer::to(request).await;
        let found = answer
            .headers
            .keys()
            .find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(found, None);
    }
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    for address in ["0.0.0.0:0", "[::]:0", "192.168.0.1:0"] {
        let ran = home.run(&["serve", "--listen", address]);
        assert_eq!(ran.code, Some(1), "{address}");
        assert!(
            ran.stdout.is_empty() && ran.stderr.contains("loopback"),
            "{}",
            ran.stderr
        );
    }
    let ran = home.run_with(&["serve"], &[("CODEX_ROUTER_LISTEN", "0.0.0.0:0")]);
    assert_eq!(ran.code, Some(1));
}

#[tokio::test]
async fn no_trick_with_a_path_leads_out_of_the_api() {
    let world = World::two_accounts();
    let get = |path: &str| {
        world
            .router
            .raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    };
    for path in [
        "/v1/responses/../../x",
        "/v1/responses/../../wham/accounts/check",
        "/v1/models/../../wham/usage",
        "/v1/%2e%2e/%2e%2e/wham/usage",
        "/v1/responses/%2E%2E/%2e%2e/wham/usage",
        "/v1/responses/..%2f..%2fwham/usage",
        "/v1/responses/..\\..\\wham\\usage",
        "/v1//../../wham/usage",
        "/v1/../backend-api/wham/usage",
        "/backend-api/wham/usage",
        "/v1",
        "/v1/",
        "//evil.example/v1/models",
    ] {
        let answer = get(path);
        assert!((400..500).contains(&status_of(&answer)), "{path}: {answer}");
    }
    let strays: Vec<_> = world
        .fake
        .requests()
        .into_iter()
        .filter(|request| {
            !request.path.starts_with("/backend-api/codex/")
                && !request.path.ends_with("/wham/accounts/check")
        })
        .map(|request| request.path)
        .collect();
    assert_eq!(strays, [""; 0]);
    assert!(world.fake.requests_to("/wham/usage").is_empty());
}

#[tokio::test]
async fn no_request_is_smuggled_behind_another() {
    let world = World::two_accounts();
    let hidden = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = hidden.len();
    let two_lengths = format!("Content-Length: {length}\r\nContent-Length: 0\r\n");
    let list_of_lengths = format!("Content-Length: {length}, 0\r\n");
    for framing in [
        two_lengths.as_str(),
        &list_of_lengths,
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let head =
            "POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        let answer = world.router.raw(&format!("{head}{framing}\r\n{hidden}"));
        assert!(
            (400..500).contains(&status_of(&answer)),
            "{framing}: {answer}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{framing}: {answer}"
        );
    }
    assert!(world.fake.requests_to("/models").is_empty());
    assert!(world.fake.model_calls().is_empty());
}

#[tokio::test]
async fn a_client_that_never_finishes_its_head_keeps_nobody_else_waiting() {
    let world = World::two_accounts();
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(world.router.address()).unwrap();
            std::io::Write::write_all(&mut stream, b"POST /v1/chat/comp").unwrap();
            stream
        })
        .collect();
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    drop(slow);
}

#[tokio::test]
async fn both_loopback_addresses_may_be_listened_at() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let router = Router::start(&home, &fake);
    assert!(router.address().ip().is_loopback());
    let port = router.address().port();
    let localhost = router
        .client
        .get(format!("http://localhost:{port}/healthz"));
    assert_eq!(Answer::to(localhost).await.status, 200);
}
