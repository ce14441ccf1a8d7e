//! Promises of the translation, by part.

use bytes::BytesMut;

use super::{
    ReasoningFormat,
    request::AnswerOptions,
    response::{ChatChunks, Gatherer},
    wire::Identity,
};
use crate::translated::{Flow, Translate};

mod answer;
mod layer;
mod linear;
mod request;

/// An event stream of these data.
fn sse(events: &[&str]) -> String {
    let lines = events.iter().flat_map(|data| ["data: ", data, "\n\n"]);
    lines.collect()
}

fn identity() -> Identity {
    Identity {
        id: "chatcmpl-1".into(),
        created: 1_700_000_000,
    }
}

fn options() -> AnswerOptions {
    AnswerOptions {
        model: "gpt-5.5".into(),
        stream: true,
        ..AnswerOptions::default()
    }
}

/// What a streaming client gets, and how the stream ended.
fn stream_pieces(
    pieces: &[&[u8]],
    options: &AnswerOptions,
    reasoning: ReasoningFormat,
) -> (String, Flow) {
    let mut chunks = ChatChunks::new(options, reasoning, identity());
    let mut out = BytesMut::new();
    let mut flow = Flow::Nothing;
    for piece in pieces {
        if !matches!(flow, Flow::Ended | Flow::Cut) {
            flow = chunks.piece(piece, &mut out);
        }
    }
    (String::from_utf8(out.to_vec()).unwrap(), flow)
}

fn stream(events: &[&str], options: &AnswerOptions) -> String {
    stream_pieces(
        &[sse(events).as_bytes()],
        options,
        ReasoningFormat::default(),
    )
    .0
}

/// What a client that does not stream gets.
fn whole(events: &[&str], options: &AnswerOptions) -> Result<serde_json::Value, crate::ApiError> {
    let mut gatherer = Gatherer::new(options, ReasoningFormat::default());
    gatherer.piece(sse(events).as_bytes())?;
    Ok(serde_json::from_slice(&gatherer.into_json(options)).unwrap())
}

/// The pieces of text of a stream, joined.
fn content(chunks: &str) -> String {
    let data = chunks
        .lines()
        .filter_map(|line| line.strip_prefix("data: {"));
    data.filter_map(|rest| serde_json::from_str(&format!("{{{rest}")).ok())
        .filter_map(|chunk: serde_json::Value| {
            Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())
        })
        .collect()
}
