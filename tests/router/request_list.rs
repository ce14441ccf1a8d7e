//! Every request is listed, with who served it and why, what it took and how it ended, and with
//! nothing of what was said.

use std::{net::SocketAddr, time::Duration};

use codex_auth::{Issuer, refresh::TokenEndpoint};
use codex_profiles::{CodexHome, ProfileStore};
use codex_proxy::{
    Origin,
    requests::{RequestEntry, RequestLog, RequestState},
    route::RouteReason,
    server::Server,
    upstream::Targets,
};
use fake_openai::{FakeOpenAi, Fault};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{ClientRequestBuilder, Error, Message},
};

use crate::harness::{Answer, Home, MODEL, PATIENCE, World, chat, client, fake, until, worker};

const CODEX: &str = "codex_exec/0.169.0 (Debian 12; x86_64) xterm (codex_exec; 0.169.0)";

/// The server in this process, so that its list can be looked at.
struct Listed {
    fake: FakeOpenAi,
    log: RequestLog,
    address: SocketAddr,
    client: reqwest::Client,
    serving: JoinHandle<()>,
    home: Home,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Listed {
    /// The profiles `work`, an account, which is current, and `key`, an API key.
    async fn new() -> Self {
        Self::over(fake()).await
    }

    async fn over(fake: FakeOpenAi) -> Self {
        let home = Home::with(&[
            ("work", fake.auth_json(&worker().email("ada@example.com"))),
            ("key", fake.api_key_auth_json("sk-key-of-the-test")),
        ]);
        let endpoint = TokenEndpoint::new(client(), Issuer::new(fake.issuer_url()));
        let store = ProfileStore::open(CodexHome::at(home.path(""))).unwrap();
        let store = store.with_token_endpoint(endpoint);
        let targets = Targets::new(&fake.chatgpt_base_url(), &fake.openai_base_url()).unwrap();
        let log = RequestLog::new();
        let server = Server::builder(store.clone())
            .targets(targets)
            .fallback(store)
            .request_log(log.clone())
            .build()
            .unwrap();
        let bound = server.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self {
            address: bound.local_addr().unwrap(),
            serving: tokio::spawn(bound.serve(std::future::pending())),
            client: client(),
            fake,
            log,
            home,
        }
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.post(url).json(body)
    }

    fn say(&self, said: &str) -> RequestBuilder {
        self.post("/v1/chat/completions", &chat(said))
    }

    /// As Codex asks: packed, with what it is called.
    fn codex(&self, said: &str) -> RequestBuilder {
        let body = json!({"model": MODEL, "instructions": "", "store": false, "stream": true,
                          "input": [user(said)]});
        let packed = zstd::encode_all(body.to_string().as_bytes(), 3).unwrap();
        self.client
            .post(format!("http://{}/v1/responses", self.address))
            .header("content-type", "application/json")
            .header("content-encoding", "zstd")
            .header("originator", "codex_exec")
            .header("user-agent", CODEX)
            .body(packed)
    }

    /// The newest entry, once it is over.
    async fn last(&self) -> RequestEntry {
        let over = |entry: &RequestEntry| entry.state != RequestState::Running;
        until("the request is over", || {
            self.log.recent().first().is_some_and(over)
        })
        .await;
        self.log.recent().remove(0)
    }

    async fn socket(&self, headers: &[(&str, &str)]) -> Result<Socket, Error> {
        let url = format!("ws://{}/v1/responses", self.address);
        let mut request = ClientRequestBuilder::new(url.parse().unwrap());
        for (name, value) in headers {
            request = request.with_header(*name, *value);
        }
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let (stream, _) = tokio_tungstenite::client_async(request, tcp).await?;
        Ok(Socket(stream))
    }
}

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// One turn, to its last event.
    async fn turn(&mut self, fields: &Value) -> Value {
        let mut message = json!({"type": "response.create", "model": MODEL, "store": false,
                                 "stream": true, "input": [user("hello")]});
        let fields = fields.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(fields);
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        loop {
            let Message::Text(text) = self.0.next().await.unwrap().unwrap() else {
                continue;
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            let kind = event["type"].as_str().unwrap();
            if ["response.completed", "response.failed", "error"].contains(&kind) {
                return event;
            }
        }
    }
}

const AS_CODEX: [(&str, &str); 3] = [
    ("originator", "codex_exec"),
    ("user-agent", CODEX),
    ("openai-beta", "responses_websockets=2026-02-06"),
];

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

/// The tokens of an entry and of a `usage` object of the Responses API are the same.
#[track_caller]
fn assert_tokens(entry: &RequestEntry, usage: &Value) {
    assert!(entry.input_tokens.unwrap() > 0);
    assert_eq!(entry.input_tokens, usage["input_tokens"].as_u64());
    assert_eq!(entry.output_tokens, usage["output_tokens"].as_u64());
    let cached = usage["input_tokens_details"]["cached_tokens"].as_u64();
    assert_eq!(entry.cached_tokens, cached);
    let reasoning = usage["output_tokens_details"]["reasoning_tokens"].as_u64();
    assert_eq!(entry.reasoning_tokens, reasoning);
}

#[tokio::test]
async fn a_request_is_listed_with_who_asked_who_served_and_what_it_took() {
    let listed = Listed::new().await;
    let request = listed
        .say("hello")
        .header("user-agent", "OpenAI/Python 3.54.0");
    let answer = Answer::to(request.header("x-request-id", "my-own-id")).await;
    let entry = listed.last().await;
    assert_eq!(entry.id, "my-own-id");
    assert_eq!(entry.client.as_deref(), Some("OpenAI/Python 3.54"));
    assert_eq!(
        (&*entry.method, &*entry.route),
        ("POST", "/v1/chat/completions")
    );
    assert_eq!(entry.model.as_deref(), Some(MODEL));
    assert_eq!(entry.profile.as_deref(), Some("work"));
    assert_eq!(entry.reason, Some(RouteReason::Current));
    assert_eq!(
        (entry.status, entry.error_by, entry.error_code),
        (Some(200), None, None)
    );
    assert_eq!(entry.state, RequestState::Done);
    assert!(entry.first_byte_ms.unwrap() <= entry.duration_ms.unwrap());
    let usage = answer.json()["usage"].clone();
    assert_eq!(entry.input_tokens, usage["prompt_tokens"].as_u64());
    assert_eq!(entry.output_tokens, usage["completion_tokens"].as_u64());
}

#[tokio::test]
async fn what_codex_packs_is_not_unpacked_and_its_model_and_tokens_are_known() {
    let listed = Listed::new().await;
    let answer = Answer::to(listed.codex("think first")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let entry = listed.last().await;
    assert_eq!(entry.client.as_deref(), Some("codex_exec 0.169"));
    assert_eq!(entry.model.as_deref(), Some(MODEL));
    let last = answer.events().pop().unwrap();
    assert_tokens(&entry, &last["response"]["usage"]);
    assert!(entry.reasoning_tokens.unwrap() > 0);
}

#[tokio::test]
async fn an_api_keys_own_answers_are_metered_too() {
    let listed = Listed::new().await;
    let mut streamed = chat("hello");
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({"include_usage": true});
    let responses = json!({"model": MODEL, "input": "hello"});
    for (path, body) in [
        ("/v1/chat/completions", chat("hello")),
        ("/v1/chat/completions", streamed),
        ("/v1/responses", responses),
    ] {
        let request = listed.post(path, &body).header("x-codex-profile", "key");
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let entry = listed.last().await;
        assert_eq!(entry.profile.as_deref(), Some("key"));
        assert_eq!(entry.reason, Some(RouteReason::Header));
        assert_eq!(entry.model.as_deref(), Some(MODEL), "{path}");
        assert!(
            entry.input_tokens > Some(0) && entry.output_tokens > Some(0),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_error_is_listed_with_its_author_and_its_code() {
    let listed = Listed::new().await;
    listed.fake.fault(Fault::usage_limit_reached("plus", 60));
    Answer::to(listed.say("hello")).await.error(429);
    let entry = listed.last().await;
    assert_eq!(
        (entry.status, entry.error_by),
        (Some(429), Some(Origin::Upstream))
    );
    assert_eq!(entry.error_code.as_deref(), Some("usage_limit_reached"));
    assert_eq!(entry.model.as_deref(), Some(MODEL), "that was asked for");

    Answer::to(listed.say("hello").header("x-codex-profile", "nobody"))
        .await
        .error(404);
    let entry = listed.last().await;
    assert_eq!(entry.error_by, Some(Origin::Router));
    assert_eq!(entry.error_code.as_deref(), Some("profile_unavailable"));
    assert_eq!((entry.profile, entry.reason), (None, None));

    let mut many = chat("hello");
    many["n"] = json!(2);
    Answer::to(listed.post("/v1/chat/completions", &many))
        .await
        .error(400);
    let entry = listed.last().await;
    assert_eq!(entry.error_by, Some(Origin::Client));
    assert_eq!(entry.profile.as_deref(), Some("work"));

    listed
        .fake
        .fault(Fault::response_failed("server_is_overloaded"));
    Answer::to(listed.codex("hello")).await;
    let entry = listed.last().await;
    assert_eq!(
        (entry.status, entry.error_by),
        (Some(200), Some(Origin::Upstream))
    );
    assert_eq!(entry.error_code.as_deref(), Some("server_is_overloaded"));

    listed.fake.fault(Fault::cut_after(4));
    Answer::to(listed.codex("count to 50")).await;
    let entry = listed.last().await;
    assert_eq!(
        (entry.state, entry.error_by),
        (RequestState::Done, Some(Origin::Upstream))
    );
}

#[tokio::test]
async fn a_fallback_is_one_entry_with_the_profile_that_served() {
    let listed = Listed::new().await;
    let set = json!({"fallback": {"profiles": ["key"]}}).to_string();
    crate::harness::write(&listed.home.path("router/state.json"), set);
    listed.fake.fault(Fault::usage_limit_reached("plus", 60));
    Answer::to(listed.say("hello")).await;
    let entry = listed.last().await;
    assert_eq!(entry.profile.as_deref(), Some("key"));
    assert_eq!(entry.reason, Some(RouteReason::Fallback));
    assert_eq!((entry.status, entry.error_by), (Some(200), None));
    assert!(entry.input_tokens > Some(0));
    assert_eq!(listed.log.recent().len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_is_listed_as_such() {
    let delay = Duration::from_millis(50);
    let slow = FakeOpenAi::builder().event_delay(delay);
    let listed = Listed::over(slow.start_on_own_thread().unwrap()).await;
    let mut answer = listed.codex("count to 50").send().await.unwrap();
    answer.chunk().await.unwrap();
    assert_eq!(listed.log.recent()[0].state, RequestState::Running);
    drop(answer);
    let entry = listed.last().await;
    assert_eq!(entry.state, RequestState::Cancelled);
    assert!(entry.first_byte_ms.is_some() && entry.output_tokens.is_none());
}

#[tokio::test]
async fn each_turn_of_codex_over_websocket_is_an_entry() {
    let listed = Listed::new().await;
    let mut socket = listed.socket(&AS_CODEX).await.unwrap();
    let warm = socket.turn(&json!({"generate": false})).await;
    assert!(listed.last().await.first_byte_ms.is_some());
    let id = warm["response"]["id"].clone();
    let last = socket.turn(&json!({"previous_response_id": id})).await;
    let entry = listed.last().await;
    assert_eq!((&*entry.method, &*entry.route), ("WS", "/v1/responses"));
    assert_eq!(entry.client.as_deref(), Some("codex_exec 0.169"));
    assert_eq!(entry.model.as_deref(), Some(MODEL));
    assert_eq!(entry.profile.as_deref(), Some("work"));
    assert_eq!(entry.reason, Some(RouteReason::Current));
    assert_eq!((entry.status, entry.state), (Some(200), RequestState::Done));
    assert_tokens(&entry, &last["response"]["usage"]);

    listed.fake.fault(Fault::usage_limit_reached("plus", 60));
    socket.turn(&json!({})).await;
    let entry = listed.last().await;
    assert_eq!(
        (entry.status, entry.error_by),
        (Some(429), Some(Origin::Upstream))
    );
    assert_eq!(entry.error_code.as_deref(), Some("usage_limit_reached"));
    assert_eq!(entry.profile.as_deref(), Some("work"), "no turn falls back");

    listed.fake.fault(Fault::cut_after(3));
    socket.turn(&json!({})).await;
    let entry = listed.last().await;
    assert_eq!(
        entry.error_code.as_deref(),
        Some("upstream_connection_lost")
    );
    let entries = listed.log.recent();
    assert_eq!(entries.len(), 4, "and the handshake is none");
    let ids: std::collections::HashSet<_> = entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_turn_that_its_client_leaves_is_cancelled() {
    let listed = Listed::new().await;
    listed
        .fake
        .fault(Fault::stall_after(2, Duration::from_mins(1)));
    let mut socket = listed.socket(&AS_CODEX).await.unwrap();
    let begun = json!({"type": "response.create", "model": MODEL, "store": false,
                       "stream": true, "input": [user("hello")]});
    socket
        .0
        .send(Message::text(begun.to_string()))
        .await
        .unwrap();
    let heard = || {
        listed
            .log
            .recent()
            .first()
            .is_some_and(|it| it.first_byte_ms.is_some())
    };
    until("it is answered", heard).await;
    drop(socket);
    assert_eq!(listed.last().await.state, RequestState::Cancelled);
}

#[tokio::test]
async fn a_handshake_that_fails_is_an_entry() {
    let listed = Listed::new().await;
    listed
        .fake
        .fault(Fault::unauthorized().on_upgrade().always());
    assert!(listed.socket(&AS_CODEX).await.is_err());
    let entry = listed.last().await;
    assert_eq!((&*entry.method, entry.status), ("GET", Some(503)));
    assert_eq!(entry.error_code.as_deref(), Some("profile_needs_login"));
}

#[tokio::test]
async fn each_turn_of_other_clients_over_websocket_is_an_entry() {
    let listed = Listed::new().await;
    let agent = ("user-agent", "OpenAI/Python 3.54.0");
    let mut socket = listed.socket(&[agent]).await.unwrap();
    for _ in 0..2 {
        let last = socket.turn(&json!({"temperature": 0.5})).await;
        assert_eq!(last["type"], "response.completed");
        let entry = listed.last().await;
        assert_eq!((&*entry.method, &*entry.route), ("WS", "/v1/responses"));
        assert_eq!(entry.client.as_deref(), Some("OpenAI/Python 3.54"));
        assert_eq!(entry.model.as_deref(), Some(MODEL));
        assert_eq!(entry.state, RequestState::Done);
        assert_tokens(&entry, &last["response"]["usage"]);
    }
    assert_eq!(listed.log.recent().len(), 2);
}

#[tokio::test]
async fn nothing_that_was_said_and_no_secret_is_in_the_list() {
    let listed = Listed::new().await;
    let planted = ["planted", "ada@example.com", "sk-key-of-the-test"];
    let everything = planted.join(" ");
    let headers = |request: RequestBuilder| {
        let request = request.header("user-agent", "ada@example.com/1.0 planted/1.0");
        request
            .header("x-request-id", &everything)
            .bearer_auth("planted")
    };
    let mut body = chat(&everything);
    body["user"] = json!(everything);
    Answer::to(headers(
        listed.post("/v1/chat/completions?q=planted", &body),
    ))
    .await;
    body["model"] = json!(everything);
    Answer::to(headers(listed.post("/v1/chat/completions", &body))).await;
    let path = "/v1/files/planted/ada@example.com";
    Answer::to(headers(listed.post(path, &body))).await;
    listed.fake.fault(
        Fault::status(400)
            .json(json!({"error": {"code": "ada@example.com", "message": "planted"}})),
    );
    Answer::to(headers(listed.codex(&everything))).await;
    let mut socket = listed.socket(&AS_CODEX).await.unwrap();
    socket.turn(&json!({"input": [user(&everything)]})).await;
    listed.last().await;
    let shown = serde_json::to_string(&listed.log.recent()).unwrap() + &format!("{:?}", listed.log);
    assert_eq!(listed.log.recent().len(), 5);
    for secret in planted {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[tokio::test]
async fn whoever_looks_on_is_told_of_each_change() {
    let listed = Listed::new().await;
    let mut told = listed.log.subscribe();
    Answer::to(listed.say("hello")).await;
    let first = told.recv().await.unwrap();
    assert_eq!((first.state, first.status), (RequestState::Running, None));
    loop {
        let entry = told.recv().await.unwrap();
        assert_eq!(entry.id, first.id);
        if entry.state == RequestState::Done {
            assert_eq!(entry.status, Some(200));
            break;
        }
    }
}

#[tokio::test]
async fn the_whole_program_shows_its_list_and_pushes_what_changes() {
    let world = World::two_accounts();
    let token = std::fs::read_to_string(world.home.path("router/control.token")).unwrap();
    let ask = |path| world.router.get(path).bearer_auth(token.trim());
    let mut events = ask("/api/events").send().await.unwrap();
    let request = world
        .router
        .say("planted")
        .header("user-agent", "curl/8.5.0");
    assert_eq!(Answer::to(request).await.status, 200);
    let list = Answer::to(ask("/api/requests")).await.json();
    let entry = &list["requests"][0];
    let fields: Vec<&str> = entry
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = [
        "id",
        "at",
        "client",
        "method",
        "route",
        "model",
        "profile",
        "reason",
        "status",
        "error_by",
        "error_code",
        "first_byte_ms",
        "duration_ms",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "reasoning_tokens",
        "state",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(entry["client"], "curl 8.5");
    assert_eq!(
        (&entry["profile"], &entry["reason"]),
        (&json!("work"), &json!("current"))
    );
    assert_eq!(
        (&entry["status"], &entry["error_by"]),
        (&json!(200), &Value::Null)
    );

    let mut told = String::new();
    let done = |event: &Value| event["id"] == entry["id"] && event["state"] == "done";
    while !data_of(&told, "request").iter().any(done) {
        let chunk = tokio::time::timeout(PATIENCE, events.chunk()).await;
        let chunk = chunk.expect("it is told of in time").unwrap().unwrap();
        told.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(!told.contains("planted"), "{told}");
}

/// The data of the events of one name that are whole.
fn data_of(told: &str, name: &str) -> Vec<Value> {
    let whole = told.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    let named = format!("event: {name}");
    let events = whole
        .split("\n\n")
        .filter(|event| event.lines().any(|it| it == named));
    let data = events.filter_map(|event| event.lines().find_map(|it| it.strip_prefix("data: ")));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}
