//! The Responses protocol, as far as the ChatGPT backend and the public API share it.

mod check;
mod object;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

pub(crate) use self::check::{Problem, check_input};
use self::object::Object;
use crate::intake::Call;
use crate::model::{Item, Numbered, Prompt, Script, events};
use crate::seal::seal;
use crate::shared::Shared;
use crate::sse::EventBody;

/// An answer that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Reply {
    script: Script,
    items: Vec<Numbered>,
    object: Object,
}

impl Reply {
    /// What the model answers to this body, in the name of `owner`.
    pub(crate) fn new(shared: &Shared, call: &Call, owner: &str) -> Self {
        let prompt = Prompt::of_responses(&call.json);
        let script = Script::new(&prompt, &shared.settings, call.fault.as_ref());
        let serial = shared.next_serial();
        let items = numbered(&script, serial, owner, wants_reasoning(&call.json));
        let object = Object::new(&call.json, serial, &script, prompt.input_tokens);
        Self {
            script,
            items,
            object,
        }
    }

    pub(crate) fn id(&self) -> String {
        self.object.id()
    }

    /// The finished response object, with its output.
    pub(crate) fn whole(&self) -> Value {
        self.object.finished(&self.items)
    }

    /// The response as messages of a WebSocket; `full` says as for [`Self::stream`].
    pub(crate) fn messages(self, shared: &Arc<Shared>, call: &Call, full: bool) -> EventBody {
        let listed: &[Numbered] = if full { &self.items } else { &[] };
        let envelope = self.object.envelope(listed);
        let events = events(&self.script, self.items, envelope).enumerate();
        let messages = events.map(|(number, event)| event.message(number));
        EventBody::new(shared, call.fault.as_ref(), messages)
    }

    /// The response as a stream; `full` says whether the last event repeats the output.
    pub(crate) fn stream(self, shared: &Arc<Shared>, call: &Call, full: bool) -> Response {
        let listed: &[Numbered] = if full { &self.items } else { &[] };
        let envelope = self.object.envelope(listed);
        let events = events(&self.script, self.items, envelope);
        let bytes = events
            .enumerate()
            .map(|(number, event)| event.render(number));
        streamed(shared, call, bytes)
    }
}

/// An answer that streams these events.
pub(crate) fn streamed(
    shared: &Arc<Shared>,
    call: &Call,
    events: impl Iterator<Item = Bytes> + Send + 'static,
) -> Response {
    Response::new(Body::new(EventBody::new(
        shared,
        call.fault.as_ref(),
        events,
    )))
}

fn wants_reasoning(body: &Value) -> bool {
    let include = body["include"].as_array();
    include.is_some_and(|names| names.iter().any(|n| n == "reasoning.encrypted_content"))
}

fn numbered(script: &Script, serial: u64, owner: &str, reasoning: bool) -> Vec<Numbered> {
    let items = script.items.iter().enumerate().map(|(index, item)| {
        let sealed = match item {
            Item::Reasoning { .. } => reasoning,
            Item::Compaction => true,
            _ => false,
        };
        let sealed = sealed.then(|| seal(owner, serial));
        Numbered {
            item: item.clone(),
            serial,
            index,
            sealed,
        }
    });
    items.collect()
}
