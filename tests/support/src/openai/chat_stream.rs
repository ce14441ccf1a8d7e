//! A completion as chunks.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat::{Completion, chat_annotation, tool_call};
use crate::model::{Ending, Item, Numbered};
use crate::sse;

type Deltas = Box<dyn Iterator<Item = Value> + Send>;

/// All events of a streamed completion, `[DONE]` last.
pub(super) fn chunks(
    completion: Completion,
    with_usage: bool,
) -> impl Iterator<Item = Bytes> + Send + 'static {
    let frame = Arc::new(Frame::new(&completion, with_usage));
    let usage = with_usage.then(|| frame.usage(&completion.usage));
    let failed = match &completion.ending {
        Ending::Failed { code, message } => Some(failure(code, message)),
        _ => None,
    };
    let last: Vec<Value> = match failed {
        Some(error) => vec![error],
        None => ends(&frame, &completion).chain(usage).collect(),
    };
    let choices = (0..completion.choices).flat_map(move |choice| {
        let frame = Arc::clone(&frame);
        deltas(&completion).map(move |delta| frame.chunk(choice, &delta, None))
    });
    let done = std::iter::once(Bytes::from_static(b"data: [DONE]\n\n"));
    choices
        .chain(last)
        .map(|chunk| sse::data(&chunk))
        .chain(done)
}

fn ends(frame: &Arc<Frame>, completion: &Completion) -> impl Iterator<Item = Value> + use<> {
    let (frame, reason) = (Arc::clone(frame), completion.finish_reason());
    (0..completion.choices).map(move |choice| frame.chunk(choice, &json!({}), Some(reason)))
}

fn failure(code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": "server_error", "param": null, "code": code}})
}

/// What all chunks of one completion have in common.
struct Frame {
    common: Value,
}

impl Frame {
    fn new(completion: &Completion, with_usage: bool) -> Self {
        let mut common = json!({
            "id": completion.id, "object": "chat.completion.chunk",
            "created": completion.created, "model": completion.model,
            "service_tier": completion.service_tier, "system_fingerprint": null,
        });
        if with_usage {
            common["usage"] = Value::Null;
        }
        Self { common }
    }

    fn chunk(&self, choice: usize, delta: &Value, finish_reason: Option<&str>) -> Value {
        let mut chunk = self.common.clone();
        chunk["choices"] = json!([{
            "index": choice, "delta": delta, "logprobs": null, "finish_reason": finish_reason,
        }]);
        chunk
    }

    fn usage(&self, usage: &Value) -> Value {
        let mut chunk = self.common.clone();
        chunk["choices"] = json!([]);
        chunk["usage"] = usage.clone();
        chunk
    }
}

/// The deltas of one choice.
fn deltas(completion: &Completion) -> Deltas {
    let speaks = completion.items.iter().any(|n| tool_call(n).is_none());
    let content = if speaks { json!("") } else { Value::Null };
    let first = json!({"role": "assistant", "content": content, "refusal": null});
    let mut calls = 0;
    let mut all: Vec<Deltas> = Vec::new();
    for numbered in &completion.items {
        let deltas = of_item(numbered, calls);
        all.push(if completion.legacy {
            Box::new(deltas.map(legacy))
        } else {
            deltas
        });
        calls += usize::from(tool_call(numbered).is_some());
    }
    Box::new(std::iter::once(first).chain(all.into_iter().flatten()))
}

fn of_item(numbered: &Numbered, index: usize) -> Deltas {
    match &numbered.item {
        Item::Message { text, annotations } => {
            let notes: Vec<Value> = annotations.iter().map(chat_annotation).collect();
            let notes = (!notes.is_empty()).then(|| json!({"annotations": notes}));
            let text = text.clone().pieces().map(|piece| json!({"content": piece}));
            Box::new(text.chain(notes))
        }
        Item::Refusal(text) => Box::new(std::iter::once(json!({"refusal": text}))),
        Item::FunctionCall { arguments, .. } => call(numbered, index, arguments, "arguments"),
        Item::CustomToolCall { input, .. } => call(numbered, index, input, "input"),
        _ => Box::new(std::iter::empty()),
    }
}

/// A delta whose call is in the legacy form.
fn legacy(delta: Value) -> Value {
    match delta["tool_calls"][0]["function"].clone() {
        Value::Null => delta,
        call => json!({"function_call": call}),
    }
}

/// First who is called, with empty arguments, then the arguments in pieces.
fn call(numbered: &Numbered, index: usize, text: &str, field: &'static str) -> Deltas {
    let kind = if field == "input" {
        "custom"
    } else {
        "function"
    };
    let mut first = tool_call(numbered).unwrap_or_default();
    first["index"] = json!(index);
    first[kind][field] = json!("");
    let pieces = crate::model::fragments(text).into_iter();
    let pieces = pieces.map(move |piece| json!({"index": index, kind: {field: piece}}));
    let calls = std::iter::once(first).chain(pieces);
    Box::new(calls.map(|call| json!({"tool_calls": [call]})))
}
