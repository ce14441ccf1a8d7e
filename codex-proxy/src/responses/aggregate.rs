//! A Responses stream gathered into the response object.

use std::collections::BTreeMap;

use bytes::BytesMut;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    event::{Ending, Mark},
    limit::Limiter,
    recall::{Amendments, OpenTurn},
    wire::Failure,
};
use crate::{
    error::ApiError,
    json::{JsonStr, Object, lenient},
    sse::Decoder,
    translated::Flow,
};

/// Keeps the finished items and the last response object.
#[derive(Default)]
pub(crate) struct Gatherer {
    decoder: Decoder,
    kept: Kept,
    limiter: Option<Limiter>,
}

/// The finished items, and the response object once it has come.
#[derive(Default)]
pub(super) struct Kept {
    items: BTreeMap<u64, Box<RawValue>>,
    response: Option<Box<RawValue>>,
}

impl Gatherer {
    /// For an answer that is cut where it is too long.
    pub(super) fn new(max_output_tokens: Option<u64>) -> Self {
        Self {
            limiter: max_output_tokens.map(Limiter::new),
            ..Self::default()
        }
    }

    pub(super) fn piece(&mut self, piece: &[u8]) -> Result<Flow, ApiError> {
        let Some(limiter) = &mut self.limiter else {
            return self.gather(piece);
        };
        let mut passed = BytesMut::new();
        let ended = limiter.piece(piece, &mut passed)?;
        let flow = self.gather(&passed)?;
        Ok(if ended { Flow::Cut } else { flow })
    }

    fn gather(&mut self, piece: &[u8]) -> Result<Flow, ApiError> {
        let Self { decoder, kept, .. } = self;
        let mut flow = Ok(Flow::Nothing);
        let pushed = decoder.push(piece, |data| {
            if matches!(flow, Ok(Flow::Nothing | Flow::Events)) {
                flow = kept.event(data);
            }
        });
        pushed?;
        flow
    }

    /// The object, with its output; kept, if it is to be.
    pub(super) fn into_json(self, turn: Option<OpenTurn>) -> Vec<u8> {
        let response = self.kept.response.as_deref();
        let fields: Object = response.and_then(lenient).unwrap_or_default();
        let whole = self.kept.whole(&fields, turn);
        let json = whole.map(Box::<str>::from).unwrap_or_default();
        json.into_boxed_bytes().into_vec()
    }
}

impl Kept {
    pub(super) fn event(&mut self, data: &[u8]) -> Result<Flow, ApiError> {
        let Ok(fields) = serde_json::from_slice::<Object>(data) else {
            return Ok(Flow::Events);
        };
        let kind = fields
            .field("type")
            .and_then(JsonStr::new)
            .map(JsonStr::decode);
        match kind.as_deref() {
            Some("response.output_item.done") => self.item(&fields),
            Some("response.failed") => return Err(failure(&fields, data)),
            Some("error") => return Err(Failure::of_error_event(data).to_error()),
            _ => {}
        }
        if Mark::of(data) != Mark::Last {
            return Ok(Flow::Events);
        }
        self.response = fields.field("response").map(ToOwned::to_owned);
        Ok(Flow::Ended)
    }

    /// The data of the last event as the client is to have it, if that is not as it came: with the
    /// items that came before it, if its own output is empty, and with what the request said. A
    /// complete answer is kept, if it is to be.
    pub(super) fn completed(&self, data: &[u8], turn: Option<OpenTurn>) -> Option<Vec<u8>> {
        let event: Object = serde_json::from_slice(data).ok()?;
        let fields: Object = event.field("response").and_then(lenient)?;
        if !is_success(&event) {
            return None;
        }
        if turn.is_none() && (self.items.is_empty() || !lacks_output(&fields)) {
            return None;
        }
        let response = &self.whole(&fields, turn)?;
        serde_json::to_vec(&Completed { event, response }).ok()
    }

    /// The response object with its output and what the request said; kept, if it is to be.
    fn whole(&self, fields: &Object<'_>, turn: Option<OpenTurn>) -> Option<Box<RawValue>> {
        let items = &self.items;
        let written = |amended: Amendments<'_>| {
            let whole = Whole {
                fields,
                items,
                amended,
            };
            to_raw_value(&whole).ok()
        };
        match turn {
            Some(turn) => turn.close(written),
            None => written(Amendments::default()),
        }
    }

    fn item(&mut self, fields: &Object<'_>) {
        let next = self
            .items
            .last_key_value()
            .map_or(0, |(index, _)| index + 1);
        let index = fields
            .field("output_index")
            .and_then(lenient)
            .unwrap_or(next);
        if let Some(item) = fields.field("item") {
            self.items.insert(index, item.to_owned());
        }
    }
}

fn failure(fields: &Object<'_>, data: &[u8]) -> ApiError {
    let response: Option<Object> = fields.field("response").and_then(lenient);
    let error = response.and_then(|response| response.field("error"));
    let failure: Option<Failure> = error.and_then(lenient);
    failure
        .unwrap_or_else(|| Failure::of_error_event(data))
        .to_error()
}

/// The ChatGPT backend may leave the output of the last event empty (wire reference 5.6).
fn lacks_output(response: &Object<'_>) -> bool {
    let given: Option<Vec<&RawValue>> = response.field("output").and_then(lenient);
    given.is_none_or(|items| items.is_empty())
}

/// Not `response.failed` and not `error`.
fn is_success(event: &Object<'_>) -> bool {
    let kind = event.field("type").and_then(JsonStr::new);
    let ending = kind.and_then(|kind| Ending::of(&kind.decode()));
    ending.is_some_and(|ending| ending != Ending::Failed)
}

struct Completed<'a> {
    event: Object<'a>,
    response: &'a RawValue,
}

impl Serialize for Completed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.event.iter() {
            match name {
                "response" => map.serialize_entry(name, self.response)?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

struct Whole<'a> {
    fields: &'a Object<'a>,
    items: &'a BTreeMap<u64, Box<RawValue>>,
    amended: Amendments<'a>,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Amendments {
            previous_response_id,
            store,
        } = self.amended;
        let rebuild = lacks_output(self.fields);
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.fields.iter() {
            match name {
                "output" if rebuild => {}
                "previous_response_id" if previous_response_id.is_some() => {}
                "store" if store.is_some() => {}
                _ => map.serialize_entry(name, value)?,
            }
        }
        if rebuild {
            map.serialize_entry("output", &Values(self.items))?;
        }
        if let Some(id) = previous_response_id {
            map.serialize_entry("previous_response_id", id)?;
        }
        if let Some(store) = store {
            map.serialize_entry("store", &store)?;
        }
        map.end()
    }
}

struct Values<'a>(&'a BTreeMap<u64, Box<RawValue>>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values())
    }
}
