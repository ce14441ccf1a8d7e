//! The events of a Responses stream as the deltas of a chat completion. No IO in here.

use serde_json::value::RawValue;

pub(crate) use super::cut::Cutter;
pub use super::cut::Limits;
use super::{
    ReasoningFormat,
    cut::Cut,
    items::{OpenItems, ToolCall},
};
use crate::{
    error::ApiError,
    json::{Escaped, EscapedBuf, lenient},
    responses::{
        event::{DeltaKind, Event, Place},
        wire::{Family, Item, Part, Response, Usage},
    },
};

crate::json::never_shown!(Delta<'a>);

/// One step of a chat completion, to be written as a chunk or gathered into an object.
pub enum Delta<'a> {
    /// The answer begins; the model is named if the upstream named it.
    Start {
        /// The model that answers.
        model: Option<Escaped<'a>>,
    },
    /// Text.
    Content(Escaped<'a>),
    /// Text of a refusal.
    Refusal(Escaped<'a>),
    /// Text of the reasoning.
    Reasoning(Escaped<'a>),
    /// A tool call begins.
    ToolCall {
        /// Its number in this answer.
        index: usize,
        /// A custom tool, not a function.
        custom: bool,
        /// The id that its result will name.
        id: Escaped<'a>,
        /// The tool's name.
        name: Escaped<'a>,
    },
    /// Arguments of a tool call.
    Arguments {
        /// The call's number in this answer.
        index: usize,
        /// A custom tool, not a function.
        custom: bool,
        /// The piece of text.
        text: Escaped<'a>,
    },
    /// A citation of an address, as the Responses API gives it.
    Annotation(&'a RawValue),
    /// How fast the answer was served. Comes before the finish, if the upstream said so.
    Tier(Escaped<'a>),
    /// The answer is complete. Comes once.
    Finish(FinishReason),
    /// Tokens counted. Comes after the finish, if the upstream counted.
    Usage(Usage),
}

/// Why an answer is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done, or a stop string came.
    Stop,
    /// The model waits for the results of its tool calls.
    ToolCalls,
    /// A limit of tokens was reached.
    Length,
    /// A filter ended it.
    ContentFilter,
}

/// Whether an answer goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// More will come.
    Open,
    /// The upstream is done, and so is the answer.
    Ended,
    /// The answer is done before the upstream is.
    Cut,
    /// The upstream failed.
    Failed(Box<ApiError>),
}

/// Turns events into deltas, in order, each part of the answer once.
#[derive(Debug)]
pub struct ChatStream {
    reasoning: ReasoningFormat,
    cutter: Option<Cutter>,
    /// Text that passed the cutter, kept for its room.
    escaped: EscapedBuf,
    items: OpenItems,
    thought: Thought,
    tool_calls: usize,
    started: bool,
    ended: bool,
}

/// How far the reasoning got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thought {
    None,
    /// Some was given.
    Given,
    /// Some was given, and the tag around it is open.
    InTag,
}

impl ChatStream {
    /// A new answer.
    #[must_use]
    pub fn new(reasoning: ReasoningFormat, limits: Limits) -> Self {
        Self {
            reasoning,
            cutter: Cutter::new(limits),
            escaped: EscapedBuf::default(),
            items: OpenItems::default(),
            thought: Thought::None,
            tool_calls: 0,
            started: false,
            ended: false,
        }
    }

    /// Takes an event and gives what it becomes to `sink`. After the end, nothing.
    pub fn on(&mut self, event: &Event<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        if self.ended {
            return Step::Ended;
        }
        let step = self.step(event, sink);
        self.ended = step != Step::Open;
        step
    }

    fn step(&mut self, event: &Event<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        match event {
            Event::Started(response) => self.start(response, sink),
            Event::ItemAdded(place, item) => {
                let at = self.items.at(*place, item.family());
                return self.announce(at, item, sink);
            }
            Event::Delta(kind, place, text) => return self.delta(*kind, *place, *text, sink),
            Event::AnnotationAdded(place, annotation) => {
                let at = self.items.at(*place, Family::Message);
                self.items[at].annotated = true;
                sink(Delta::Annotation(annotation));
            }
            Event::ItemDone(place, item) => return self.done(*place, item, sink),
            Event::Completed(response) => return self.complete(response, sink),
            Event::Incomplete(response) => return self.incomplete(response, sink),
            Event::Failed(failure) => return Step::Failed(Box::new(failure.to_error())),
            Event::Unknown => {}
        }
        Step::Open
    }

    fn start(&mut self, response: &Response<'_>, sink: &mut impl FnMut(Delta<'_>)) {
        if !std::mem::replace(&mut self.started, true) {
            sink(Delta::Start {
                model: response.model(),
            });
        }
    }

    fn announce(&mut self, at: usize, item: &Item<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        if item.family() != Family::Call || self.items[at].call.is_some() {
            return Step::Open;
        }
        let (Some(id), Some(name)) = (item.call_id(), item.name()) else {
            return Step::Open;
        };
        let custom = item.kind.is("custom_tool_call");
        let step = self.before_other_than_text(sink);
        if step != Step::Open {
            return step;
        }
        let index = self.tool_calls;
        self.tool_calls += 1;
        self.items[at].call = Some(ToolCall { index, custom });
        sink(Delta::ToolCall {
            index,
            custom,
            id,
            name,
        });
        Step::Open
    }

    fn delta(
        &mut self,
        kind: DeltaKind,
        place: Place<'_>,
        text: Escaped<'_>,
        sink: &mut impl FnMut(Delta<'_>),
    ) -> Step {
        if text.as_str().is_empty() {
            return Step::Open;
        }
        let at = self.items.at(place, kind.family());
        let item = &mut self.items[at];
        // Without its beginning, a call's arguments are given with the finished item.
        let is_call = matches!(kind, DeltaKind::Arguments | DeltaKind::CustomInput);
        if item.done || (is_call && item.call.is_none()) {
            return Step::Open;
        }
        let part = (kind, place.part_index);
        let begins = item.given.last() != Some(&part) && !item.given.contains(&part);
        if begins {
            item.given.push(part);
        }
        if begins && kind.family() == Family::Reasoning {
            self.paragraph(sink);
        }
        match kind {
            DeltaKind::Text => self.said(at, text, sink),
            DeltaKind::Refusal => self.refusal(text, sink),
            DeltaKind::Reasoning | DeltaKind::ReasoningSummary => self.reasoning(text, sink),
            DeltaKind::Arguments | DeltaKind::CustomInput => self.arguments(at, text, sink),
        }
    }

    fn arguments(
        &mut self,
        at: usize,
        text: Escaped<'_>,
        sink: &mut impl FnMut(Delta<'_>),
    ) -> Step {
        if let Some(ToolCall { index, custom }) = self.items[at].call {
            sink(Delta::Arguments {
                index,
                custom,
                text,
            });
        }
        Step::Open
    }

    /// Text of a message. A second message is a paragraph of its own: a chat has one text alone.
    fn said(&mut self, at: usize, text: Escaped<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        let begins = !std::mem::replace(&mut self.items[at].spoke, true);
        if begins && self.items.others_spoke(at) && self.thought != Thought::InTag {
            let step = self.content(Escaped::plain(r"\n\n"), sink);
            if step != Step::Open {
                return step;
            }
        }
        self.content(text, sink)
    }

    fn content(&mut self, text: Escaped<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        self.ready(sink);
        self.close_think_tag(sink);
        let Some(cutter) = &mut self.cutter else {
            sink(Delta::Content(text));
            return Step::Open;
        };
        give_cut(cutter.push(&text.decode()), &mut self.escaped, sink)
    }

    fn refusal(&mut self, text: Escaped<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        let step = self.before_other_than_text(sink);
        if step == Step::Open {
            sink(Delta::Refusal(text));
        }
        step
    }

    fn reasoning(&mut self, text: Escaped<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        match self.reasoning {
            ReasoningFormat::None => return Step::Open,
            ReasoningFormat::ReasoningContent => {
                self.ready(sink);
                sink(Delta::Reasoning(text));
                self.thought = Thought::Given;
            }
            ReasoningFormat::ThinkTags => {
                let step = self.flush_text(sink);
                if step != Step::Open {
                    return step;
                }
                self.ready(sink);
                if std::mem::replace(&mut self.thought, Thought::InTag) != Thought::InTag {
                    sink(Delta::Content(Escaped::plain("<think>")));
                }
                sink(Delta::Content(text));
            }
        }
        Step::Open
    }

    /// Paragraphs of reasoning come without what stood between them.
    fn paragraph(&mut self, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        let tags = self.reasoning == ReasoningFormat::ThinkTags;
        match self.thought {
            Thought::None => Step::Open,
            Thought::Given if tags => Step::Open,
            _ => self.reasoning(Escaped::plain(r"\n\n"), sink),
        }
    }

    fn done(
        &mut self,
        place: Place<'_>,
        item: &Item<'_>,
        sink: &mut impl FnMut(Delta<'_>),
    ) -> Step {
        let at = self.items.at(place, item.family());
        self.item_done(at, item, sink)
    }

    fn item_done(&mut self, at: usize, item: &Item<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        if self.items[at].done {
            return Step::Open;
        }
        let step = match item.family() {
            Family::Message => self.message_done(at, item, sink),
            Family::Reasoning => self.reasoning_done(at, item, sink),
            Family::Call => self.call_done(at, item, sink),
            Family::Other => Step::Open,
        };
        self.items[at].done = true;
        step
    }

    fn message_done(
        &mut self,
        at: usize,
        item: &Item<'_>,
        sink: &mut impl FnMut(Delta<'_>),
    ) -> Step {
        for (part_index, part) in (0..).zip(item.content()) {
            let step = self.part_done(at, part_index, &part, sink);
            if step != Step::Open {
                return step;
            }
        }
        Step::Open
    }

    fn part_done(
        &mut self,
        at: usize,
        part_index: u64,
        part: &Part<'_>,
        sink: &mut impl FnMut(Delta<'_>),
    ) -> Step {
        let missing = |kind| !self.items[at].given.contains(&(kind, part_index));
        let text = part.text().filter(|_| missing(DeltaKind::Text));
        let refusal = part.refusal().filter(|_| missing(DeltaKind::Refusal));
        let mut step = Step::Open;
        if let Some(text) = text.filter(|text| !text.as_str().is_empty()) {
            step = self.said(at, text, sink);
        }
        let refusal = refusal.filter(|text| !text.as_str().is_empty() && step == Step::Open);
        if let Some(refusal) = refusal {
            step = self.refusal(refusal, sink);
        }
        if !self.items[at].annotated && step == Step::Open {
            (part.annotations().into_iter()).for_each(|of_part| sink(Delta::Annotation(of_part)));
        }
        step
    }

    fn reasoning_done(
        &mut self,
        at: usize,
        item: &Item<'_>,
        sink: &mut impl FnMut(Delta<'_>),
    ) -> Step {
        if !self.items[at].given.is_empty() {
            return Step::Open;
        }
        for part in item.summary().iter().chain(&item.content()) {
            let Some(text) = part.text().filter(|text| !text.as_str().is_empty()) else {
                continue;
            };
            self.paragraph(sink);
            let step = self.reasoning(text, sink);
            if step != Step::Open {
                return step;
            }
        }
        Step::Open
    }

    fn call_done(&mut self, at: usize, item: &Item<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        let step = self.announce(at, item, sink);
        if step != Step::Open || !self.items[at].given.is_empty() {
            return step;
        }
        match item.arguments() {
            Some(text) if !text.as_str().is_empty() => self.arguments(at, text, sink),
            _ => Step::Open,
        }
    }

    fn complete(&mut self, response: &Response<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        let step = self.items_of(response, sink);
        if step != Step::Open {
            return step;
        }
        let reason = if self.tool_calls > 0 {
            FinishReason::ToolCalls
        } else {
            FinishReason::Stop
        };
        self.finish(reason, response, sink)
    }

    fn incomplete(&mut self, response: &Response<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        let step = self.items_of(response, sink);
        if step != Step::Open {
            return step;
        }
        let filtered = response
            .incomplete_reason()
            .is_some_and(|r| r.as_str() == "content_filter");
        let reason = if filtered {
            FinishReason::ContentFilter
        } else {
            FinishReason::Length
        };
        self.finish(reason, response, sink)
    }

    /// An upstream that told nothing of an item on the way, or not all of it, has it in its last
    /// event.
    fn items_of(&mut self, response: &Response<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        self.start(response, sink);
        let told = self.items.len();
        for raw in response.items() {
            let Some(item) = Item::parse(raw) else {
                continue;
            };
            let Some(at) = self.items.untold(&item, told) else {
                continue;
            };
            let step = self.item_done(at, &item, sink);
            if step != Step::Open {
                return step;
            }
        }
        Step::Open
    }

    fn finish(
        &mut self,
        reason: FinishReason,
        response: &Response<'_>,
        sink: &mut impl FnMut(Delta<'_>),
    ) -> Step {
        let step = self.before_other_than_text(sink);
        if step != Step::Open {
            return step;
        }
        if let Some(tier) = response.service_tier() {
            sink(Delta::Tier(tier));
        }
        sink(Delta::Finish(reason));
        if let Some(usage) = response.usage() {
            sink(Delta::Usage(usage));
        }
        Step::Ended
    }

    fn ready(&mut self, sink: &mut impl FnMut(Delta<'_>)) {
        self.start(&Response::default(), sink);
    }

    fn close_think_tag(&mut self, sink: &mut impl FnMut(Delta<'_>)) {
        if self.thought == Thought::InTag {
            self.thought = Thought::Given;
            sink(Delta::Content(Escaped::plain(r"</think>\n\n")));
        }
    }

    /// Brings all text to its end, since something else follows.
    fn before_other_than_text(&mut self, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        self.ready(sink);
        self.close_think_tag(sink);
        self.flush_text(sink)
    }

    fn flush_text(&mut self, sink: &mut impl FnMut(Delta<'_>)) -> Step {
        match &mut self.cutter {
            Some(cutter) => give_cut(cutter.flush(), &mut self.escaped, sink),
            None => Step::Open,
        }
    }
}

fn give_cut(
    (text, cut): (&str, Option<Cut>),
    escaped: &mut EscapedBuf,
    sink: &mut impl FnMut(Delta<'_>),
) -> Step {
    if !text.is_empty() {
        sink(Delta::Content(escaped.set(text)));
    }
    let reason = match cut {
        None => return Step::Open,
        Some(Cut::Length) => FinishReason::Length,
        Some(Cut::Stop) => FinishReason::Stop,
    };
    sink(Delta::Finish(reason));
    Step::Cut
}

/// A citation of an address, as chat completions have it; other annotations have no such form.
pub(crate) fn url_citation(annotation: &RawValue) -> Option<Vec<u8>> {
    use crate::json::{JsonStr, Object};

    let fields: Object = lenient(annotation)?;
    if !JsonStr::new(fields.field("type")?)?.is("url_citation") {
        return None;
    }
    let mut written = br#"{"type":"url_citation","url_citation":{"#.to_vec();
    for (at, name) in ["start_index", "end_index", "title", "url"]
        .into_iter()
        .enumerate()
    {
        let value = fields.field(name).map_or("null", RawValue::get);
        let comma = if at == 0 { "" } else { "," };
        written.extend_from_slice(format!("{comma}\"{name}\":{value}").as_bytes());
    }
    written.extend_from_slice(b"}}");
    Some(written)
}
