//! Clients that are not Codex: each of their turns is a request.

use std::time::{Duration, Instant};

use fake_openai::{FakeOpenAi, Fault};
use futures_util::SinkExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Socket, id_of, kind, recorded, said_in, slow, user};
use crate::harness::{MODEL, PATIENCE, Router, World, fake, until, worker};

/// A client as OpenAI's library for Python is one.
async fn library(router: &Router) -> Socket {
    Socket::open(router, &[("user-agent", "OpenAI/Python 3")])
        .await
        .unwrap()
}

impl Socket {
    /// Says what such a client would, and nothing that the ChatGPT backend wants.
    async fn create(&mut self, fields: &Value) {
        let mut message = json!({"type": "response.create", "model": MODEL});
        let fields = fields.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(fields);
        let message = Message::text(message.to_string());
        self.stream.send(message).await.unwrap();
    }

    async fn events(&mut self) -> Vec<Value> {
        let mut events = vec![self.event().await];
        while !["response.completed", "error"].contains(&kind(events.last().unwrap())) {
            events.push(self.event().await);
        }
        events
    }

    async fn created(&mut self, fields: Value) -> Vec<Value> {
        self.create(&fields).await;
        self.events().await
    }
}

#[tokio::test]
async fn what_the_public_api_takes_is_taken_with_a_chatgpt_login() {
    let world = World::two_accounts();
    let mut socket = library(&world.router).await;
    assert_eq!(socket.header("x-codex-router-profile"), "work");
    let fields = json!({"input": "hello", "temperature": 0.2, "store": true, "truncation": "auto"});
    let events = socket.created(fields).await;
    assert_eq!(said_in(&events), "You said: hello");
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(output[0]["content"][0]["text"], "You said: hello");
    let numbers = events.iter().map(|it| it["sequence_number"].as_u64());
    assert!(
        numbers.eq((0..events.len() as u64).map(Some)),
        "none lost, none twice"
    );
    let [call] = recorded(&world, "POST").try_into().unwrap();
    assert_eq!(call.account.as_deref(), Some("acct-work"));
    assert_eq!(call.path, "/backend-api/codex/responses");
    assert_eq!(call.header("openai-beta"), None);
    assert!(
        recorded(&world, "GET").is_empty(),
        "no socket to the upstream"
    );
}

#[tokio::test]
async fn a_response_of_the_connection_is_continued_though_it_is_not_stored() {
    let world = World::two_accounts();
    let mut socket = library(&world.router).await;
    let tools = json!([{
        "type": "function", "name": "weather", "strict": false,
        "parameters": {"type": "object", "properties": {}},
    }]);
    let asked = socket
        .created(json!({"input": "call weather {}", "tools": tools, "store": false}))
        .await;
    let call = &asked.last().unwrap()["response"]["output"][0];
    assert_eq!(call["type"], "function_call", "{call}");
    let result = json!({
        "type": "function_call_output", "call_id": call["call_id"], "output": "sunny",
    });
    let answered = socket
        .created(json!({
            "previous_response_id": id_of(&asked), "input": [result], "tools": tools, "store": false,
        }))
        .await;
    assert_eq!(said_in(&answered), "The tool answered: sunny");

    let mut other = library(&world.router).await;
    let told = other
        .created(json!({"previous_response_id": id_of(&asked), "input": "and now?"}))
        .await;
    assert_eq!(told[0]["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn a_prewarm_is_continued() {
    let world = World::two_accounts();
    let mut socket = library(&world.router).await;
    let warm = socket
        .created(json!({"generate": false, "input": [user("first")]}))
        .await;
    assert!(recorded(&world, "POST").is_empty());
    let fields = json!({"previous_response_id": id_of(&warm), "input": [user("second")]});
    assert_eq!(said_in(&socket.created(fields).await), "You said: second");
    let input = &recorded(&world, "POST")[0].json["input"];
    assert_eq!(input.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_next_turn_is_served_by_the_profile_that_was_chosen() {
    let world = World::two_accounts();
    let mut socket = library(&world.router).await;
    let mut bound = Socket::open(&world.router, &[("x-codex-profile", "work")])
        .await
        .unwrap();
    for profile in ["work", "other"] {
        assert_eq!(world.home.run(&["use", profile]).code, Some(0));
        for socket in [&mut socket, &mut bound] {
            let events = socket.created(json!({"input": "hello"})).await;
            assert_eq!(said_in(&events), "You said: hello");
        }
    }
    let calls = recorded(&world, "POST").into_iter();
    let accounts: Vec<_> = calls.filter_map(|it| it.account).collect();
    assert_eq!(
        accounts,
        ["acct-work", "acct-work", "acct-other", "acct-work"]
    );
}

#[tokio::test]
async fn an_error_is_a_message_with_what_helps_and_the_connection_goes_on() {
    let world = World::two_accounts();
    let mut socket = library(&world.router).await;
    world.fake.fault(Fault::usage_limit_reached("plus", 3600));
    let told = socket.created(json!({"input": "one"})).await;
    assert_eq!(told[0]["status"], 429);
    assert_eq!(told[0]["error"]["type"], "usage_limit_reached");
    let headers = &told[0]["headers"];
    assert_eq!(headers["x-codex-primary-used-percent"], "100", "{headers}");
    assert_eq!(headers["x-codex-router-error"], "upstream");
    assert_eq!(headers["content-type"], Value::Null);
    let told = socket.created(json!({"input": 5})).await;
    assert_eq!(told[0]["status"], 400);
    assert_eq!(told[0]["error"]["param"], "input");
    assert_eq!(told[0]["headers"]["x-codex-router-error"], "client");
    let events = socket.created(json!({"input": "two"})).await;
    assert_eq!(said_in(&events), "You said: two");
}

#[tokio::test]
async fn a_login_that_ended_is_told_in_a_message() {
    let world = World::two_accounts();
    world.fake.fault(Fault::unauthorized().always());
    let told = library(&world.router)
        .await
        .created(json!({"input": "one"}))
        .await;
    assert_eq!(told[0]["status"], 503);
    assert_eq!(told[0]["error"]["code"], "profile_needs_login");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_no_silence() {
    let world = World::two_accounts();
    let mut socket = library(&world.router).await;
    world.fake.fault(Fault::cut_after(3));
    let told = socket.created(json!({"input": "hello"})).await;
    assert_eq!(told.len(), 4, "what had arrived, and the error: {told:?}");
    assert_eq!(kind(&told[3]), "error");
    let events = socket.created(json!({"input": "two"})).await;
    assert_eq!(said_in(&events), "You said: two");
}

#[tokio::test]
async fn what_is_said_during_a_turn_is_answered_after_it() {
    let world = slow();
    let mut socket = library(&world.router).await;
    for text in ["count to 5", "second", "third"] {
        socket.create(&json!({"input": text})).await;
    }
    for answer in ["1 2 3 4 5", "You said: second", "You said: third"] {
        assert_eq!(said_in(&socket.events().await), answer);
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_at_once() {
    let world = slow();
    for closes in [true, false] {
        let before = world.fake.cancelled_streams();
        let mut socket = library(&world.router).await;
        socket.create(&json!({"input": "count to 500"})).await;
        assert_eq!(kind(&socket.event().await), "response.created");
        let left = Instant::now();
        if closes {
            socket.stream.close(None).await.unwrap();
        } else {
            drop(socket);
        }
        until("the end of the stream", || {
            world.fake.cancelled_streams() == before + 1
        })
        .await;
        assert!(left.elapsed() < Duration::from_millis(500), "{closes}");
    }
}

#[tokio::test]
async fn a_ping_is_answered_during_a_turn() {
    let world = slow();
    let mut socket = library(&world.router).await;
    socket.create(&json!({"input": "count to 50"})).await;
    assert_eq!(kind(&socket.event().await), "response.created");
    let ping = Message::Ping("are you there".into());
    socket.stream.send(ping).await.unwrap();
    loop {
        match futures_util::StreamExt::next(&mut socket.stream).await {
            Some(Ok(Message::Pong(said))) => break assert_eq!(said, "are you there"),
            Some(Ok(Message::Text(event))) => assert!(!event.contains("response.completed")),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_name() {
    let world = World::two_accounts();
    let mut socket = library(&world.router).await;
    for (message, code, param) in [
        ("not json", "invalid_json", Value::Null),
        (
            r#"{"type":"response.steer"}"#,
            "unsupported_message",
            json!("type"),
        ),
        (
            r#"{"type":"response.create","stream_id":"a"}"#,
            "unsupported_parameter",
            json!("stream_id"),
        ),
    ] {
        socket.stream.send(Message::text(message)).await.unwrap();
        let told = socket.event().await;
        assert_eq!(
            (&told["error"]["code"], &told["error"]["param"]),
            (&json!(code), &param)
        );
        assert_eq!(told["status"], 400);
    }
    socket.stream.send(Message::binary("x")).await.unwrap();
    assert_eq!(socket.event().await["error"]["code"], "invalid_message");
    assert_eq!(socket.closed().await.unwrap().0, 1003);
    assert!(world.fake.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_request() {
    const TOKENS: usize = 200_000;
    let builder = FakeOpenAi::builder().answer_tokens(TOKENS);
    let fake = builder
        .record_requests(false)
        .start_on_own_thread()
        .unwrap();
    let login = fake.auth_json(&worker());
    let world = World::with(fake, &[("work", login)]);
    let mut socket = library(&world.router).await;
    let before = world.router.resident_bytes();
    socket
        .create(&json!({"input": "a lot", "store": false}))
        .await;
    assert_eq!(kind(&socket.event().await), "response.created");
    // As long as anything is read, the fake goes on.
    let mut sent = 0;
    while sent != world.fake.events() {
        sent = world.fake.events();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(sent < TOKENS / 2, "{sent} events were taken");
    let grown = world.router.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    while kind(&socket.event().await) != "response.completed" {}
}

#[tokio::test]
async fn a_router_told_to_stop_lets_the_turn_end() {
    let mut world = slow();
    let mut idle = library(&world.router).await;
    let mut socket = library(&world.router).await;
    socket.create(&json!({"input": "count to 30"})).await;
    assert_eq!(kind(&socket.event().await), "response.created");
    world.router.terminate();
    assert_eq!(idle.closed().await.unwrap().0, 1001);
    assert_eq!(
        kind(socket.events().await.last().unwrap()),
        "response.completed"
    );
    assert_eq!(socket.closed().await.unwrap().0, 1001);
    drop((socket, idle));
    assert_eq!(world.router.ended(PATIENCE).code(), Some(0));
}

#[tokio::test]
async fn an_api_key_has_its_own_websocket_and_the_bridge_where_its_upstream_has_none() {
    let world = World::api_key();
    let mut socket = library(&world.router).await;
    let events = socket
        .created(json!({"input": "hello", "temperature": 0.2}))
        .await;
    assert_eq!(said_in(&events), "You said: hello");
    assert_eq!(recorded(&world, "MESSAGE").len(), 1);

    for status in [404, 405, 426, 501] {
        world.fake.forget_requests();
        let fault = || Fault::status(status).json(json!({})).on_upgrade();
        world.fake.fault(fault());
        let mut socket = library(&world.router).await;
        let events = socket.created(json!({"input": "hello"})).await;
        assert_eq!(said_in(&events), "You said: hello");
        assert_eq!(recorded(&world, "POST").len(), 1, "{status}");
        world.fake.fault(fault());
        let refusal = Socket::with(&world.router, &[]).await.err().unwrap();
        assert_eq!(
            refusal.status,
            StatusCode::UPGRADE_REQUIRED,
            "Codex falls back by itself"
        );
    }
    world
        .fake
        .fault(Fault::status(500).json(json!({})).on_upgrade());
    let refusal = Socket::open(&world.router, &[]).await.err().unwrap();
    assert_eq!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_web_page_gets_no_bridge_either() {
    let world = World::with(fake(), &[]);
    let refusal = Socket::open(&world.router, &[("origin", "https://evil.example")])
        .await
        .err()
        .unwrap();
    assert_eq!(refusal.status, StatusCode::FORBIDDEN);
}
