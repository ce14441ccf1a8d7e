//! Answers made up, told as upstreams tell them, with what a chat client is to get of them.

use codex_proxy::chat::ReasoningFormat;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Map, Value, json};

/// A text, in the pieces in which it is streamed.
type Pieces = Vec<String>;

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    items: Vec<(Item, Telling)>,
    end: End,
    /// Whether the last event repeats the output.
    repeats: bool,
    usage: bool,
    /// In which order parallel calls grow.
    order: Vec<Index>,
}

#[derive(Debug, Clone)]
enum Item {
    Message(Vec<Part>),
    Reasoning {
        summary: Vec<Pieces>,
        text: Vec<Pieces>,
    },
    Call {
        custom: bool,
        name: String,
        arguments: Pieces,
    },
    /// Something that a chat client hears nothing of.
    Search,
}

#[derive(Debug, Clone)]
enum Part {
    Text { pieces: Pieces, citations: u8 },
    Refusal(Pieces),
}

/// How much is told of an item before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Everything,
    Announced,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Length,
    Filtered,
    Failed,
    Error,
    Cut,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z ]{0,6}", 2 => "\\PC{0,4}", 1 => "[\"\\\\\n\r\t/]{1,3}"]
}

fn pieces() -> impl Strategy<Value = Pieces> {
    vec(text(), 0..4)
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        3 => (pieces(), 0..3u8).prop_map(|(pieces, citations)| Part::Text { pieces, citations }),
        1 => pieces().prop_map(Part::Refusal),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let call = (any::<bool>(), "[a-z]{1,6}", pieces());
    prop_oneof![
        3 => vec(part(), 0..3).prop_map(Item::Message),
        2 => (vec(pieces(), 0..3), vec(pieces(), 0..2))
            .prop_map(|(summary, text)| Item::Reasoning { summary, text }),
        3 => call.prop_map(|(custom, name, arguments)| Item::Call { custom, name, arguments }),
        1 => Just(Item::Search),
    ]
}

pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    let telling = prop_oneof![
        3 => Just(Telling::Everything),
        1 => Just(Telling::Announced),
        1 => Just(Telling::Nothing)
    ];
    let end = prop_oneof![
        6 => Just(End::Completed),
        1 => Just(End::Length),
        1 => Just(End::Filtered),
        1 => Just(End::Failed),
        1 => Just(End::Error),
        1 => Just(End::Cut)
    ];
    let parts = (
        vec((item(), telling), 0..5),
        end,
        any::<bool>(),
        any::<bool>(),
    );
    (parts, vec(any::<Index>(), 24)).prop_map(|((items, end, repeats, usage), order)| Answer {
        items,
        end,
        repeats,
        usage,
        order,
    })
}

impl Answer {
    /// Whether it does not come to its end.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self.end, End::Failed | End::Error | End::Cut)
    }

    /// The items of the output, whole.
    pub(crate) fn output(&self) -> Vec<Value> {
        (0..)
            .zip(&self.items)
            .map(|(at, (item, _))| item.whole(at))
            .collect()
    }

    /// The events, in their order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let response = json!({"id": "resp_1", "model": "gpt-5.5-2026-08-01", "output": []});
        let mut events = vec![json!({"type": "response.created", "response": response})];
        let mut lists: Vec<Vec<Value>> = (0..)
            .zip(&self.items)
            .map(|(at, (item, telling))| item.events(at, *telling))
            .collect();
        let mut order = self.order.iter();
        while !lists.is_empty() {
            // Calls may grow side by side; whatever else comes, comes alone.
            let side_by_side = lists.iter().take_while(|list| is_call(list)).count().max(1);
            let chosen = order.next().map_or(0, |index| index.index(side_by_side));
            // Items begin in their order.
            let begun = lists[..chosen].iter().all(|list| list[0]["begun"] == true);
            let list = &mut lists[if begun { chosen } else { 0 }];
            events.push(list.remove(0));
            if let Some(next) = list.first_mut() {
                next["begun"] = true.into();
            }
            lists.retain(|list| !list.is_empty());
        }
        events.extend(self.last());
        for event in &mut events {
            event.as_object_mut().unwrap().remove("begun");
        }
        events
    }

    fn last(&self) -> Option<Value> {
        let output = if self.repeats {
            self.output()
        } else {
            Vec::new()
        };
        let mut response = json!({"id": "resp_1", "model": "gpt-5.5-2026-08-01", "output": output});
        if self.usage {
            response["usage"] = json!({
                "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4},
                "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 5},
                "total_tokens": 16,
            });
        }
        let error = json!({"code": "server_error", "message": "It broke."});
        let kind = match self.end {
            End::Completed => "response.completed",
            End::Length | End::Filtered => "response.incomplete",
            End::Failed => "response.failed",
            End::Error => {
                return Some(json!({"type": "error", "code": "server_error", "message": "x"}));
            }
            End::Cut => return None,
        };
        response["incomplete_details"] = match self.end {
            End::Length => json!({"reason": "max_output_tokens"}),
            End::Filtered => json!({"reason": "content_filter"}),
            End::Failed => {
                response["error"] = error;
                Value::Null
            }
            _ => Value::Null,
        };
        Some(json!({"type": kind, "response": response}))
    }

    /// The events as a stream.
    pub(crate) fn stream(&self) -> Vec<u8> {
        let events = self.events();
        let written = events.iter().map(|data| {
            format!(
                "event: {}\ndata: {data}\n\n",
                data["type"].as_str().unwrap()
            )
        });
        written.collect::<String>().into_bytes()
    }

    /// What a chat client holds at the end.
    pub(crate) fn expected(&self, format: ReasoningFormat) -> Value {
        if self.is_cut() {
            return json!({"message": {}, "finish_reason": null, "failed": true});
        }
        let mut message = Expected::default();
        for (at, (item, _)) in (0..).zip(&self.items) {
            message.add(at, item, format);
        }
        message.close();
        let finish_reason = match self.end {
            End::Length => "length",
            End::Filtered => "content_filter",
            _ if !message.calls.is_empty() => "tool_calls",
            _ => "stop",
        };
        let message = message.written();
        json!({"message": message, "finish_reason": finish_reason, "failed": false})
    }
}

fn is_call(events: &[Value]) -> bool {
    events
        .last()
        .is_some_and(|done| done["item"]["call_id"].is_string())
}

#[derive(Default)]
struct Expected {
    content: String,
    refusal: String,
    reasoning: String,
    in_tag: bool,
    /// A message has had text; the one under way has.
    spoke: bool,
    began: bool,
    calls: Vec<Value>,
    citations: Vec<Value>,
}

impl Expected {
    fn add(&mut self, at: usize, item: &Item, format: ReasoningFormat) {
        match item {
            Item::Message(parts) => {
                self.began = false;
                for part in parts {
                    self.part(part);
                }
            }
            Item::Reasoning { summary, text } => {
                let paragraphs = summary.iter().chain(text).map(|pieces| pieces.concat());
                for paragraph in paragraphs.filter(|text| !text.is_empty()) {
                    self.paragraph(&paragraph, format);
                }
            }
            Item::Call {
                custom,
                name,
                arguments,
            } => {
                self.close();
                let (id, arguments) = (format!("call_{at}"), arguments.concat());
                self.calls.push(if *custom {
                    let custom = json!({"name": name, "input": arguments});
                    json!({"id": id, "type": "custom", "custom": custom})
                } else {
                    let function = json!({"name": name, "arguments": arguments});
                    json!({"id": id, "type": "function", "function": function})
                });
            }
            Item::Search => {}
        }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text { pieces, citations } => {
                let text = pieces.concat();
                if !text.is_empty() {
                    self.begin();
                    self.close();
                }
                self.content.push_str(&text);
                let cited = (0..*citations).map(|number| {
                    let citation = citation(number);
                    let fields = citation.as_object().unwrap().iter();
                    let fields = fields.filter(|(name, _)| *name != "type");
                    let fields: Map<_, _> = fields.map(|(n, v)| (n.clone(), v.clone())).collect();
                    json!({"type": "url_citation", "url_citation": fields})
                });
                self.citations.extend(cited);
            }
            Part::Refusal(pieces) => {
                let text = pieces.concat();
                if !text.is_empty() {
                    self.close();
                }
                self.refusal.push_str(&text);
            }
        }
    }

    fn paragraph(&mut self, text: &str, format: ReasoningFormat) {
        match format {
            ReasoningFormat::ReasoningContent => {
                if !self.reasoning.is_empty() {
                    self.reasoning.push_str("\n\n");
                }
                self.reasoning.push_str(text);
            }
            ReasoningFormat::ThinkTags => {
                let before = if self.in_tag { "\n\n" } else { "<think>" };
                self.in_tag = true;
                self.content.extend([before, text]);
            }
            ReasoningFormat::None => {}
        }
    }

    /// A second message is a paragraph of its own.
    fn begin(&mut self) {
        let begins = !std::mem::replace(&mut self.began, true);
        let after_another = std::mem::replace(&mut self.spoke, true);
        if begins && after_another && !self.in_tag {
            self.content.push_str("\n\n");
        }
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.in_tag) {
            self.content.push_str("</think>\n\n");
        }
    }

    fn written(self) -> Value {
        let mut message = json!({"role": "assistant"});
        for (name, text) in [
            ("content", self.content),
            ("refusal", self.refusal),
            ("reasoning_content", self.reasoning),
        ] {
            if !text.is_empty() {
                message[name] = text.into();
            }
        }
        for (name, list) in [("tool_calls", self.calls), ("annotations", self.citations)] {
            if !list.is_empty() {
                message[name] = list.into();
            }
        }
        message
    }
}

fn citation(number: u8) -> Value {
    json!({"type": "url_citation", "start_index": 0, "end_index": number,
           "title": "A title", "url": format!("https://example.com/{number}")})
}

impl Item {
    fn whole(&self, at: usize) -> Value {
        match self {
            Self::Message(parts) => {
                let content: Vec<_> = parts.iter().map(Part::whole).collect();
                json!({"id": format!("msg_{at}"), "type": "message", "role": "assistant",
                       "status": "completed", "content": content})
            }
            Self::Reasoning { summary, text } => {
                let list = |kind: &str, texts: &[Pieces]| -> Vec<Value> {
                    let text = |pieces: &Pieces| json!({"type": kind, "text": pieces.concat()});
                    texts.iter().map(text).collect()
                };
                json!({"id": format!("rs_{at}"), "type": "reasoning",
                       "summary": list("summary_text", summary),
                       "content": list("reasoning_text", text), "encrypted_content": "gAAAAAB"})
            }
            Self::Call {
                custom,
                name,
                arguments,
            } => {
                let (kind, field) = Self::kind_of_call(*custom);
                json!({"id": format!("{field}_{at}"), "type": kind, "call_id": format!("call_{at}"),
                       "name": name, field: arguments.concat(), "status": "completed"})
            }
            Self::Search => json!({"id": format!("ws_{at}"), "type": "web_search_call",
                                   "status": "completed"}),
        }
    }

    fn kind_of_call(custom: bool) -> (&'static str, &'static str) {
        if custom {
            ("custom_tool_call", "input")
        } else {
            ("function_call", "arguments")
        }
    }

    fn events(&self, at: usize, telling: Telling) -> Vec<Value> {
        let whole = self.whole(at);
        let mut events = Vec::new();
        if telling != Telling::Nothing {
            let mut begun = whole.clone();
            for empty in ["content", "summary"] {
                if begun.get(empty).is_some() {
                    begun[empty] = json!([]);
                }
            }
            if let Self::Call { custom, .. } = self {
                begun[Self::kind_of_call(*custom).1] = "".into();
            }
            events.push(json!({"type": "response.output_item.added", "item": begun}));
        }
        if telling == Telling::Everything {
            events.extend(self.deltas());
        }
        events.push(json!({"type": "response.output_item.done", "item": whole}));
        for event in &mut events {
            event["output_index"] = at.into();
            event["item_id"] = whole["id"].clone();
        }
        events
    }

    fn deltas(&self) -> Vec<Value> {
        match self {
            Self::Message(parts) => (0..)
                .zip(parts)
                .flat_map(|(index, part)| part.deltas(index))
                .collect(),
            Self::Reasoning { summary, text } => {
                let shorten = |kind, index, lists: &[Pieces]| -> Vec<Value> {
                    let numbered = (0usize..).zip(lists);
                    let deltas = numbered.flat_map(|(at, pieces)| deltas(kind, index, at, pieces));
                    deltas.collect()
                };
                let summary = shorten("reasoning_summary_text", "summary_index", summary);
                let text = shorten("reasoning_text", "content_index", text);
                [summary, text].concat()
            }
            Self::Call {
                custom: false,
                arguments,
                ..
            } => deltas("function_call_arguments", "content_index", 0, arguments),
            Self::Call {
                custom: true,
                arguments,
                ..
            } => deltas("custom_tool_call_input", "content_index", 0, arguments),
            Self::Search => vec![json!({"type": "response.web_search_call.searching"})],
        }
    }
}

fn deltas(kind: &str, index: &str, at: usize, pieces: &[String]) -> Vec<Value> {
    let kind = format!("response.{kind}.delta");
    pieces
        .iter()
        .map(|piece| json!({"type": kind, index: at, "delta": piece}))
        .collect()
}

impl Part {
    fn whole(&self) -> Value {
        match self {
            Self::Text { pieces, citations } => {
                let annotations: Vec<_> = (0..*citations).map(citation).collect();
                json!({"type": "output_text", "text": pieces.concat(), "annotations": annotations})
            }
            Self::Refusal(pieces) => json!({"type": "refusal", "refusal": pieces.concat()}),
        }
    }

    fn deltas(&self, at: usize) -> Vec<Value> {
        match self {
            Self::Text { pieces, citations } => {
                let mut events = deltas("output_text", "content_index", at, pieces);
                events.extend((0..*citations).map(|number| {
                    json!({"type": "response.output_text.annotation.added", "content_index": at,
                           "annotation_index": number, "annotation": citation(number)})
                }));
                events
            }
            Self::Refusal(pieces) => deltas("refusal", "content_index", at, pieces),
        }
    }
}
