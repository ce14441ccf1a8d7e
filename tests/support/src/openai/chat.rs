//! `POST /v1/chat/completions`, streamed and not.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::responses::set_headers;
use super::{ApiError, body_with_model, chat_stream, organization};
use crate::answers::{answer, set};
use crate::intake::Call;
use crate::model::{
    Ending, Format, Item, Numbered, Prompt, Script, Tool, allowed, attachments, estimated_tokens,
    flat, number, text_of, tool_choice,
};
use crate::responses::{Problem, streamed};
use crate::shared::Shared;

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    match accepted(&shared, &call) {
        Ok(organization) => reply(&shared, &call, &organization),
        Err(error) => error.into_response(),
    }
}

fn accepted(shared: &Shared, call: &Call) -> Result<String, ApiError> {
    let organization = organization(shared, call)?;
    let body = body_with_model(call)?;
    let Some(messages) = body["messages"].as_array() else {
        return Err(Problem::missing("messages").into());
    };
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, \
                       but got an empty array instead.";
        return Err(ApiError::bad_request(
            message,
            Some("messages"),
            Some("empty_array"),
        ));
    }
    for (index, message) in messages.iter().enumerate() {
        check_message(message, index, &messages[..index])?;
    }
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if !flat(tool)["name"].is_string() {
            return Err(Problem::missing(&format!("tools[{index}].function")).into());
        }
    }
    Ok(organization)
}

fn check_message(message: &Value, index: usize, before: &[Value]) -> Result<(), ApiError> {
    let param = format!("messages[{index}].role");
    match message["role"].as_str() {
        None => Err(Problem::missing(&param).into()),
        Some("tool") if !answers_a_call(message, before) => {
            let message = "Invalid parameter: messages with role 'tool' must be a response to a \
                           preceeding message with 'tool_calls'.";
            Err(ApiError::bad_request(message, Some(&param), None))
        }
        Some("system" | "developer" | "user" | "assistant" | "tool" | "function") => Ok(()),
        Some(role) => Err(Problem::invalid(role, &param).into()),
    }
}

fn answers_a_call(message: &Value, before: &[Value]) -> bool {
    let calls = before
        .iter()
        .filter_map(|message| message["tool_calls"].as_array())
        .flatten();
    calls
        .into_iter()
        .any(|call| call["id"] == message["tool_call_id"])
}

/// One completion, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Completion {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) model: Value,
    pub(super) service_tier: String,
    pub(super) items: Vec<Numbered>,
    pub(super) ending: Ending,
    pub(super) usage: Value,
    pub(super) choices: usize,
    /// Whether a call is told as `function_call`.
    pub(super) legacy: bool,
}

impl Completion {
    fn new(shared: &Shared, call: &Call) -> Self {
        let body: &Value = &call.json;
        let prompt = prompt(body);
        let mut script = Script::new(&prompt, &shared.settings, call.fault.as_ref());
        let stops = stops(&body["stop"]);
        script
            .items
            .iter_mut()
            .for_each(|item| item.stop_at(&stops));
        let serial = shared.next_serial();
        let choices = number(&body["n"]).unwrap_or(1).clamp(1, 128);
        Self {
            id: format!("chatcmpl-{serial:032x}"),
            created: jiff::Timestamp::now().as_second(),
            model: body["model"].clone(),
            service_tier: service_tier(body),
            usage: usage(&prompt, &script, choices),
            items: numbered(script.items, serial),
            ending: script.ending,
            choices,
            legacy: is_legacy(body),
        }
    }

    pub(super) fn finish_reason(&self) -> &'static str {
        let calls = self.items.iter().any(|n| tool_call(n).is_some());
        match &self.ending {
            Ending::Incomplete(reason) if reason == "content_filter" => "content_filter",
            Ending::Incomplete(_) => "length",
            _ if calls && self.legacy => "function_call",
            _ if calls => "tool_calls",
            _ => "stop",
        }
    }

    /// The status of a failure before there is any answer: also a stream has not begun then.
    fn refusal(&self, streamed: bool) -> Option<ApiError> {
        let Ending::Failed { code, message } = &self.ending else {
            return None;
        };
        let status = match code.as_str() {
            "rate_limit_exceeded" => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let begun = streamed && !self.items.is_empty();
        (!begun).then(|| ApiError::new(status, message, None, Some(code)))
    }

    fn whole(&self) -> Value {
        let choice = |index| {
            json!({
                "index": index, "message": self.message(), "logprobs": null,
                "finish_reason": self.finish_reason(),
            })
        };
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created,
            "model": self.model, "choices": (0..self.choices).map(choice).collect::<Vec<_>>(),
            "usage": self.usage, "service_tier": self.service_tier, "system_fingerprint": null,
        })
    }

    fn message(&self) -> Value {
        let mut message = json!({
            "role": "assistant", "content": null, "refusal": null, "annotations": [],
        });
        for numbered in &self.items {
            match &numbered.item {
                Item::Message { text, annotations } => {
                    message["content"] = json!(text.full());
                    message["annotations"] = annotations.iter().map(chat_annotation).collect();
                }
                Item::Refusal(text) => message["refusal"] = json!(text),
                _ => {}
            }
        }
        let calls: Vec<_> = self.items.iter().filter_map(tool_call).collect();
        match calls.first() {
            Some(call) if self.legacy => message["function_call"] = call["function"].clone(),
            Some(_) => message["tool_calls"] = Value::Array(calls),
            None => {}
        }
        message
    }
}

/// A call in the form of chat, or nothing if the item is none.
pub(super) fn tool_call(numbered: &Numbered) -> Option<Value> {
    let (kind, inside) = match &numbered.item {
        Item::FunctionCall {
            name, arguments, ..
        } => ("function", json!({"name": name, "arguments": arguments})),
        Item::CustomToolCall { name, input, .. } => {
            ("custom", json!({"name": name, "input": input}))
        }
        _ => return None,
    };
    let mut call = Map::new();
    call.insert("id".to_owned(), json!(numbered.call_id()));
    call.insert("type".to_owned(), json!(kind));
    call.insert(kind.to_owned(), inside);
    Some(Value::Object(call))
}

/// Chat nests what Responses has flat.
pub(super) fn chat_annotation(annotation: &Value) -> Value {
    let mut inside = annotation.clone();
    if let Some(fields) = inside.as_object_mut() {
        fields.remove("type");
    }
    json!({"type": "url_citation", "url_citation": inside})
}

fn reply(shared: &Arc<Shared>, call: &Call, organization: &str) -> Response {
    let completion = Completion::new(shared, call);
    let stream = call.json["stream"] == Value::Bool(true);
    let mut response = if let Some(error) = completion.refusal(stream) {
        error.into_response()
    } else if stream {
        let with_usage = call.json["stream_options"]["include_usage"] == Value::Bool(true);
        let mut response = streamed(shared, call, chat_stream::chunks(completion, with_usage));
        set(
            &mut response,
            "content-type",
            "text/event-stream; charset=utf-8",
        );
        response
    } else {
        answer(StatusCode::OK, &completion.whole())
    };
    set_headers(&mut response, shared, organization);
    response
}

fn numbered(items: Vec<Item>, serial: u64) -> Vec<Numbered> {
    let number = |(index, item)| Numbered {
        item,
        serial,
        index,
        sealed: None,
    };
    items.into_iter().enumerate().map(number).collect()
}

/// The tier that serves: the one that was asked for, if one was.
fn service_tier(body: &Value) -> String {
    let tier = body["service_tier"].as_str().filter(|tier| *tier != "auto");
    tier.unwrap_or("default").to_owned()
}

fn stops(stop: &Value) -> Vec<String> {
    match stop {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several
            .iter()
            .filter_map(|stop| stop.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a call is to be told in the legacy form, which has room for one.
fn is_legacy(body: &Value) -> bool {
    body["functions"].is_array() && body["tools"].is_null()
}

/// The prompt in a chat body.
fn prompt(body: &Value) -> Prompt {
    let messages = body["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let user = messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user");
    let is_tool = |message: &&Value| message["role"] == "tool" || message["role"] == "function";
    let mut outputs: Vec<_> = messages
        .iter()
        .rev()
        .take_while(is_tool)
        .map(|m| text_of(&m["content"]))
        .collect();
    outputs.reverse();
    let list = |name: &str| body[name].as_array().into_iter().flatten();
    let functions =
        list("functions").map(|function| json!({"type": "function", "function": function}));
    let tools: Value = list("tools")
        .cloned()
        .chain(functions)
        .map(|tool| flat(&tool))
        .collect();
    let choice = [&body["tool_choice"], &body["function_call"]];
    let choice = choice
        .into_iter()
        .find(|choice| !choice.is_null())
        .unwrap_or(&Value::Null);
    let limit = [&body["max_completion_tokens"], &body["max_tokens"]];
    Prompt {
        last_user_text: user
            .map(|message| text_of(&message["content"]))
            .unwrap_or_default(),
        attachments: user
            .map(|message| attachments(&message["content"]))
            .unwrap_or_default(),
        tool_outputs: outputs,
        tools: allowed(Tool::read(&tools), choice),
        tool_choice: tool_choice(choice),
        parallel: body["parallel_tool_calls"] != false && !is_legacy(body),
        format: Format::read(&body["response_format"]),
        max_output_tokens: limit.into_iter().find_map(number),
        compaction: false,
        input_tokens: estimated_tokens(&body["messages"]),
    }
}

fn usage(prompt: &Prompt, script: &Script, choices: usize) -> Value {
    let completion_tokens = script.output_tokens() * choices;
    json!({
        "prompt_tokens": prompt.input_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt.input_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": script.reasoning_tokens(), "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}
