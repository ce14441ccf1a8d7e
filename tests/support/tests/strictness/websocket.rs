//! Responses over WebSocket.

use super::*;

#[tokio::test]
async fn a_response_can_be_continued_on_its_own_websocket_alone() {
    let setup = Setup::new().await;
    let (mut first, mut second) = (setup.socket().await, setup.socket().await);
    let prewarm = json!({"generate": false, "input": [user("base prompt")]});
    let warm = turn(&mut first, prewarm).await;
    assert_eq!(warm.last().unwrap()["type"], "response.completed");
    let id = warm.last().unwrap()["response"]["id"].clone();
    let next = || json!({"previous_response_id": id, "input": [user("call me")]});
    let events = turn(&mut first, next()).await;
    assert!(json!(events).to_string().contains("You said: call me"));
    let refused = turn(&mut second, next()).await;
    assert_eq!(refused[0]["error"]["code"], "previous_response_not_found");
    assert_eq!(refused[0]["status"], 400);
}

type Socket = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

impl Setup {
    async fn socket(&self) -> Socket {
        let url = self.fake.chatgpt_base_url().replace("http:", "ws:") + "/codex/responses";
        let bearer = format!("Bearer {}", self.login.access_token);
        let request = ClientRequestBuilder::new(url.parse().unwrap())
            .with_header("authorization", bearer)
            .with_header("originator", "codex_exec")
            .with_header("openai-beta", "responses_websockets=2026-02-06");
        let stream = tokio::net::TcpStream::connect(self.fake.address()).await;
        let upgraded = tokio_tungstenite::client_async(request, stream.unwrap()).await;
        upgraded.unwrap().0
    }
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

/// The events of one turn, up to its last.
async fn turn(socket: &mut Socket, mut message: Value) -> Vec<Value> {
    for (name, value) in [
        ("type", json!("response.create")),
        ("model", json!("gpt-5.5")),
        ("store", json!(false)),
        ("stream", json!(true)),
    ] {
        message[name] = value;
    }
    let message = Message::text(message.to_string());
    socket.send(message).await.unwrap();
    let mut events: Vec<Value> = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        events.push(serde_json::from_str(&text).unwrap());
        let last = ["response.completed", "error"];
        if last.contains(&events.last().unwrap()["type"].as_str().unwrap()) {
            break;
        }
    }
    events
}
