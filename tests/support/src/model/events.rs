//! A script as the events of a Responses stream, in the order of the real ones.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::item::{Item, Numbered};
use super::text::fragments;
use super::{Ending, Script};

type Events = Box<dyn Iterator<Item = Event> + Send>;

/// One event, without its number.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Any {
        kind: Cow<'static, str>,
        fields: Value,
    },
    /// The one there are many of, kept cheap.
    TextDelta {
        item_id: Arc<str>,
        output_index: usize,
        delta: String,
    },
}

#[derive(Serialize)]
struct AnyOnWire<'a> {
    r#type: &'a str,
    sequence_number: usize,
    #[serde(flatten)]
    fields: &'a Value,
}

#[derive(Serialize)]
struct TextDeltaOnWire<'a> {
    r#type: &'a str,
    sequence_number: usize,
    item_id: &'a str,
    output_index: usize,
    content_index: usize,
    delta: &'a str,
    logprobs: [(); 0],
}

const TEXT_DELTA: &str = "response.output_text.delta";

impl Event {
    fn new(kind: &'static str, fields: Value) -> Self {
        Self::Any {
            kind: Cow::Borrowed(kind),
            fields,
        }
    }

    /// The event in the form of an event stream.
    pub(crate) fn render(&self, sequence_number: usize) -> Bytes {
        crate::sse::event(self.kind(), |bytes| self.write(sequence_number, bytes))
    }

    /// The event as one message of a WebSocket.
    pub(crate) fn message(&self, sequence_number: usize) -> Bytes {
        let mut bytes = Vec::with_capacity(320);
        self.write(sequence_number, &mut bytes);
        bytes.into()
    }

    fn kind(&self) -> &str {
        match self {
            Self::Any { kind, .. } => kind,
            Self::TextDelta { .. } => TEXT_DELTA,
        }
    }

    fn write(&self, sequence_number: usize, bytes: &mut Vec<u8>) {
        // Writing to memory fails only for map keys that are no text, and ours are.
        let _ = match self {
            Self::Any { kind, fields } => serde_json::to_writer(
                bytes,
                &AnyOnWire {
                    r#type: kind,
                    sequence_number,
                    fields,
                },
            ),
            Self::TextDelta {
                item_id,
                output_index,
                delta,
            } => serde_json::to_writer(
                bytes,
                &TextDeltaOnWire {
                    r#type: TEXT_DELTA,
                    sequence_number,
                    item_id,
                    output_index: *output_index,
                    content_index: 0,
                    delta,
                    logprobs: [],
                },
            ),
        };
    }
}

/// The response object around the items: at the beginning, and at the end.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) started: Value,
    pub(crate) finished: Value,
}

/// All events of a response.
pub(crate) fn events(script: &Script, items: Vec<Numbered>, envelope: Envelope) -> Events {
    let started = envelope.started;
    let head = ["response.created", "response.in_progress"]
        .map(|kind| Event::new(kind, json!({"response": started})));
    let strays = if script.strays {
        strays(items.len())
    } else {
        Vec::new()
    };
    let end = Event::new(
        last_kind(&script.ending),
        json!({"response": envelope.finished}),
    );
    Box::new(
        head.into_iter()
            .chain(strays)
            .chain(items.into_iter().flat_map(of_item))
            .chain([end]),
    )
}

fn last_kind(ending: &Ending) -> &'static str {
    match ending {
        Ending::Completed => "response.completed",
        Ending::Incomplete(_) => "response.incomplete",
        Ending::Failed { .. } => "response.failed",
    }
}

fn strays(index: usize) -> Vec<Event> {
    let item = json!({"id": "zz_1", "type": "fake_unknown_item", "anything": {"at": ["all"]}});
    let place = json!({"output_index": index, "item": item});
    vec![
        Event::new("response.fake_unknown", json!({"anything": [1, 2, 3]})),
        Event::new("response.output_item.added", place.clone()),
        Event::new("response.output_item.done", place),
    ]
}

fn of_item(numbered: Numbered) -> Events {
    let index = numbered.index;
    let place = |item: Value| json!({"output_index": index, "item": item});
    let added = Event::new("response.output_item.added", place(numbered.started()));
    let done = Event::new("response.output_item.done", place(numbered.finished()));
    Box::new([added].into_iter().chain(inside(numbered)).chain([done]))
}

fn inside(numbered: Numbered) -> Events {
    let at = At {
        item_id: numbered.id(),
        output_index: numbered.index,
    };
    match &numbered.item {
        Item::Message { .. } => message(&at, numbered),
        Item::Refusal(text) => Box::new(refusal(&at, &numbered, text).into_iter()),
        Item::Reasoning { summary } => Box::new(reasoning(&at, summary).into_iter()),
        Item::FunctionCall {
            name, arguments, ..
        } => {
            let done = json!({"name": name, "arguments": arguments});
            let kind = "response.function_call_arguments";
            Box::new(pieces(&at, kind, arguments, &done).into_iter())
        }
        Item::CustomToolCall { input, .. } => {
            let kind = "response.custom_tool_call_input";
            Box::new(pieces(&at, kind, input, &json!({"input": input})).into_iter())
        }
        Item::WebSearch { .. } => {
            let steps = ["in_progress", "searching", "completed"];
            let kinds = steps.map(|step| format!("response.web_search_call.{step}"));
            Box::new(kinds.map(|kind| at.event(kind, &json!({}))).into_iter())
        }
        Item::Compaction => Box::new(std::iter::empty()),
    }
}

/// Where an event belongs.
struct At {
    item_id: String,
    output_index: usize,
}

impl At {
    fn event(&self, kind: impl Into<Cow<'static, str>>, more: &Value) -> Event {
        let mut fields = json!({"item_id": self.item_id, "output_index": self.output_index});
        for (name, value) in more.as_object().into_iter().flatten() {
            fields[name] = value.clone();
        }
        Event::Any {
            kind: kind.into(),
            fields,
        }
    }
}

fn message(at: &At, numbered: Numbered) -> Events {
    let (item_id, output_index) = (Arc::<str>::from(at.item_id.as_str()), at.output_index);
    let (first, last) = part_events(at, &numbered);
    let Item::Message { text, annotations } = numbered.item else {
        return Box::new(std::iter::empty());
    };
    let done = json!({"content_index": 0, "text": text.full(), "logprobs": []});
    let done = at.event("response.output_text.done", &done);
    let notes = annotations.into_iter().enumerate().map(|(n, annotation)| {
        let note = json!({"content_index": 0, "annotation_index": n, "annotation": annotation});
        at.event("response.output_text.annotation.added", &note)
    });
    let notes: Vec<_> = notes.collect();
    let deltas = text.pieces().map(move |delta| Event::TextDelta {
        item_id: Arc::clone(&item_id),
        output_index,
        delta,
    });
    Box::new(
        [first]
            .into_iter()
            .chain(deltas)
            .chain(notes)
            .chain([done, last]),
    )
}

fn part_events(at: &At, numbered: &Numbered) -> (Event, Event) {
    let part = |done| json!({"content_index": 0, "part": numbered.part(done)});
    (
        at.event("response.content_part.added", &part(false)),
        at.event("response.content_part.done", &part(true)),
    )
}

fn refusal(at: &At, numbered: &Numbered, text: &str) -> Vec<Event> {
    let (first, last) = part_events(at, numbered);
    let delta = |piece: String| {
        at.event(
            "response.refusal.delta",
            &json!({"content_index": 0, "delta": piece}),
        )
    };
    let done = json!({"content_index": 0, "refusal": text});
    let mut events = vec![first];
    events.extend(fragments(text).into_iter().map(delta));
    events.extend([at.event("response.refusal.done", &done), last]);
    events
}

fn reasoning(at: &At, summary: &str) -> Vec<Event> {
    let event = |step: &str, mut more: Value| {
        more["summary_index"] = json!(0);
        at.event(format!("response.reasoning_summary_{step}"), &more)
    };
    let part = |text: &str| json!({"part": {"type": "summary_text", "text": text}});
    let mut events = vec![event("part.added", part(""))];
    let pieces = fragments(summary).into_iter();
    events.extend(pieces.map(|piece| event("text.delta", json!({"delta": piece}))));
    events.push(event("text.done", json!({"text": summary})));
    events.push(event("part.done", part(summary)));
    events
}

/// `KIND.delta` for each piece of `text`, then `KIND.done`.
fn pieces(at: &At, kind: &str, text: &str, done: &Value) -> Vec<Event> {
    let delta = |piece| at.event(format!("{kind}.delta"), &json!({"delta": piece}));
    let mut events: Vec<_> = fragments(text).into_iter().map(delta).collect();
    events.push(at.event(format!("{kind}.done"), done));
    events
}
