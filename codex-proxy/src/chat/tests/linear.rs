//! Large requests and answers take time in proportion, not more.

use std::time::Instant;

use bytes::BytesMut;
use serde_json::json;

use super::{identity, options, sse};
use crate::{
    chat::{ReasoningFormat, request::translate, response::ChatChunks},
    translated::Translate,
};

const MEBIBYTE: usize = 1 << 20;
/// Far more than it takes (see the figures printed by `--nocapture`), far less than quadratic time.
const LIMIT_SECONDS: f64 = 10.0;

fn report(what: &str, bytes: usize, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    let line = format!("{what}: {} KiB in {:.1} ms", bytes >> 10, seconds * 1e3);
    eprintln!("{line}");
    assert!(seconds < LIMIT_SECONDS, "{line}");
}

#[test]
fn a_history_of_8_mib() {
    let turn = [
        json!({"role": "user", "content": "a line\n\"quoted\" é ".repeat(32)}),
        json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}),
        json!({"role": "tool", "tool_call_id": "c", "content": "result ".repeat(64)}),
    ];
    let turn_bytes = json!(turn).to_string().len();
    let turns = turn
        .iter()
        .cycle()
        .take(3 * (8 * MEBIBYTE / turn_bytes))
        .cloned();
    let messages = json!(turns.collect::<Vec<_>>());
    let body = json!({"model": "m", "messages": messages}).to_string();
    let began = Instant::now();
    let translated = translate(body.as_bytes(), ReasoningFormat::default()).unwrap();
    report("history", body.len(), began);
    assert!(translated.body.len() > body.len() / 2);
}

#[test]
fn one_image_of_8_mib() {
    let url = format!("data:image/png;base64,{}", "A".repeat(8 * MEBIBYTE));
    let part = json!({"type": "image_url", "image_url": {"url": url}});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [part]}]}).to_string();
    let began = Instant::now();
    translate(body.as_bytes(), ReasoningFormat::default()).unwrap();
    report("image", body.len(), began);
}

#[test]
fn one_event_of_8_mib_in_small_pieces() {
    let delta = json!({"type": "response.output_text.delta", "delta": "x\n".repeat(4 * MEBIBYTE)});
    let text = sse(&[&delta.to_string()]);
    let mut chunks = ChatChunks::new(&options(), ReasoningFormat::default(), identity());
    let mut out = BytesMut::new();
    let began = Instant::now();
    for piece in text.as_bytes().chunks(1400) {
        chunks.piece(piece, &mut out);
    }
    report("event", text.len(), began);
    assert!(out.len() > 8 * MEBIBYTE);
}

#[test]
fn forty_thousand_tokens() {
    let delta = r#"{"type":"response.output_text.delta","item_id":"msg_68a1","output_index":0,"content_index":0,"delta":" token","sequence_number":12345,"logprobs":[],"obfuscation":"abcdefgh"}"#;
    let text = sse(&vec![delta; 40_000]);
    let mut chunks = ChatChunks::new(&options(), ReasoningFormat::default(), identity());
    let mut out = BytesMut::new();
    let began = Instant::now();
    for piece in text.as_bytes().chunks(16 << 10) {
        chunks.piece(piece, &mut out);
        out.clear();
    }
    report("tokens", text.len(), began);
}
