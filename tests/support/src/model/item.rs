//! The items of an answer, in the form of the Responses API.

use serde_json::{Value, json};

use super::text::Text;

/// One item of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Message {
        text: Text,
        annotations: Vec<Value>,
    },
    Refusal(String),
    Reasoning {
        summary: String,
    },
    FunctionCall {
        name: String,
        namespace: Option<String>,
        arguments: String,
    },
    CustomToolCall {
        name: String,
        namespace: Option<String>,
        input: String,
    },
    WebSearch {
        query: String,
    },
    Compaction,
}

impl Item {
    pub(super) fn message(text: Text) -> Self {
        Self::Message {
            text,
            annotations: Vec::new(),
        }
    }

    pub(super) fn reasoning(said: &str) -> Self {
        let topic: String = said.chars().take(40).collect();
        Self::Reasoning {
            summary: format!("**Thinking** about what was said: {topic}"),
        }
    }

    /// A search, and the text that cites what it found.
    pub(super) fn web_search(said: &str) -> Vec<Self> {
        let query = said.chars().take(80).collect();
        let text = "It is written in the example (example.com).";
        let (start, end) = (text.find("(e"), text.find(").").map(|end| end + 1));
        let annotation = json!({
            "type": "url_citation", "start_index": start, "end_index": end,
            "url": "https://example.com/?utm_source=openai", "title": "Example Domain",
        });
        let text = Text::Words(text.to_owned());
        vec![
            Self::WebSearch { query },
            Self::Message {
                text,
                annotations: vec![annotation],
            },
        ]
    }

    pub(crate) fn text_mut(&mut self) -> Option<&mut Text> {
        match self {
            Self::Message { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Ends the text of a message before the first of these sequences.
    pub(crate) fn stop_at(&mut self, sequences: &[String]) {
        if let Some(text) = self.text_mut() {
            text.stop_at(sequences);
        }
    }

    pub(super) fn tokens(&self) -> usize {
        let words = |text: &str| Text::Words(text.to_owned()).tokens();
        match self {
            Self::Message { text, .. } => text.tokens(),
            Self::Refusal(text) | Self::Reasoning { summary: text } => words(text),
            Self::FunctionCall {
                arguments: text, ..
            }
            | Self::CustomToolCall { input: text, .. } => text.len().div_ceil(4),
            Self::WebSearch { .. } | Self::Compaction => 1,
        }
    }
}

/// An item in its place, with the ids that follow from it.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) item: Item,
    /// The number of the response.
    pub(crate) serial: u64,
    /// The place among the items.
    pub(crate) index: usize,
    /// Encrypted content for this item, if it has any.
    pub(crate) sealed: Option<String>,
}

impl Numbered {
    pub(crate) fn id(&self) -> String {
        let prefix = match self.item {
            Item::Message { .. } | Item::Refusal(_) => "msg",
            Item::Reasoning { .. } => "rs",
            Item::FunctionCall { .. } => "fc",
            Item::CustomToolCall { .. } => "ctc",
            Item::WebSearch { .. } => "ws",
            Item::Compaction => "cmp",
        };
        format!("{prefix}_{:046x}{:02x}", self.serial, self.index)
    }

    /// What ties a call to its output.
    pub(crate) fn call_id(&self) -> String {
        format!("call_{:022x}{:02x}", self.serial, self.index)
    }

    /// The item as it is when it is announced.
    pub(crate) fn started(&self) -> Value {
        let mut item = self.finished();
        match &self.item {
            Item::Message { .. } | Item::Refusal(_) => item["content"] = json!([]),
            Item::Reasoning { .. } => item["summary"] = json!([]),
            Item::FunctionCall { .. } => item["arguments"] = json!(""),
            Item::CustomToolCall { .. } => item["input"] = json!(""),
            Item::WebSearch { .. } | Item::Compaction => {}
        }
        if item.get("status").is_some() {
            item["status"] = json!("in_progress");
        }
        item
    }

    /// The item as it is when it is done.
    pub(crate) fn finished(&self) -> Value {
        let mut item = self.fields();
        item["id"] = json!(self.id());
        let namespace = match &self.item {
            Item::FunctionCall { namespace, .. } | Item::CustomToolCall { namespace, .. } => {
                namespace.as_deref()
            }
            _ => None,
        };
        if let Some(namespace) = namespace {
            item["namespace"] = json!(namespace);
        }
        item
    }

    fn fields(&self) -> Value {
        match &self.item {
            Item::Message { .. } | Item::Refusal(_) => json!({
                "type": "message", "status": "completed", "role": "assistant",
                "content": [self.part(true)],
            }),
            Item::Reasoning { summary } => {
                let mut item = json!({
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": summary}],
                });
                if let Some(sealed) = &self.sealed {
                    item["encrypted_content"] = json!(sealed);
                }
                item
            }
            Item::FunctionCall {
                name, arguments, ..
            } => json!({
                "type": "function_call", "status": "completed", "name": name,
                "arguments": arguments, "call_id": self.call_id(),
            }),
            Item::CustomToolCall { name, input, .. } => json!({
                "type": "custom_tool_call", "status": "completed", "name": name,
                "input": input, "call_id": self.call_id(),
            }),
            Item::WebSearch { query } => json!({
                "type": "web_search_call", "status": "completed",
                "action": {"type": "search", "query": query},
            }),
            Item::Compaction => json!({"type": "compaction", "encrypted_content": self.sealed}),
        }
    }

    /// The one content part of a message, empty or done.
    pub(crate) fn part(&self, done: bool) -> Value {
        match &self.item {
            Item::Refusal(text) => {
                json!({"type": "refusal", "refusal": if done { text } else { "" }})
            }
            Item::Message { text, annotations } if done => json!({
                "type": "output_text", "annotations": annotations, "logprobs": [],
                "text": text.full(),
            }),
            _ => json!({"type": "output_text", "annotations": [], "logprobs": [], "text": ""}),
        }
    }
}
