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
        items.extend(body["input"].as_array().into_iter().flatten().cloned());
        body["input"] = json!(items);
        Some(body)
    }

    /// Takes note of an answered body.
    pub(super) fn note(&mut self, response_id: String, body: &Value, output: &Value) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        self.last_id = Some(response_id);
        self.items = list(&body["input"]);
        self.items.extend(list(output));
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
}
