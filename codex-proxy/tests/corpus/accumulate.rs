//! Chunks put together as the official Python library does it, in which all its helpers are rooted.
//!
//! *Source:* openai-python, `lib/streaming/_deltas.py`.

use serde_json::{Map, Value};

/// What a client has at the end of a stream.
#[derive(Debug, Default)]
pub(crate) struct Accumulated {
    pub(crate) message: Map<String, Value>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Value,
    pub(crate) error: Option<Value>,
    pub(crate) done: bool,
}

impl Accumulated {
    pub(crate) fn of(stream: &str) -> Self {
        let mut whole = Self::default();
        for data in stream.split_terminator("\n\n") {
            let data = data.strip_prefix("data: ").unwrap();
            assert!(!whole.done, "nothing follows [DONE]: {stream}");
            if data == "[DONE]" {
                whole.done = true;
                continue;
            }
            let chunk: Value = serde_json::from_str(data).unwrap();
            whole.chunk(&chunk);
        }
        whole
    }

    fn chunk(&mut self, chunk: &Value) {
        if let Some(error) = chunk.get("error") {
            self.error = Some(error.clone());
            return;
        }
        for choice in chunk["choices"].as_array().unwrap() {
            add(&mut self.message, choice["delta"].as_object().unwrap());
            if let Some(reason) = choice["finish_reason"].as_str() {
                self.finish_reason = Some(reason.into());
            }
        }
        if !chunk["usage"].is_null() {
            self.usage = chunk["usage"].clone();
        }
    }

    /// The message as one that was not streamed: no positions, and nothing for an empty text.
    pub(crate) fn into_message(mut self) -> Map<String, Value> {
        let calls = self
            .message
            .get_mut("tool_calls")
            .and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            call.as_object_mut().unwrap().remove("index");
        }
        in_short(self.message)
    }
}

/// A message without the fields that say nothing.
pub(crate) fn in_short(message: Map<String, Value>) -> Map<String, Value> {
    let says = |value: &Value| !value.is_null() && *value != "";
    message
        .into_iter()
        .filter(|(_, value)| says(value))
        .collect()
}

fn add(known: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (name, new) in delta {
        match known.get_mut(name) {
            None | Some(Value::Null) if is_indexed(new) => {
                let mut list = Vec::new();
                add_entries(&mut list, new.as_array().unwrap());
                known.insert(name.clone(), list.into());
            }
            None | Some(Value::Null) => {
                known.insert(name.clone(), new.clone());
            }
            Some(old) if name == "index" || name == "type" => *old = new.clone(),
            Some(Value::String(text)) => text.push_str(new.as_str().unwrap()),
            Some(Value::Object(fields)) => add(fields, new.as_object().unwrap()),
            Some(Value::Array(entries)) => add_entries(entries, new.as_array().unwrap()),
            Some(_) => panic!("`{name}` cannot be added to"),
        }
    }
}

fn is_indexed(value: &Value) -> bool {
    let entries = value.as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().any(|entry| entry.get("index").is_some())
}

fn add_entries(known: &mut Vec<Value>, new: &[Value]) {
    for entry in new {
        let index = entry.get("index").and_then(Value::as_u64);
        let index = index.expect("the library refuses an entry of a list without `index`");
        match known.get_mut(usize::try_from(index).unwrap()) {
            Some(old) => add(old.as_object_mut().unwrap(), entry.as_object().unwrap()),
            None => known.push(entry.clone()),
        }
    }
}
