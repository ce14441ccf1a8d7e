//! What a connection remembers: the last response, which alone can be continued.

use serde_json::{Value, json};

/// The last response of a connection, and all that was said up to it.
#[derive(Debug, Default)]
pub(super) struct History {
    last_id: Option<String>,
    items: Vec<Value>,
}

impl History {
    /// The body of a `POST` that would ask the same; nothing if it continues another response.
    pub(super) fn whole(&self, message: &Value) -> Option<Value> {
        let mut body = message.clone();
        let fields = body.as_object_mut()?;
        fields.remove("type");
        fields.remove("generate");
        let continued = fields.remove("previous_response_id").unwrap_or_default();
        if continued.is_null() {
            return Some(body);
        }
        let known = self.last_id.as_deref() == continued.as_str();
        let mut items = known.then(|| self.items.clone())?;
        items.extend(list(&body["input"]));
        body["input"] = json!(items);
        Some(body)
    }

    /// Takes note of an answered body.
    pub(super) fn note(&mut self, response_id: String, body: &Value, output: &Value) {
        self.last_id = Some(response_id);
        self.items = list(&body["input"]);
        self.items.extend(list(output));
    }
}

/// Items; a text alone is a message of the user.
fn list(input: &Value) -> Vec<Value> {
    match input {
        Value::Array(items) => items.clone(),
        Value::String(text) => vec![json!({"type": "message", "role": "user", "content": text})],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_response_alone_can_be_continued() {
        let mut history = History::default();
        history.note("resp_1".into(), &json!({"input": [1]}), &json!([2]));
        let next =
            |id: &str| json!({"type": "response.create", "previous_response_id": id, "input": [3]});
        assert_eq!(
            history.whole(&next("resp_1")),
            Some(json!({"input": [1, 2, 3]}))
        );
        assert_eq!(history.whole(&next("resp_0")), None);
    }

    #[test]
    fn a_text_is_continued_as_a_message() {
        let mut history = History::default();
        history.note("resp_1".into(), &json!({"input": "one"}), &json!([]));
        let next = json!({"previous_response_id": "resp_1", "input": "two"});
        let input = history.whole(&next).unwrap()["input"].take();
        let said: Vec<_> = input
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["content"])
            .collect();
        assert_eq!(said, ["one", "two"]);
    }
}
