//! A chat completion request as a Responses request.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{ReasoningFormat, messages, parameters, stream::Limits, tools};
use crate::{
    error::ApiError,
    json::{JsonStr, Object, lenient},
};

crate::json::never_shown!(Translated);

/// A translated request.
#[derive(Clone)]
pub struct Translated {
    /// The body of the Responses request.
    pub body: Vec<u8>,
    /// How its answer is to be given.
    pub answer: AnswerOptions,
    /// The parameters that were left out.
    pub dropped: Vec<String>,
}

/// What a request says about how its answer is to be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerOptions {
    /// The model's name as the client gave it.
    pub model: String,
    /// Chunks as they come, or one object.
    pub stream: bool,
    /// A last chunk with the tokens counted.
    pub include_usage: bool,
    /// `function_call` instead of `tool_calls`, for clients of the legacy `functions`.
    pub legacy_functions: bool,
    /// Where the text ends before the upstream ends it.
    pub limits: Limits,
}

/// The fields of the Responses request, in the order in which Codex sends them.
#[derive(Serialize)]
struct ResponsesRequest<'a> {
    model: JsonStr<'a>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    instructions: &'static str,
    input: Vec<messages::InputItem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<tools::Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<tools::Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning<'a>>,
    store: bool,
    include: [&'static str; 1],
    prompt_cache_key: Key<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
}

#[derive(Serialize)]
struct Reasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<Effort<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Effort<'a>>,
}

/// A word of the client's, or one of ours in its place.
#[derive(Serialize, Clone, Copy)]
#[serde(untagged)]
enum Effort<'a> {
    Ours(&'static str),
    Theirs(JsonStr<'a>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Key<'a> {
    Derived(String),
    Given(JsonStr<'a>),
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<JsonStr<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<tools::Format<'a>>,
}

/// Translates the body of a chat completion request.
///
/// # Errors
/// 400, naming the part of the request that cannot be understood or served. No error text quotes
/// the request.
pub fn translate(body: &[u8], reasoning: ReasoningFormat) -> Result<Translated, ApiError> {
    let request = parse(body)?;
    let mut dropped = parameters::check(&request)?;
    let messages = messages_of(&request)?;
    let model = required::<JsonStr>(&request, "model")?;
    let (service_tier, tier_dropped) = service_tier(&request)?;
    dropped.extend(tier_dropped.then(|| "service_tier".to_owned()));
    let responses = ResponsesRequest {
        model,
        stream: true,
        service_tier,
        instructions: "",
        input: messages::input(&messages)?,
        tools: tools::tools(&request)?,
        tool_choice: tools::choice(&request)?,
        parallel_tool_calls: parallel_tool_calls(&request)?,
        reasoning: reasoning_of(&request, reasoning)?,
        store: false,
        include: ["reasoning.encrypted_content"],
        prompt_cache_key: cache_key(&request, model, &messages)?,
        text: text(&request)?,
    };
    let mut written = Vec::with_capacity(body.len() + 1024);
    serde_json::to_writer(&mut written, &responses).map_err(|_| not_json())?;
    Ok(Translated {
        body: written,
        answer: answer_options(&request, model)?,
        dropped,
    })
}

fn parse(body: &[u8]) -> Result<Object<'_>, ApiError> {
    let mut request: Object = serde_json::from_slice(body).map_err(|_| not_json())?;
    // Some clients send the field that SDKs unfold.
    if let Some(extra) = request.field("extra_body").and_then(lenient) {
        request.extend_missing(extra);
    }
    Ok(request)
}

pub(crate) fn not_json() -> ApiError {
    ApiError::invalid_request("invalid_json", "the request body is not a JSON object")
}

/// What is wrong with a part of a request, never with a quotation from it.
pub(crate) fn invalid(param: impl Into<String>, expected: &str) -> ApiError {
    let param = param.into();
    let message = format!("`{param}` is not understood: expected {expected}");
    ApiError::invalid_request("invalid_value", message).with_param(param)
}

/// A parameter as a type.
pub(crate) fn optional<'a, T: Deserialize<'a>>(
    request: &Object<'a>,
    name: &str,
    expected: &str,
) -> Result<Option<T>, ApiError> {
    (request.field(name))
        .map(|raw| serde_json::from_str(raw.get()).map_err(|_| invalid(name, expected)))
        .transpose()
}

/// A parameter that must be there.
pub(crate) fn required<'a, T: Deserialize<'a>>(
    request: &Object<'a>,
    name: &str,
) -> Result<T, ApiError> {
    optional(request, name, "a text")?.ok_or_else(|| {
        ApiError::invalid_request(
            "missing_required_parameter",
            format!("`{name}` is required"),
        )
        .with_param(name)
    })
}

fn messages_of<'a>(request: &Object<'a>) -> Result<Vec<&'a RawValue>, ApiError> {
    let messages: Option<Vec<_>> = optional(request, "messages", "a list")?;
    messages
        .filter(|list| !list.is_empty())
        .ok_or_else(|| invalid("messages", "a list of at least one message"))
}

fn parallel_tool_calls(request: &Object<'_>) -> Result<Option<bool>, ApiError> {
    // The legacy form has room for one call.
    if is_legacy(request) {
        return Ok(Some(false));
    }
    optional(request, "parallel_tool_calls", "true or false")
}

fn is_legacy(request: &Object<'_>) -> bool {
    request.field("functions").is_some() && request.field("tools").is_none()
}

/// Codex sends `priority` alone (wire reference 5.4): what asks for the ordinary is left out, what
/// cannot be had is left out and named.
fn service_tier(request: &Object<'_>) -> Result<(Option<&'static str>, bool), ApiError> {
    let tier: Option<JsonStr> = optional(request, "service_tier", "a text")?;
    Ok(match tier.map(JsonStr::decode).as_deref() {
        Some("priority" | "fast") => (Some("priority"), false),
        None | Some("auto" | "default") => (None, false),
        Some(_) => (None, true),
    })
}

fn reasoning_of<'a>(
    request: &Object<'a>,
    format: ReasoningFormat,
) -> Result<Option<Reasoning<'a>>, ApiError> {
    let nested: Object = optional(request, "reasoning", "an object")?.unwrap_or_default();
    let effort: Option<JsonStr> = match request.field("reasoning_effort") {
        Some(_) => optional(request, "reasoning_effort", "a text")?,
        None => optional(&nested, "effort", "a text")?,
    };
    let summary: Option<JsonStr> = optional(&nested, "summary", "a text")?;
    let shown = format != ReasoningFormat::None;
    let reasoning = Reasoning {
        effort: effort.map(accepted_effort),
        summary: summary
            .map(Effort::Theirs)
            .or(shown.then_some(Effort::Ours("auto"))),
    };
    let says_something = reasoning.effort.is_some() || reasoning.summary.is_some();
    Ok(says_something.then_some(reasoning))
}

/// The ChatGPT backend refuses `minimal`. *Source:* wire reference 5.5.
fn accepted_effort(effort: JsonStr<'_>) -> Effort<'_> {
    if effort.is("minimal") {
        Effort::Ours("low")
    } else {
        Effort::Theirs(effort)
    }
}

fn text<'a>(request: &Object<'a>) -> Result<Option<Text<'a>>, ApiError> {
    let text = Text {
        verbosity: optional(request, "verbosity", "a text")?,
        format: tools::format(request)?,
    };
    Ok((text.verbosity.is_some() || text.format.is_some()).then_some(text))
}

/// So much of a message tells it from others: an image need not be hashed to its end.
const HASHED_BYTES: usize = 16 << 10;

/// A key that stays the same as a conversation grows, so that the upstream finds its cache again.
fn cache_key<'a>(
    request: &Object<'a>,
    model: JsonStr<'a>,
    messages: &[&RawValue],
) -> Result<Key<'a>, ApiError> {
    if let Some(given) = optional(request, "prompt_cache_key", "a text")? {
        return Ok(Key::Given(given));
    }
    let mut hash = Sha256::new();
    hash.update(model.escaped().as_str());
    for message in messages::beginning(messages) {
        let text = message.get().as_bytes();
        hash.update(text.len().to_be_bytes());
        hash.update(&text[..text.len().min(HASHED_BYTES)]);
    }
    let digest = u128::from_be_bytes(hash.finalize()[..16].try_into().unwrap_or_default());
    Ok(Key::Derived(format!("{digest:032x}")))
}

pub(crate) fn answer_options(
    request: &Object<'_>,
    model: JsonStr<'_>,
) -> Result<AnswerOptions, ApiError> {
    #[derive(Deserialize, Default)]
    struct StreamOptions {
        include_usage: Option<bool>,
    }

    let stream = optional(request, "stream", "true or false")?.unwrap_or_default();
    let options: StreamOptions =
        optional(request, "stream_options", "an object")?.unwrap_or_default();
    Ok(AnswerOptions {
        model: model.decode().into_owned(),
        stream,
        include_usage: options.include_usage.unwrap_or_default(),
        legacy_functions: is_legacy(request),
        limits: limits(request)?,
    })
}

const MAX_STOP_STRINGS: usize = 4;
const MAX_STOP_BYTES: usize = 4096;

fn limits(request: &Object<'_>) -> Result<Limits, ApiError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stop {
        One(String),
        Several(Vec<String>),
    }

    let stop = match optional(request, "stop", "a text or a list of texts")? {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Several(texts)) => texts,
    };
    if stop.len() > MAX_STOP_STRINGS || stop.iter().any(|text| text.len() > MAX_STOP_BYTES) {
        return Err(invalid("stop", "at most 4 texts of at most 4096 bytes"));
    }
    let max_tokens = match token_limit(request, "max_completion_tokens")? {
        Some(limit) => Some(limit),
        None => token_limit(request, "max_tokens")?,
    };
    Ok(Limits {
        max_tokens,
        stop: stop.into_iter().filter(|text| !text.is_empty()).collect(),
    })
}

/// A limit of tokens, which cannot be none at all.
pub(crate) fn token_limit(request: &Object<'_>, name: &str) -> Result<Option<u64>, ApiError> {
    let limit: Option<u64> = optional(request, name, "a positive whole number")?;
    if limit == Some(0) {
        return Err(invalid(name, "a positive whole number"));
    }
    Ok(limit)
}
