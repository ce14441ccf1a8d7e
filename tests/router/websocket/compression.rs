//! permessage-deflate (RFC 7692), agreed on with either side for itself.

use fake_openai::FakeOpenAi;
use flate2::{Compress, Compression, FlushCompress};
use futures_util::SinkExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{LARGE, MODEL, Socket, kind, recorded, said_in, user};
use crate::harness::{World, worker};

/// What Codex offers.
const OFFER: (&str, &str) = (
    "sec-websocket-extensions",
    "permessage-deflate; client_max_window_bits",
);

/// An upstream that agrees to this.
fn agreeing_to(answer: Option<&str>) -> World {
    let builder = FakeOpenAi::builder().websocket_compression(answer);
    let fake = builder.start_on_own_thread().unwrap();
    let login = fake.auth_json(&worker());
    World::with(fake, &[("work", login)])
}

fn prompt() -> Value {
    let story = user(&"Once upon a time there was a prompt. ".repeat(1000));
    json!({"input": [story, user("count to 500")]})
}

/// A whole message of a client that compresses it.
fn compressed(data: &[u8]) -> Message {
    let mut payload = Vec::with_capacity(data.len() / 2 + 1000);
    let mut compress = Compress::new(Compression::best(), false);
    compress
        .compress_vec(data, &mut payload, FlushCompress::Sync)
        .unwrap();
    payload.truncate(payload.len() - 4);
    marked(payload)
}

fn marked(payload: Vec<u8>) -> Message {
    let mut frame = Frame::message(payload, OpCode::Data(Data::Text), true);
    frame.header_mut().rsv1 = true;
    Message::Frame(frame)
}

#[tokio::test]
async fn a_prompt_is_compressed_as_the_upstream_agrees_and_its_answer_read() {
    for (answer, smaller) in [
        (None, false),
        (Some("permessage-deflate"), true),
        (
            Some("permessage-deflate; client_max_window_bits=9; server_max_window_bits=9"),
            true,
        ),
        (
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
            true,
        ),
        // No version of zlib can compress with it.
        (Some("permessage-deflate; client_max_window_bits=8"), false),
    ] {
        let world = agreeing_to(answer);
        let mut socket = Socket::to(&world.router).await;
        let counted = (1..=500).map(|it| it.to_string()).collect::<Vec<_>>();
        for _ in 0..2 {
            let events = socket.turn(&prompt()).await;
            assert_eq!(said_in(&events), counted.join(" "), "{answer:?}");
        }
        assert_eq!(recorded(&world, "GET")[0].header(OFFER.0), Some(OFFER.1));
        let messages = recorded(&world, "MESSAGE");
        let said: usize = messages.iter().map(|it| it.raw.len()).sum();
        let (received, _) = world.fake.socket_bytes();
        assert_eq!(
            received < said / 4,
            smaller,
            "{answer:?}: {received} of {said}"
        );
        assert!(!socket.headers.contains_key(OFFER.0), "it offered nothing");
    }
}

#[tokio::test]
async fn a_client_that_offers_it_may_compress_whatever_the_upstream_does() {
    for upstream in [None, Some("permessage-deflate")] {
        let world = agreeing_to(upstream);
        let mut socket = Socket::with(&world.router, &[OFFER]).await.unwrap();
        let agreed = "permessage-deflate; client_no_context_takeover";
        assert_eq!(socket.header(OFFER.0), agreed);
        for text in ["hello", "hello again"] {
            let message = json!({
                "type": "response.create", "model": MODEL, "store": false, "stream": true,
                "include": ["reasoning.encrypted_content"], "input": [user(text)],
            });
            let message = message.to_string();
            let sent = compressed(message.as_bytes());
            socket.stream.send(sent).await.unwrap();
            // It knows of no compression, so none of this is compressed.
            while kind(&socket.event().await) != "response.completed" {}
            let received = recorded(&world, "MESSAGE").pop().unwrap().raw;
            assert_eq!(received, message);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_agrees_to_something_else_is_not_believed() {
    for answer in ["x-webkit-deflate-frame", "permessage-deflate; unheard_of"] {
        let world = agreeing_to(Some(answer));
        let refusal = Socket::with(&world.router, &[]).await.err().unwrap();
        assert_eq!(refusal.status, StatusCode::BAD_GATEWAY, "{answer}");
        assert_eq!(refusal.code(), "invalid_upgrade");
    }
}

#[tokio::test]
async fn a_bomb_bad_data_and_a_mark_without_agreement_close_with_their_codes() {
    let world = agreeing_to(Some("permessage-deflate"));
    let bomb = || compressed(&vec![b'0'; LARGE + 1]);
    let not_deflate = || marked(b"\x07not compressed".to_vec());
    let not_utf8 = || compressed(b"\xC3\x28");
    let cases: [(&dyn Fn() -> Message, &[_], u16, &str); 4] = [
        (&bomb, &[OFFER], 1009, "request_too_large"),
        (&not_deflate, &[OFFER], 1007, "invalid_message"),
        (&not_utf8, &[OFFER], 1007, "invalid_message"),
        (&not_deflate, &[], 1002, "invalid_message"),
    ];
    for (message, headers, close, code) in cases {
        let mut socket = Socket::with(&world.router, headers).await.unwrap();
        let before = world.router.resident_bytes();
        socket.stream.send(message()).await.unwrap();
        let told = socket.event().await;
        assert_eq!(told["error"]["code"], code, "{told}");
        assert_eq!(socket.closed().await.unwrap().0, close);
        let grown = world.router.resident_bytes().saturating_sub(before);
        assert!(grown < 2 * LARGE, "{grown} bytes");
    }
    assert!(recorded(&world, "MESSAGE").is_empty());
}
