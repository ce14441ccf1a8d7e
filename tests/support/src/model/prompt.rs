//! What the model looks at, whichever protocol it came in.

use serde_json::Value;

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
    /// JSON of this form, if it is one.
    pub(super) fn sample(&self) -> Option<String> {
        match self {
            Self::Text => None,
            Self::JsonObject => Some(r#"{"answer":"example"}"#.to_owned()),
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

/// A prompt.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) last_user_text: String,
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
        let input = body["input"].as_str().map(str::to_owned);
        Self {
            last_user_text: input.or(said).unwrap_or_default(),
            tool_outputs: outputs(items),
            tools: offered(body, items),
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
    match choice.as_str() {
        Some("none") => ToolChoice::None,
        Some("required") => ToolChoice::Required,
        Some(_) => ToolChoice::Auto,
        None => {
            let name = [
                &choice["name"],
                &choice["function"]["name"],
                &choice["custom"]["name"],
            ]
            .into_iter()
            .find_map(Value::as_str);
            name.map_or(ToolChoice::Auto, |name| ToolChoice::Named(name.to_owned()))
        }
    }
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
