//! What a client may ask for, and how long it may take: every limit, over a socket of its own.

use std::{net::SocketAddr, time::Duration};

use codex_profiles::{CodexHome, ProfileStore};
use codex_proxy::{
    server::{Limits, Server, ServerError},
    upstream::Targets,
};
use fake_openai::FakeOpenAi;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::harness::{
    Answer, Home, PATIENCE, Router, chat, client, fake, program, until, worker, write,
};

/// Short enough to wait for, long enough for a machine that is busy.
const SHORT: Duration = Duration::from_millis(300);

/// A server in this process, with limits that a test can reach.
struct Served {
    address: SocketAddr,
    fake: FakeOpenAi,
    serving: JoinHandle<()>,
    home: Home,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Served {
    async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        Self::over(fake(), change).await
    }

    async fn over(fake: FakeOpenAi, change: impl FnOnce(&mut Limits)) -> Self {
        let home = Home::with(&[("work", fake.auth_json(&worker()))]);
        let store = ProfileStore::open(CodexHome::at(home.path(""))).unwrap();
        let targets = Targets::new(&fake.chatgpt_base_url(), &fake.openai_base_url()).unwrap();
        let mut limits = Limits::default();
        change(&mut limits);
        let server = Server::builder(store.clone())
            .targets(targets)
            .limits(limits)
            .fallback(store.clone())
            .model_rules(store);
        let bound = server.build().unwrap();
        let bound = bound.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self {
            address: bound.local_addr().unwrap(),
            fake,
            serving: tokio::spawn(bound.serve(std::future::pending())),
            home,
        }
    }

    async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn is_well(&self) {
        let answer = Answer::to(client().get(self.url("/healthz"))).await;
        assert_eq!(answer.status, 200);
    }
}

struct Raw(TcpStream);

impl Raw {
    async fn send(&mut self, text: &str) {
        // A server that has had enough may have closed by now.
        let _ = self.0.write_all(text.as_bytes()).await;
    }

    /// All that comes until the server closes, and how long that took.
    async fn rest(&mut self) -> (String, Duration) {
        let (began, mut bytes) = (Instant::now(), Vec::new());
        let read = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await;
        // A reset is an end, too.
        assert!(read.is_ok(), "the server leaves it open");
        (
            String::from_utf8_lossy(&bytes).into_owned(),
            began.elapsed(),
        )
    }

    /// The head of an answer; the connection stays open.
    async fn head(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let byte = timeout(PATIENCE, self.0.read_u8()).await;
            bytes.push(byte.expect("an answer in time").expect("an answer"));
        }
        String::from_utf8(bytes).unwrap()
    }
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn head_of_post(length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn who_says_nothing_or_half_a_head_or_trickles_is_cut() {
    let served = Served::with(|limits| limits.head = SHORT).await;
    for beginning in [
        "",
        "P",
        "PRI * HT",
        "POST /v1/chat/comp",
        "GET / HTTP/1.1\r\nHost: loc",
    ] {
        let mut raw = served.connect().await;
        raw.send(beginning).await;
        let (said, took) = raw.rest().await;
        assert_eq!(said, "", "{beginning:?}");
        assert!(took < SHORT * 6, "{beginning:?}: {took:?}");
    }
    let mut raw = served.connect().await;
    raw.send("GET /healthz HTTP/1.1\r\n").await;
    let trickle = async {
        loop {
            if raw.0.write_all(b"x-slow: 1\r\n").await.is_err() {
                break;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    timeout(SHORT * 10, trickle)
        .await
        .expect("cut, however it trickles");
    served.is_well().await;
}

#[tokio::test]
async fn a_second_head_has_no_more_time_than_the_first() {
    let served = Served::with(|limits| limits.head = SHORT).await;
    let mut raw = served.connect().await;
    raw.send(HEALTH).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    raw.send("GET /healthz HT").await;
    let (_, took) = raw.rest().await;
    assert!(took < SHORT * 6, "{took:?}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_in_use_is_not() {
    let builder = FakeOpenAi::builder().event_delay(Duration::from_millis(50));
    let fake = builder.start_on_own_thread().unwrap();
    let served = Served::over(fake, |limits| limits.idle = SHORT).await;
    let mut raw = served.connect().await;
    raw.send(HEALTH).await;
    raw.head().await;
    let (_, took) = raw.rest().await;
    assert!(took < SHORT * 6, "{took:?}");
    // Longer under way than anything may be idle.
    let words = "word ".repeat(20);
    let began = Instant::now();
    let answer = client()
        .post(served.url("/v1/chat/completions"))
        .json(&chat(&words));
    let answer = Answer::to(answer).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(began.elapsed() > SHORT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_body_that_pauses_is_answered_408_and_reaches_nobody() {
    let served = Served::with(|limits| limits.body_pause = SHORT).await;
    for head in [
        head_of_post(1000),
        head_of_post(1000).replace("Content-Length: 1000", "Transfer-Encoding: chunked"),
    ] {
        let mut raw = served.connect().await;
        raw.send(&head).await;
        raw.send("5\r\n{\"mod").await;
        let (said, took) = raw.rest().await;
        assert!(said.starts_with("HTTP/1.1 408"), "{said}");
        assert!(said.contains("\"request_timeout\""), "{said}");
        assert!(took < SHORT * 6, "{took:?}");
    }
    assert!(served.fake.model_calls().is_empty());
}

#[tokio::test]
async fn a_body_that_pauses_is_answered_408_by_those_that_read_ahead() {
    for settings in [
        r#"{"model_rules":[{"model":"x*","profile":"work"}]}"#,
        r#"{"fallback":{"profiles":["other"]}}"#,
    ] {
        let served = Served::with(|limits| limits.body_pause = SHORT).await;
        write(&served.home.path("router/state.json"), settings);
        let mut raw = served.connect().await;
        raw.send(&head_of_post(1000)).await;
        raw.send("{\"mod").await;
        let (said, _) = raw.rest().await;
        assert!(said.starts_with("HTTP/1.1 408"), "{settings}: {said}");
        assert!(said.contains("\"request_timeout\""), "{settings}: {said}");
    }
}

#[tokio::test]
async fn what_does_not_serve_cannot_be_moved_and_announces_nothing() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let store = ProfileStore::open(CodexHome::at(home.path(""))).unwrap();
    let control = codex_proxy::control::Control::builder(store.clone()).build();
    let server = Server::builder(store).control(control.clone());
    let address = "127.0.0.1:0".parse().unwrap();
    let bound = server.build().unwrap().bind(address).await.unwrap();
    let announcement = control.announce().await.unwrap();
    let announced = || std::fs::read_to_string(home.path("router/address")).unwrap();
    let (before, handle) = (announced(), bound.handle());
    let elsewhere = "127.0.0.1:0".parse().unwrap();
    let moved = timeout(PATIENCE, handle.listen(&elsewhere)).await;
    assert!(matches!(moved, Ok(Err(ServerError::NotServing))));
    assert_eq!(announced(), before);
    bound.serve(std::future::ready(())).await;
    let moved = handle.listen(&elsewhere).await;
    assert!(matches!(moved, Err(ServerError::NotServing)));
    assert_eq!(announced(), before);
    announcement.withdraw();
}

#[tokio::test]
async fn heads_have_a_size_and_a_number() {
    let served = Served::with(|limits| {
        limits.header_bytes = 16 << 10;
        limits.headers = 20;
    })
    .await;
    let many = "x-many: 1\r\n".repeat(30);
    let long = format!("x-long: {}\r\n", "a".repeat(20 << 10));
    let path = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a".repeat(20 << 10)
    );
    for (request, statuses) in [
        (
            HEALTH.replace("\r\n\r\n", &format!("\r\n{many}\r\n")),
            &[431][..],
        ),
        (
            HEALTH.replace("\r\n\r\n", &format!("\r\n{long}\r\n")),
            &[431],
        ),
        (path, &[414, 431]),
    ] {
        let mut raw = served.connect().await;
        raw.send(&request).await;
        let (said, _) = raw.rest().await;
        let status = said.get(9..12).and_then(|status| status.parse().ok());
        assert!(status.is_some_and(|it| statuses.contains(&it)), "{said}");
    }
    served.is_well().await;
}

#[tokio::test]
async fn a_body_has_a_size_however_it_is_framed() {
    let served = Served::with(|limits| limits.body_bytes = 10_000).await;
    let large = chat(&"x".repeat(20_000));
    let url = served.url("/v1/chat/completions");
    Answer::to(client().post(&url).json(&large))
        .await
        .error(413);
    let chunks = futures_util::stream::iter(
        large
            .to_string()
            .into_bytes()
            .chunks(4000)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>(),
    );
    let body = reqwest::Body::wrap_stream(chunks);
    let chunked = client()
        .post(&url)
        .header("content-type", "application/json")
        .body(body);
    Answer::to(chunked).await.error(413);
    assert!(served.fake.model_calls().is_empty());
    let small = Answer::to(client().post(&url).json(&chat("hello"))).await;
    assert_eq!(small.status, 200);
}

#[tokio::test]
async fn more_connections_than_may_be_wait_until_one_ends() {
    let served = Served::with(|limits| limits.connections = 2).await;
    let (mut first, mut second) = (served.connect().await, served.connect().await);
    for raw in [&mut first, &mut second] {
        raw.send(HEALTH).await;
        raw.head().await;
    }
    let mut third = served.connect().await;
    third.send(HEALTH).await;
    let waits = timeout(SHORT, third.head()).await;
    assert!(waits.is_err(), "there are two already");
    drop(first);
    assert!(third.head().await.starts_with("HTTP/1.1 200"));
    second.send(HEALTH).await;
    second.head().await;
}

#[tokio::test]
async fn a_websocket_holds_its_place_among_the_connections() {
    let served = Served::with(|limits| limits.connections = 1).await;
    let mut socket = served.connect().await;
    socket
        .send(
            "GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    assert!(socket.head().await.starts_with("HTTP/1.1 101"));
    let mut second = served.connect().await;
    second.send(HEALTH).await;
    assert!(timeout(SHORT, second.head()).await.is_err());
    drop(socket);
    assert!(second.head().await.starts_with("HTTP/1.1 200"));
}

/// Takes in as little as the system lets it.
async fn small_window(address: SocketAddr) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    Raw(socket.connect(address).await.unwrap())
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_its_upstream_with_it() {
    // More than the buffers of two sockets hold.
    let builder = FakeOpenAi::builder().answer_tokens(200_000);
    let fake = builder.start_on_own_thread().unwrap();
    let served = Served::over(fake, |limits| limits.stall = SHORT).await;
    let mut raw = small_window(served.address).await;
    let mut body = chat("hello");
    body["stream"] = true.into();
    let body = body.to_string();
    raw.send(&(head_of_post(body.len()) + &body)).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    until("the upstream is cancelled", || {
        served.fake.cancelled_streams() == 1
    })
    .await;
    served.is_well().await;
}

/// What a client of HTTP/2 begins with, and a request without a body.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HEALTH_BLOCK: &[u8] = b"\x82\x86\x44\x08/healthz\x41\x09localhost";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Pings, and reads whatever comes, until the server ends it. Says what came.
async fn ping_to_the_end(mut raw: Raw) -> Vec<u8> {
    let mut every = tokio::time::interval(SHORT / 6);
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    let pinging = async {
        loop {
            tokio::select! {
                _ = every.tick() => {
                    if raw.0.write_all(&frame(6, 0, 0, b"12345678")).await.is_err() {
                        break;
                    }
                }
                read = raw.0.read(&mut piece) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(length) => said.extend(&piece[..length]),
                },
            }
        }
    };
    timeout(PATIENCE, pinging).await.expect("cut");
    said
}

#[tokio::test]
async fn over_http_2_pings_keep_no_connection_that_asks_for_nothing() {
    let served = Served::with(|limits| {
        limits.idle = SHORT;
        limits.head = SHORT;
    })
    .await;
    for asks in [true, false] {
        let mut raw = served.connect().await;
        raw.0.write_all(HTTP_2).await.unwrap();
        if asks {
            let request = frame(1, 5, 1, HEALTH_BLOCK);
            raw.0.write_all(&request).await.unwrap();
        }
        let began = Instant::now();
        let said = ping_to_the_end(raw).await;
        assert!(began.elapsed() < SHORT * 12, "{:?}", began.elapsed());
        let answered = frame(6, 1, 0, b"12345678");
        assert!(said.windows(17).any(|it| it == answered), "{said:?}");
        // Who asked before is told (GOAWAY) and has time to leave.
        let told = said.windows(5).any(|it| it == [0, 0, 8, 7, 0]);
        assert_eq!(told, asks, "{said:?}");
    }
    served.is_well().await;
}

#[tokio::test]
async fn over_http_2_a_client_that_takes_no_more_is_cut_although_it_pings() {
    // More than a stream may be sent without being asked for more: 65,535 bytes.
    let builder = FakeOpenAi::builder().answer_tokens(200_000);
    let fake = builder.start_on_own_thread().unwrap();
    let served = Served::over(fake, |limits| limits.stall = SHORT).await;
    let mut body = chat("hello");
    body["stream"] = true.into();
    let mut block = b"\x83\x86\x44\x14/v1/chat/completions\x41\x09localhost".to_vec();
    block.extend(b"\x5f\x10application/json");
    let mut raw = served.connect().await;
    raw.0.write_all(HTTP_2).await.unwrap();
    raw.0.write_all(&frame(1, 4, 1, &block)).await.unwrap();
    let body = frame(0, 1, 1, body.to_string().as_bytes());
    raw.0.write_all(&body).await.unwrap();
    let said = ping_to_the_end(raw).await;
    assert!(said.len() > 60_000, "{}", said.len());
    until("the upstream is cancelled", || {
        served.fake.cancelled_streams() == 1
    })
    .await;
    served.is_well().await;
}

#[tokio::test]
async fn over_http_2_there_are_only_so_many_streams_and_no_flood_of_resets() {
    let served = Served::with(|limits| limits.streams = 4).await;
    let mut raw = served.connect().await;
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // HEADERS of `GET /healthz`, then RST_STREAM, two thousand times (CVE-2023-44487).
    for stream in (1_u32..4001).step_by(2) {
        let block = b"\x82\x86\x44\x08/healthz\x41\x09localhost";
        flood.extend_from_slice(&[0, 0, u8::try_from(block.len()).unwrap(), 1, 5]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(block);
        flood.extend_from_slice(&[0, 0, 4, 3, 0]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(&8_u32.to_be_bytes());
    }
    let _ = raw.0.write_all(&flood).await;
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, raw.0.read_to_end(&mut said))
        .await
        .expect("cut");
    // SETTINGS_MAX_CONCURRENT_STREAMS, and GOAWAY with ENHANCE_YOUR_CALM.
    assert!(
        said.windows(6).any(|it| it == [0, 3, 0, 0, 0, 4]),
        "{said:?}"
    );
    let calm = said.windows(4).any(|it| it == [0, 0, 0, 11]);
    assert!(calm, "{said:?}");
    served.is_well().await;
}

#[tokio::test]
async fn the_settings_bound_bodies_and_connections() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let state = r#"{"auto_refresh_enabled":false,"body_limit_bytes":1000,"max_connections":1}"#;
    write(&home.path("router/state.json"), state);
    let router = Router::start(&home, &fake);
    let mut first = Raw(TcpStream::connect(router.address()).await.unwrap());
    first.send(&head_of_post(2000)).await;
    first.send(&"x".repeat(2000)).await;
    assert!(first.head().await.starts_with("HTTP/1.1 413"));
    drop(first);
    let mut second = Raw(TcpStream::connect(router.address()).await.unwrap());
    second.send(HEALTH).await;
    second.head().await;
    let mut third = Raw(TcpStream::connect(router.address()).await.unwrap());
    third.send(HEALTH).await;
    assert!(timeout(SHORT, third.head()).await.is_err(), "there is one");
    drop(second);
    assert!(third.head().await.starts_with("HTTP/1.1 200"));
}

#[cfg(target_os = "linux")]
#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let mut command = std::process::Command::new("sh");
    let script = "ulimit -S -n 200; exec \"$0\" serve --listen 127.0.0.1:0";
    let program = program();
    command.args(["-c", script]).arg(program.get_program());
    command.env_clear().env("CODEX_HOME", home.path(""));
    command.envs(fake.environment());
    let router = Router::start_command(command);
    let limits = format!("/proc/{}/limits", router.pid());
    let limits = std::fs::read_to_string(limits).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let numbers: Vec<&str> = line.unwrap().split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1]);
    assert_ne!(numbers[0], "200");
}
