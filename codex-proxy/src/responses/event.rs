//! The events of a Responses stream, borrowed from their data. An unknown one is data, not an error.
//!
//! *Source:* wire reference 6.1.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Failure, Family, Item, Response};
use crate::{
    json::{Escaped, JsonStr, lenient},
    ws::kind_of,
};

crate::json::never_shown!(Event<'a>);

/// One event of a Responses stream.
#[non_exhaustive]
pub enum Event<'a> {
    /// `response.created` or `response.in_progress`.
    Started(Response<'a>),
    /// `response.output_item.added`: an item begins.
    ItemAdded(Place<'a>, Item<'a>),
    /// `response.output_item.done`: an item is complete.
    ItemDone(Place<'a>, Item<'a>),
    /// A piece of something that grows.
    Delta(DeltaKind, Place<'a>, Escaped<'a>),
    /// `response.output_text.annotation.added`, such as a citation.
    AnnotationAdded(Place<'a>, &'a RawValue),
    /// `response.completed` or `response.done`: the clean end.
    Completed(Response<'a>),
    /// `response.incomplete`: ended before its natural end.
    Incomplete(Response<'a>),
    /// `response.failed` or `error`: no more will come.
    Failed(Failure<'a>),
    /// One that says nothing we need, or that is newer than this code.
    Unknown,
}

/// What a delta adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaKind {
    /// Text of a message.
    Text,
    /// Text of a refusal.
    Refusal,
    /// Summary of the reasoning.
    ReasoningSummary,
    /// The reasoning itself, of models that show it.
    Reasoning,
    /// Arguments of a function call.
    Arguments,
    /// Input of a custom tool call.
    CustomInput,
}

impl DeltaKind {
    /// What kind of item it is a part of.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::Text | Self::Refusal => Family::Message,
            Self::Reasoning | Self::ReasoningSummary => Family::Reasoning,
            Self::Arguments | Self::CustomInput => Family::Call,
        }
    }
}

/// Which item, and which part of it, an event speaks of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// Position in the output.
    pub output_index: Option<u64>,
    /// Id of the item.
    pub item_id: Option<Escaped<'a>>,
    /// Position in the item: `content_index` or `summary_index`.
    pub part_index: u64,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: JsonStr<'a>,
    #[serde(borrow)]
    output_index: Option<&'a RawValue>,
    #[serde(borrow)]
    item_id: Option<&'a RawValue>,
    #[serde(borrow)]
    content_index: Option<&'a RawValue>,
    #[serde(borrow)]
    summary_index: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// Reads the data of one event. Data that cannot be understood is [`Event::Unknown`].
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Self {
        match object(data).map(serde_json::from_slice::<Fields<'a>>) {
            Some(Ok(fields)) => fields.event(data),
            _ => Self::Unknown,
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Completed(_) | Self::Incomplete(_) | Self::Failed(_)
        )
    }
}

impl<'a> Fields<'a> {
    fn event(&self, data: &'a [u8]) -> Event<'a> {
        let kind = self.kind.decode();
        match Ending::of(&kind) {
            Some(Ending::Completed) => return Event::Completed(self.response()),
            Some(Ending::Incomplete) => return Event::Incomplete(self.response()),
            Some(Ending::Failed) => return Event::Failed(self.failure(data)),
            None => {}
        }
        match kind.as_ref() {
            "response.output_text.delta" => self.delta(DeltaKind::Text),
            "response.function_call_arguments.delta" => self.delta(DeltaKind::Arguments),
            "response.custom_tool_call_input.delta" => self.delta(DeltaKind::CustomInput),
            "response.reasoning_summary_text.delta" => self.delta(DeltaKind::ReasoningSummary),
            "response.reasoning_text.delta" => self.delta(DeltaKind::Reasoning),
            "response.refusal.delta" => self.delta(DeltaKind::Refusal),
            "response.output_item.added" => self.item(Event::ItemAdded),
            "response.output_item.done" => self.item(Event::ItemDone),
            "response.output_text.annotation.added" => match self.annotation {
                Some(annotation) => Event::AnnotationAdded(self.place(), annotation),
                None => Event::Unknown,
            },
            "response.created" | "response.in_progress" => Event::Started(self.response()),
            _ => Event::Unknown,
        }
    }

    fn delta(&self, kind: DeltaKind) -> Event<'a> {
        match self.delta.and_then(JsonStr::new) {
            Some(text) => Event::Delta(kind, self.place(), text.escaped()),
            None => Event::Unknown,
        }
    }

    fn item(&self, event: impl FnOnce(Place<'a>, Item<'a>) -> Event<'a>) -> Event<'a> {
        match self.item.and_then(Item::parse) {
            Some(item) => event(self.place().or_id_of(&item), item),
            None => Event::Unknown,
        }
    }

    fn place(&self) -> Place<'a> {
        Place {
            output_index: self.output_index.and_then(lenient),
            item_id: self.item_id.and_then(JsonStr::new).map(JsonStr::escaped),
            part_index: (self.content_index.or(self.summary_index))
                .and_then(lenient)
                .unwrap_or_default(),
        }
    }

    fn response(&self) -> Response<'a> {
        self.response.and_then(lenient).unwrap_or_default()
    }

    fn failure(&self, data: &'a [u8]) -> Failure<'a> {
        (self.response().error.and_then(lenient)).unwrap_or_else(|| Failure::of_error_event(data))
    }
}

impl<'a> Place<'a> {
    fn or_id_of(self, item: &Item<'a>) -> Self {
        let item_id = self.item_id.or(item.id());
        Self { item_id, ..self }
    }
}

/// The data, if it can be an object: a list would be read as the fields in their order.
fn object(data: &[u8]) -> Option<&[u8]> {
    data.trim_ascii_start().starts_with(b"{").then_some(data)
}

/// How an answer ends with a last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should.
    Completed,
    /// Before its natural end.
    Incomplete,
    /// With nothing.
    Failed,
}

impl Ending {
    /// Whether events of this kind are the last, and what they say.
    pub(crate) fn of(kind: &str) -> Option<Self> {
        match kind {
            "response.completed" | "response.done" => Some(Self::Completed),
            "response.incomplete" => Some(Self::Incomplete),
            "response.failed" | "error" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// What an event is to those who only pass it on. Nothing but its `type` is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing comes after it.
    Last,
    /// An item is complete.
    ItemDone,
    Other,
}

impl Mark {
    pub(crate) fn of(data: &[u8]) -> Self {
        let kind = str::from_utf8(data).ok().and_then(kind_of);
        match kind.as_deref() {
            Some(kind) if Ending::of(kind).is_some() => Self::Last,
            Some("response.output_item.done") => Self::ItemDone,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_of_tomorrow_is_no_error() {
        for data in [
            "",
            "[DONE]",
            "{}",
            r#"{"type":"response.novel","x":[]}"#,
            "[1]",
        ] {
            assert!(
                matches!(Event::parse(data.as_bytes()), Event::Unknown),
                "{data}"
            );
        }
    }

    #[test]
    fn a_field_of_an_unexpected_type_does_not_hide_the_rest() {
        let data = br#"{"type":"response.output_text.delta","output_index":"x","delta":"hi"}"#;
        let Event::Delta(DeltaKind::Text, place, text) = Event::parse(data) else {
            panic!("not a text delta");
        };
        assert_eq!((place.output_index, text.as_str()), (None, "hi"));
    }

    #[test]
    fn ends_are_recognised() {
        for kind in ["completed", "done", "incomplete", "failed"] {
            let data = format!(r#"{{"response":{{}},"type":"response.{kind}"}}"#);
            assert!(
                Mark::of(data.as_bytes()) == Mark::Last && Event::parse(data.as_bytes()).is_last(),
                "{kind}"
            );
        }
        assert_eq!(Mark::of(br#"{"type":"error"}"#), Mark::Last);
        assert_eq!(Mark::of(b" \n{ \"type\" : \"error\" }"), Mark::Last);
        assert_eq!(Mark::of(br#"{"type":"response.created"}"#), Mark::Other);
        assert_eq!(
            Mark::of(br#"["response.completed"]"#),
            Mark::Other,
            "a list"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Event::parse(&bytes);
        }
    }
}
