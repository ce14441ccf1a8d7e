//! A Responses stream gathered into the response object.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::{event::is_last, wire::Failure};
use crate::{
    chat::response::too_large,
    error::ApiError,
    json::{JsonStr, Object, lenient},
    sse::{Decoder, EventTooLarge},
    translated::Flow,
};

/// Keeps the finished items and the last response object.
#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    decoder: Decoder,
    kept: Kept,
}

/// The finished items, and the response object once it has come.
#[derive(Debug, Default)]
pub(super) struct Kept {
    items: BTreeMap<u64, Box<RawValue>>,
    response: Option<Box<RawValue>>,
}

impl Gatherer {
    pub(crate) fn piece(&mut self, piece: &[u8]) -> Result<Flow, ApiError> {
        let Self { decoder, kept } = self;
        let mut flow = Ok(Flow::Nothing);
        let pushed = decoder.push(piece, |data| {
            if matches!(flow, Ok(Flow::Nothing | Flow::Events)) {
                flow = kept.event(data);
            }
        });
        pushed.map_err(|EventTooLarge| too_large())?;
        flow
    }

    /// The object, with its output.
    pub(crate) fn into_json(self) -> Vec<u8> {
        let response = self.kept.response.unwrap_or_default();
        let fields: Object = lenient(&response).unwrap_or_default();
        let whole = Whole {
            fields,
            items: &self.kept.items,
        };
        serde_json::to_vec(&whole).unwrap_or_default()
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
        if !is_last(data) {
            return Ok(Flow::Events);
        }
        self.response = fields.field("response").map(ToOwned::to_owned);
        Ok(Flow::Ended)
    }

    /// The data of the last event with the items that came before it, if its own output is empty.
    pub(super) fn completed(&self, data: &[u8]) -> Option<Vec<u8>> {
        let event: Object = serde_json::from_slice(data).ok()?;
        let fields: Object = event.field("response").and_then(lenient)?;
        if self.items.is_empty() || !lacks_output(&fields) {
            return None;
        }
        let items = &self.items;
        let response = Whole { fields, items };
        serde_json::to_vec(&Completed { event, response }).ok()
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

struct Completed<'a> {
    event: Object<'a>,
    response: Whole<'a>,
}

impl Serialize for Completed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.event.iter() {
            match name {
                "response" => map.serialize_entry(name, &self.response)?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

struct Whole<'a> {
    fields: Object<'a>,
    items: &'a BTreeMap<u64, Box<RawValue>>,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rebuild = lacks_output(&self.fields);
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self
            .fields
            .iter()
            .filter(|(name, _)| !rebuild || *name != "output")
        {
            map.serialize_entry(name, value)?;
        }
        if rebuild {
            map.serialize_entry("output", &Values(self.items))?;
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
