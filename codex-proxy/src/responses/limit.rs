//! The most tokens of an answer, where the upstream takes no limit: its text is cut here.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::{
    event::{DeltaKind, Event, Place},
    wire::{Family, Item},
};
use crate::{
    chat::stream::{Cutter, Limits},
    json::{JsonStr, Object},
    sse::{Decoder, EventTooLarge},
};

/// Passes the events of a stream on until its text is long enough, and then ends it as the public
/// API does: every open part is finished, and the last event is `response.incomplete`.
///
/// Tokens are counted as for a chat completion: see [`Limits`]. Reasoning and the arguments of tool
/// calls are not counted, and no tool call is cut in half. What the upstream counted is not known
/// then, and so the last event has no `usage`.
pub(super) struct Limiter {
    decoder: Decoder,
    answer: Answer,
}

/// As much of an answer as must be told again at its end.
struct Answer {
    max_tokens: u64,
    cutter: Option<Cutter>,
    /// The response object as it began.
    started: Value,
    finished: BTreeMap<u64, Value>,
    message: Option<OpenMessage>,
}

/// A message under way.
struct OpenMessage {
    output_index: u64,
    item: Value,
    parts: BTreeMap<u64, OpenPart>,
}

#[derive(Default)]
struct OpenPart {
    text: String,
    annotations: Vec<Value>,
}

impl Limiter {
    pub(super) fn new(max_tokens: u64) -> Self {
        let limits = Limits {
            max_tokens: Some(max_tokens),
            stop: Vec::new(),
        };
        let answer = Answer {
            max_tokens,
            cutter: Cutter::new(limits),
            started: json!({"object": "response"}),
            finished: BTreeMap::new(),
            message: None,
        };
        Self {
            decoder: Decoder::default(),
            answer,
        }
    }

    /// Takes a piece of the stream and writes the events of it that may pass; says whether the
    /// answer ends there.
    pub(super) fn piece(
        &mut self,
        piece: &[u8],
        out: &mut BytesMut,
    ) -> Result<bool, EventTooLarge> {
        let Self { decoder, answer } = self;
        let mut ended = false;
        decoder.push(piece, |data| {
            if !ended {
                ended = answer.event(data, out);
            }
        })?;
        Ok(ended)
    }
}

impl Answer {
    fn event(&mut self, data: &[u8], out: &mut BytesMut) -> bool {
        match Event::parse(data) {
            Event::Started(_) => self.start(field(data, "response")),
            Event::ItemAdded(place, item) => self.open(place, &item, data),
            Event::Delta(DeltaKind::Text, place, text) => {
                if let Some(kept) = self.cut(place, &text.decode()) {
                    self.end(place, &kept, data, out);
                    return true;
                }
            }
            Event::AnnotationAdded(place, _) => {
                let annotation = field(data, "annotation");
                self.part(place).annotations.push(annotation);
            }
            Event::ItemDone(place, _) => {
                let index = self.index(place);
                let item = Some(field(data, "item")).filter(Value::is_object);
                self.finished.extend(item.map(|item| (index, item)));
                self.message = None;
            }
            _ => {}
        }
        pass(data, out);
        false
    }

    /// Anything but an object could not be ended as one.
    fn start(&mut self, response: Value) {
        if response.is_object() {
            self.started = response;
        }
    }

    fn index(&self, place: Place<'_>) -> u64 {
        place.output_index.unwrap_or(self.finished.len() as u64)
    }

    fn open(&mut self, place: Place<'_>, item: &Item<'_>, data: &[u8]) {
        let opened = || OpenMessage {
            output_index: self.index(place),
            item: field(data, "item"),
            parts: BTreeMap::new(),
        };
        self.message = (item.family() == Family::Message).then(opened);
    }

    fn part(&mut self, place: Place<'_>) -> &mut OpenPart {
        let output_index = self.index(place);
        let message = self.message.get_or_insert_with(|| OpenMessage {
            output_index,
            item: json!({"type": "message", "role": "assistant"}),
            parts: BTreeMap::new(),
        });
        message.parts.entry(place.part_index).or_default()
    }

    /// What of a text may still be said, if that is not all of it.
    fn cut(&mut self, place: Place<'_>, text: &str) -> Option<String> {
        let (kept, cut) = self.cutter.as_mut()?.push(text);
        let kept = kept.to_owned();
        self.part(place).text.push_str(&kept);
        cut.map(|_| kept)
    }

    /// Ends the answer in the middle of this delta, of which so much is kept.
    fn end(&mut self, place: Place<'_>, kept: &str, delta: &[u8], out: &mut BytesMut) {
        let delta: Value = serde_json::from_slice(delta).unwrap_or_default();
        let mut tail = Tail::after(&delta, out);
        if !kept.is_empty() {
            let text = json!({"delta": kept, "logprobs": []});
            tail.write_of_part("response.output_text.delta", text);
        }
        if let Some(message) = self.message.take() {
            if let Some(part) = message.parts.get(&place.part_index) {
                let text = json!({"text": part.text, "logprobs": []});
                tail.write_of_part("response.output_text.done", text);
                let part = json!({"part": part.json()});
                tail.write_of_part("response.content_part.done", part);
            }
            let (index, item) = (message.output_index, message.into_json());
            let done = json!({"output_index": index, "item": item});
            tail.write("response.output_item.done", done);
            self.finished.insert(index, item);
        }
        let response = json!({"response": self.incomplete()});
        tail.write("response.incomplete", response);
    }

    fn incomplete(&mut self) -> Value {
        let mut response = self.started.take();
        let output = std::mem::take(&mut self.finished).into_values();
        response["status"] = json!("incomplete");
        response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        response["max_output_tokens"] = json!(self.max_tokens);
        response["output"] = output.collect();
        response
    }
}

impl OpenMessage {
    fn into_json(self) -> Value {
        let mut item = self.item;
        item["status"] = json!("incomplete");
        item["content"] = self.parts.values().map(OpenPart::json).collect();
        item
    }
}

impl OpenPart {
    fn json(&self) -> Value {
        let Self { text, annotations } = self;
        json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []})
    }
}

/// The events that end an answer.
struct Tail<'a> {
    place: [(&'static str, Value); 3],
    sequence_number: u64,
    out: &'a mut BytesMut,
}

impl<'a> Tail<'a> {
    /// In place of this delta and all that would come after it.
    fn after(delta: &Value, out: &'a mut BytesMut) -> Self {
        let names = ["item_id", "output_index", "content_index"];
        Self {
            place: names.map(|name| (name, delta[name].clone())),
            sequence_number: delta["sequence_number"].as_u64().unwrap_or_default(),
            out,
        }
    }

    fn write_of_part(&mut self, kind: &str, mut event: Value) {
        for (name, value) in &self.place {
            event[*name] = value.clone();
        }
        self.write(kind, event);
    }

    fn write(&mut self, kind: &str, mut event: Value) {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.sequence_number);
        self.sequence_number += 1;
        pass(event.to_string().as_bytes(), self.out);
    }
}

fn field(data: &[u8], name: &str) -> Value {
    let fields: Object = serde_json::from_slice(data).unwrap_or_default();
    let value = fields
        .field(name)
        .map(|raw| serde_json::from_str(raw.get()));
    value.and_then(Result::ok).unwrap_or_default()
}

/// Writes an event. Line ends between the tokens of its JSON become spaces.
fn pass(data: &[u8], out: &mut BytesMut) {
    let fields: Object = serde_json::from_slice(data).unwrap_or_default();
    let kind = fields.field("type").and_then(JsonStr::new);
    if let Some(kind) = kind.map(JsonStr::escaped) {
        out.put_slice(b"event: ");
        out.put_slice(kind.as_str().as_bytes());
        out.put_slice(b"\n");
    }
    out.put_slice(b"data: ");
    let start = out.len();
    out.put_slice(data);
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.put_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of one reasoning item and one message of ten words.
    fn events() -> Vec<Value> {
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
        let message = |status: &str, content: Value| {
            json!({"type": "message", "id": "m", "role": "assistant", "status": status,
                   "phase": "final_answer", "content": content})
        };
        let thought = json!({"type": "reasoning", "id": "rs", "summary": []});
        let started = json!({"id": "r", "object": "response", "status": "in_progress",
            "output": [], "usage": null, "max_output_tokens": null});
        let of_part = |kind: &str| json!({"type": kind, "item_id": "m", "output_index": 1, "content_index": 0});
        let mut events = vec![
            json!({"type": "response.created", "response": started}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": thought}),
            json!({"type": "response.output_item.added", "output_index": 1,
                   "item": message("in_progress", json!([]))}),
            of_part("response.content_part.added"),
        ];
        for _ in 0..10 {
            let mut delta = of_part("response.output_text.delta");
            delta["delta"] = json!("abcd");
            events.push(delta);
        }
        let text = "abcd".repeat(10);
        let done = message("completed", json!([part(&text)]));
        events.push(json!({"type": "response.output_item.done", "output_index": 1, "item": done}));
        events.push(json!({"type": "response.completed", "response": {
            "id": "r", "status": "completed", "output": [thought, done]}}));
        for (number, event) in events.iter_mut().enumerate() {
            event["sequence_number"] = json!(number);
        }
        events
    }

    fn limited(events: &[Value], max_tokens: u64) -> (Vec<Value>, bool) {
        let mut limiter = Limiter::new(max_tokens);
        let mut out = BytesMut::new();
        let mut ended = false;
        for event in events {
            // Data of several lines, and more of the stream than is wanted.
            let text = format!(
                "data: {}\n\n",
                event.to_string().replacen(',', ",\ndata: ", 1)
            );
            ended |= limiter.piece(text.as_bytes(), &mut out).unwrap();
            if ended {
                break;
            }
        }
        let text = String::from_utf8(out.to_vec()).unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        (
            data.map(|data| serde_json::from_str(data).unwrap())
                .collect(),
            ended,
        )
    }

    #[test]
    fn an_answer_within_the_limit_passes_as_it_is() {
        let events = events();
        assert_eq!(limited(&events, 10), (events, false));
    }

    #[test]
    fn a_text_that_is_too_long_ends_with_everything_finished() {
        let (events, ended) = limited(&events(), 3);
        assert!(ended);
        let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        assert_eq!(
            kinds[4..],
            [
                "response.output_text.delta",
                "response.output_text.delta",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.incomplete",
            ]
        );
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number, "{event}");
        }
        let text = "abcdabcdabcd";
        assert_eq!(
            (&events[7]["text"], &events[7]["item_id"]),
            (&json!(text), &json!("m"))
        );
        assert_eq!(events[8]["part"]["text"], text);
        let item = &events[9]["item"];
        assert_eq!(
            (&item["status"], &item["phase"]),
            (&json!("incomplete"), &json!("final_answer"))
        );
        let response = &events[10]["response"];
        assert_eq!(
            response["incomplete_details"],
            json!({"reason": "max_output_tokens"})
        );
        assert_eq!(
            (&response["status"], &response["id"]),
            (&json!("incomplete"), &json!("r"))
        );
        assert_eq!(response["output"][0]["type"], "reasoning");
        assert_eq!(&response["output"][1], item);
        assert_eq!(response["max_output_tokens"], 3);
    }

    #[test]
    fn a_delta_is_cut_in_its_middle_and_nothing_follows() {
        let mut long = events();
        long[4]["delta"] = json!("abcdef");
        long.truncate(5);
        let (events, _) = limited(&long, 1);
        assert_eq!(events[4]["delta"], "abcd");
        assert_eq!(
            events.last().unwrap()["response"]["output"][1]["content"][0]["text"],
            "abcd"
        );
    }

    #[test]
    fn what_is_no_object_is_no_panic() {
        for odd in [json!("x"), json!([1]), json!(1), json!(null)] {
            let mut events = events();
            events[0]["response"] = odd.clone();
            events[1]["item"] = odd.clone();
            events[2]["item"] = odd;
            let (events, ended) = limited(&events, 3);
            assert!(ended);
            let response = &events.last().unwrap()["response"];
            assert_eq!(response["status"], "incomplete");
            let output = response["output"].as_array().unwrap();
            assert_eq!((output.len(), &output[0]["type"]), (1, &json!("message")));
        }
    }

    #[test]
    fn calls_and_reasoning_are_not_cut() {
        let events = vec![
            json!({"type": "response.reasoning_text.delta", "delta": "long ".repeat(9)}),
            json!({"type": "response.function_call_arguments.delta", "delta": "long ".repeat(9)}),
        ];
        assert_eq!(limited(&events, 1), (events, false));
    }
}
