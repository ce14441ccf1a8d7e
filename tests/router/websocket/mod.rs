//! WebSocket: Codex's own way to ask, relayed with the login of the profile that serves.

mod bridge;
mod compression;
mod keys;
mod limits;
mod model_rules;
mod relay;

use std::time::Duration;

use fake_openai::{FakeOpenAi, RecordedRequest};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{ClientRequestBuilder, Error, Message, protocol::WebSocketConfig},
};

use crate::harness::{MODEL, PATIENCE, Router, World, worker};

const LARGE: usize = 64 << 20;

/// A client of the Responses API over WebSocket.
struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Those of the 101.
    headers: HeaderMap,
}

impl Socket {
    /// One that says it is Codex.
    async fn to(router: &Router) -> Self {
        Self::with(router, &[]).await.unwrap()
    }

    /// One that says it is Codex, with more headers; or the refusal.
    async fn with(router: &Router, headers: &[(&str, &str)]) -> Result<Self, Refusal> {
        let codex = [
            ("originator", "codex_exec"),
            ("openai-beta", "responses_websockets=2026-02-06"),
        ];
        Self::open(router, &[&codex, headers].concat()).await
    }

    /// One that says no more than this; or the refusal.
    async fn open(router: &Router, headers: &[(&str, &str)]) -> Result<Self, Refusal> {
        let url = router.url("/v1/responses").replace("http:", "ws:");
        let mut request = ClientRequestBuilder::new(url.parse().unwrap());
        for (name, value) in headers {
            request = request.with_header(*name, *value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(LARGE))
            .max_frame_size(Some(LARGE));
        let tcp = TcpStream::connect(router.address()).await.unwrap();
        let upgraded =
            tokio_tungstenite::client_async_with_config(request, tcp, Some(config)).await;
        match upgraded {
            Ok((stream, response)) => Ok(Self {
                stream,
                headers: response.headers().clone(),
            }),
            Err(Error::Http(response)) => Err(Refusal {
                status: response.status(),
                headers: response.headers().clone(),
                json: serde_json::from_slice(response.body().as_deref().unwrap_or_default())
                    .unwrap_or_default(),
            }),
            Err(other) => panic!("{other}"),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// Begins a turn.
    async fn say(&mut self, message: &Value) {
        let mut whole = json!({
            "type": "response.create", "model": MODEL, "store": false, "stream": true,
            "include": ["reasoning.encrypted_content"],
        });
        let fields = message.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(fields);
        let message = Message::text(whole.to_string());
        self.stream.send(message).await.unwrap();
    }

    /// The next message but pings, which are answered meanwhile.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next());
            match next.await.expect("a message in time")?.ok()? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Some(message),
            }
        }
    }

    async fn event(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("no event: {other:?}"),
        }
    }

    /// The frame that closes the connection.
    async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.next().await {
                Some(Message::Close(frame)) => {
                    let frame = frame?;
                    return Some((frame.code.into(), frame.reason.to_string()));
                }
                Some(_) => {}
                None => return None,
            }
        }
    }

    /// All events of a turn.
    async fn turn(&mut self, message: &Value) -> Vec<Value> {
        self.say(message).await;
        let mut events = vec![self.event().await];
        while !["response.completed", "error"].contains(&kind(events.last().unwrap())) {
            events.push(self.event().await);
        }
        events
    }

    /// What the model says to this.
    async fn ask(&mut self, text: &str) -> String {
        said_in(&self.turn(&asking(text)).await)
    }
}

#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    headers: HeaderMap,
    json: Value,
}

impl Refusal {
    fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap()
}

fn asking(text: &str) -> Value {
    json!({"input": [user(text)]})
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

fn said_in(events: &[Value]) -> String {
    let last = events.last().unwrap();
    assert_eq!(kind(last), "response.completed", "{last}");
    let deltas = events.iter().filter_map(|event| event["delta"].as_str());
    deltas.collect()
}

fn id_of(events: &[Value]) -> &str {
    events.last().unwrap()["response"]["id"].as_str().unwrap()
}

/// The requests of one kind: `GET`, `MESSAGE`, `CLOSE`.
fn recorded(world: &World, method: &str) -> Vec<RecordedRequest> {
    let requests = world.fake.requests_to("/responses").into_iter();
    requests.filter(|it| it.method == method).collect()
}

fn slow() -> World {
    let builder = FakeOpenAi::builder().event_delay(Duration::from_millis(20));
    let fake = builder.start_on_own_thread().unwrap();
    let login = fake.auth_json(&worker());
    World::with(fake, &[("work", login)])
}
