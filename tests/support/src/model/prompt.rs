//! What the model looks at, whichever protocol it came in.

use serde_json::{Map, Value, json};

use super::arguments::quoted;
use super::sample::sample;

/// A tool the model may call.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// The namespace it was offered in.
    pub(crate) namespace: Option<String>,
    /// A custom tool takes text instead of JSON arguments.
    pub(crate) custom: bool,
    /// The JSON schema of the arguments.
    pub(crate) parameters: Value,
}

/// Which tools may or must be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

/// The form of the text that is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    Text,
    JsonObject,
    JsonSchema(Value),
}

impl Format {
    /// JSON of this form, if it is one. Where there is no schema, the fields are those that the
    /// prompt has in quotes.
    pub(super) fn sample(&self, said: &str) -> Option<String> {
        match self {
            Self::Text => None,
            Self::JsonObject => Some(object(quoted(said)).to_string()),
            Self::JsonSchema(schema) => Some(sample(schema).to_string()),
        }
    }

    /// Reads `{"type":…}`; the schema is beside the type or, in chat, in `json_schema`.
    pub(crate) fn read(format: &Value) -> Self {
        let schema = [&format["schema"], &format["json_schema"]["schema"]];
        match format["type"].as_str() {
            Some("json_object") => Self::JsonObject,
            Some("json_schema") => {
                let schema = schema.into_iter().find(|schema| schema.is_object());
                Self::JsonSchema(schema.cloned().unwrap_or_default())
            }
            _ => Self::Text,
        }
    }
}

fn object<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let fields: Map<_, _> = names
        .map(|name| (name.to_owned(), json!("example")))
        .collect();
    if fields.is_empty() {
        return json!({"answer": "example"});
    }
    Value::Object(fields)
}

/// A prompt.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) last_user_text: String,
    /// What the last user message has beside its text.
    pub(crate) attachments: Vec<String>,
    /// The outputs of tools at the end of the input.
    pub(crate) tool_outputs: Vec<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    /// Whether several calls may be made at once.
    pub(crate) parallel: bool,
    pub(crate) format: Format,
    pub(crate) max_output_tokens: Option<usize>,
    /// Whether the input ends in a compaction trigger.
    pub(crate) compaction: bool,
    pub(crate) input_tokens: usize,
}

impl Prompt {
    /// The prompt in a Responses body.
    pub(crate) fn of_responses(body: &Value) -> Self {
        let items = body["input"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let user = items.iter().rev().find(|item| item["role"] == "user");
        let said = user.map(|item| text_of(&item["content"]));
        let attached = user.map(|item| attachments(&item["content"]));
        let input = body["input"].as_str().map(str::to_owned);
        Self {
            last_user_text: input.or(said).unwrap_or_default(),
            attachments: attached.unwrap_or_default(),
            tool_outputs: outputs(items),
            tools: allowed(offered(body, items), &body["tool_choice"]),
            tool_choice: tool_choice(&body["tool_choice"]),
            parallel: body["parallel_tool_calls"] != false,
            format: Format::read(&body["text"]["format"]),
            max_output_tokens: number(&body["max_output_tokens"]),
            compaction: items
                .last()
                .is_some_and(|item| item["type"] == "compaction_trigger"),
            input_tokens: estimated_tokens(&body["input"])
                + estimated_tokens(&body["instructions"]),
        }
    }

    /// The tools a call may go to.
    pub(super) fn callable(&self) -> &[Tool] {
        match self.tool_choice {
            ToolChoice::None => &[],
            _ => &self.tools,
        }
    }
}

/// The outputs of tools after the last thing that is not one.
fn outputs(items: &[Value]) -> Vec<String> {
    let is_output = |item: &&Value| {
        item["type"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("_output"))
    };
    let mut outputs: Vec<_> = items
        .iter()
        .rev()
        .take_while(is_output)
        .map(|item| text_of(&item["output"]))
        .collect();
    outputs.reverse();
    outputs
}

fn offered(body: &Value, items: &[Value]) -> Vec<Tool> {
    let additional = items
        .iter()
        .filter(|item| item["type"] == "additional_tools");
    let lists = additional
        .map(|item| &item["tools"])
        .chain([&body["tools"]]);
    lists.flat_map(|list| tools(list, None)).collect()
}

/// The function and custom tools of a list, also those inside of namespaces.
fn tools(list: &Value, namespace: Option<&str>) -> Vec<Tool> {
    list.as_array()
        .into_iter()
        .flatten()
        .flat_map(|tool| one_tool(tool, namespace))
        .collect()
}

fn one_tool(tool: &Value, namespace: Option<&str>) -> Vec<Tool> {
    let name = tool["name"].as_str().unwrap_or_default();
    match tool["type"].as_str() {
        Some("namespace") => tools(&tool["tools"], Some(name)),
        Some(kind @ ("function" | "custom")) => vec![Tool {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            custom: kind == "custom",
            parameters: tool["parameters"].clone(),
        }],
        _ => Vec::new(),
    }
}

/// Reads `tool_choice` of either protocol.
pub(crate) fn tool_choice(choice: &Value) -> ToolChoice {
    let mode = choice.as_str().or_else(|| subset(choice)?["mode"].as_str());
    match mode {
        Some("none") => ToolChoice::None,
        Some("required") => ToolChoice::Required,
        Some(_) => ToolChoice::Auto,
        None => name_of(choice).map_or(ToolChoice::Auto, ToolChoice::Named),
    }
}

/// The tools that may be called: all of them, or those that `tool_choice` names.
pub(crate) fn allowed(mut tools: Vec<Tool>, choice: &Value) -> Vec<Tool> {
    if let Some(subset) = subset(choice) {
        let listed = subset["tools"].as_array().into_iter().flatten();
        let names: Vec<_> = listed.filter_map(name_of).collect();
        tools.retain(|tool| names.contains(&tool.name));
    }
    tools
}

/// A choice among some of the tools: `mode` and `tools`, which chat nests.
fn subset(choice: &Value) -> Option<&Value> {
    let nested = &choice["allowed_tools"];
    (choice["type"] == "allowed_tools").then_some(if nested.is_object() { nested } else { choice })
}

fn name_of(choice: &Value) -> Option<String> {
    let names = [
        &choice["name"],
        &choice["function"]["name"],
        &choice["custom"]["name"],
    ];
    names.into_iter().find_map(Value::as_str).map(str::to_owned)
}

/// What a content has beside text, in words: the kind of each part and what tells it from others.
pub(crate) fn attachments(content: &Value) -> Vec<String> {
    let parts = content.as_array().into_iter().flatten();
    parts.filter_map(attachment).collect()
}

fn attachment(part: &Value) -> Option<String> {
    let inner = |name: &str, field: &str| {
        let nested = part[name][field].as_str();
        nested.or_else(|| part[name].as_str()).map(str::to_owned)
    };
    let file = |field: &str| {
        part[field]
            .as_str()
            .or_else(|| part["file"][field].as_str())
    };
    let (kind, which) = match part["type"].as_str()? {
        "image_url" | "input_image" => ("image", inner("image_url", "url")),
        "input_audio" => ("audio", inner("input_audio", "format")),
        "file" | "input_file" => {
            let names = ["filename", "file_id", "file_url"];
            ("file", names.into_iter().find_map(file).map(str::to_owned))
        }
        _ => return None,
    };
    let shown: String = which.unwrap_or_default().chars().take(40).collect();
    Some(format!("{kind} {shown}").trim_end().to_owned())
}

/// The text of a content that is a string or a list of parts.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<_> = parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect();
            texts.join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A tool of the chat form (`{"type":"function","function":{…}}`) in the flat one.
pub(crate) fn flat(tool: &Value) -> Value {
    let kind = tool["type"].as_str().unwrap_or("function");
    let mut flat = tool[kind].clone();
    if flat.is_object() {
        flat["type"] = Value::from(kind);
    }
    flat
}

impl Tool {
    /// The tools of a list in the flat form.
    pub(crate) fn read(list: &Value) -> Vec<Self> {
        tools(list, None)
    }
}

/// A limit in a body.
pub(crate) fn number(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// Four bytes to a token, a little for each item: nobody shall rely on it.
pub(crate) fn estimated_tokens(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len().div_ceil(4),
        Value::Array(items) => items.iter().map(|item| 2 + estimated_tokens(item)).sum(),
        Value::Object(fields) => fields.values().map(estimated_tokens).sum(),
        _ => 0,
    }
}
