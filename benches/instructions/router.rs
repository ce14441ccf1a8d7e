//! The whole router in the process that is counted, its client and its upstream in the other one.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use codex_profiles::{CodexHome, ProfileStore};
use codex_proxy::{metrics::Metrics, requests::RequestLog, server::Server, upstream::Targets};
use fake_openai::{FakeOpenAi, write_home};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

use crate::{
    Failure,
    cases::{event_stream, runtime},
};

/// In the environment of the process that is counted: where its upstream is.
const UPSTREAM: &str = "CODEX_ROUTER_BENCH_UPSTREAM";
/// … and where the client waits for its address.
const CLIENT: &str = "CODEX_ROUTER_BENCH_CLIENT";

/// Tokens of an answer where requests are counted.
const SHORT: usize = 20;

/// Which API is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Responses,
    Chat,
}

/// The client and the upstream of a router.
pub(crate) struct Peer {
    environment: [(&'static str, String); 2],
    client: JoinHandle<Result<(), Failure>>,
}

impl Peer {
    /// Asks so many times for a short answer.
    pub(crate) fn requests(form: Form, times: usize) -> Result<Self, Failure> {
        Self::new(form, times, SHORT)
    }

    /// Asks once, for a long one.
    pub(crate) fn events(form: Form, times: usize) -> Result<Self, Failure> {
        Self::new(form, 1, times)
    }

    fn new(form: Form, requests: usize, tokens: usize) -> Result<Self, Failure> {
        let (upstream, client) = (TcpListener::bind(LOCAL)?, TcpListener::bind(LOCAL)?);
        let environment = [
            (UPSTREAM, upstream.local_addr()?.to_string()),
            (CLIENT, client.local_addr()?.to_string()),
        ];
        let answers = event_stream(tokens);
        thread::spawn(move || {
            for connection in upstream.incoming().flatten() {
                let answers = answers.clone();
                // It ends with the connection.
                thread::spawn(move || drop(answer_all(connection, &answers)));
            }
        });
        let client = thread::spawn(move || ask(&client, form, requests));
        Ok(Self {
            environment,
            client,
        })
    }

    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        self.client.join().map_err(|_| "the client broke down")?
    }
}

const LOCAL: (&str, u16) = ("127.0.0.1", 0);

/// A home with one login, and its store.
pub(crate) fn profiles() -> Result<(TempDir, ProfileStore), Failure> {
    // Only its word for what a login is, no server.
    let fake = FakeOpenAi::builder().start_on_own_thread()?;
    let account = fake.account("user-bench", "acct-bench");
    let home = tempfile::tempdir()?;
    write_home(home.path(), &[("bench", fake.auth_json(&account))])?;
    let store = ProfileStore::open(CodexHome::at(home.path()))?;
    Ok((home, store))
}

/// Serves as the program does until the client has had enough.
pub(crate) fn serve(_times: usize) -> Result<(), Failure> {
    log_as_usual();
    let (_home, store) = profiles()?;
    let upstream = format!("http://{}", std::env::var(UPSTREAM)?);
    let targets = Targets::new(
        &format!("{upstream}/backend-api"),
        &format!("{upstream}/v1"),
    )?;
    runtime()?.block_on(async {
        let metrics = Metrics::new();
        let bound = Server::builder(store.clone())
            .request_log(RequestLog::observed_by(metrics.clone()))
            .metrics(metrics)
            .usage(store.clone())
            .targets(targets)
            .fallback(store.clone())
            .model_rules(store.clone())
            .client_keys(store.clone())
            .build()?
            .bind("127.0.0.1:0".parse()?)
            .await?;
        let mut client = tokio::net::TcpStream::connect(std::env::var(CLIENT)?).await?;
        let address = bound.local_addr().ok_or("no address")?;
        client.write_all(format!("{address}\n").as_bytes()).await?;
        let had_enough = async move { drop(client.read(&mut [0]).await) };
        bound.serve(had_enough).await;
        Ok(())
    })
}

/// As the program does: warnings, by a filter that can be changed.
fn log_as_usual() {
    let (filter, _) = reload::Layer::new(EnvFilter::new("warn"));
    let lines = fmt::layer().with_writer(std::io::stderr);
    Registry::default().with(filter).with(lines).init();
}

/// A client with one connection, kept alive.
fn ask(listener: &TcpListener, form: Form, requests: usize) -> Result<(), Failure> {
    let (router, _) = listener.accept()?;
    let mut router = BufReader::new(router);
    let mut address = String::new();
    router.read_line(&mut address)?;
    let mut connection = BufReader::new(TcpStream::connect(address.trim())?);
    connection.get_ref().set_nodelay(true)?;
    let request = request(form);
    for _ in 0..requests {
        connection.get_mut().write_all(request.as_bytes())?;
        read_answer(&mut connection)?;
    }
    Ok(())
}

/// As Codex asks, or a library.
fn request(form: Form) -> String {
    let content = json!([{"type": "input_text", "text": "count to 20"}]);
    let (path, agent, body) = match form {
        Form::Responses => (
            "/v1/responses",
            "originator: codex_exec\r\nuser-agent: codex_exec/0.169.0\r\n",
            json!({"model": "gpt-5.5", "instructions": "", "store": false, "stream": true,
                "input": [{"type": "message", "role": "user", "content": content}]}),
        ),
        Form::Chat => (
            "/v1/chat/completions",
            "user-agent: OpenAI/Python 2.8.0\r\n",
            json!({"model": "gpt-5.5", "stream": true,
                "messages": [{"role": "user", "content": "count to 20"}]}),
        ),
    };
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer unused\r\n{agent}\
         content-type: application/json\r\naccept: text/event-stream\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads an answer to its end, which is that of its chunks (RFC 9112, section 7.1).
fn read_answer(connection: &mut BufReader<TcpStream>) -> Result<(), Failure> {
    let head = read_head(connection)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("an error in place of an answer: {head}").into());
    }
    loop {
        let mut size = String::new();
        connection.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16)?;
        // Each chunk ends with a line break.
        std::io::copy(
            &mut connection.by_ref().take(size + 2),
            &mut std::io::sink(),
        )?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// The upstream: reads requests, and answers each with this stream in one write.
fn answer_all(connection: TcpStream, stream: &str) -> Result<(), Failure> {
    let streamed = streamed(stream);
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    loop {
        let head = read_head(&mut connection)?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: u64 = length.map_or(Ok(0), str::parse)?;
        std::io::copy(&mut connection.by_ref().take(length), &mut std::io::sink())?;
        let answer = if head.contains("accounts/check") {
            let body = r#"{"accounts":[{"id":"acct-bench"}]}"#;
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        } else {
            streamed.clone()
        };
        connection.get_mut().write_all(answer.as_bytes())?;
    }
}

/// An answer with a chunk for each event, as servers send them.
fn streamed(stream: &str) -> String {
    let head = "content-type: text/event-stream\r\ntransfer-encoding: chunked";
    let chunk = |event: &str| format!("{:x}\r\n{event}\r\n", event.len());
    let chunks: String = stream.split_inclusive("\n\n").map(chunk).collect();
    format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{chunks}0\r\n\r\n")
}

/// A head with its blank line; an error where the connection ends.
fn read_head(connection: &mut BufReader<TcpStream>) -> Result<String, Failure> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head)? == 0 {
            return Err("the connection ended".into());
        }
    }
    Ok(head)
}
