//! What the Responses API answers with, read leniently: a field of another type is a missing field.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    error::{ApiError, Origin},
    json::{Escaped, JsonStr, lenient},
};

crate::json::never_shown!(Response<'a>, Item<'a>, Part<'a>, Failure<'a>);

/// A response object, as far as it is looked at.
#[derive(Clone, Copy, Default, Deserialize)]
pub struct Response<'a> {
    /// The model that answers.
    #[serde(borrow)]
    pub model: Option<&'a RawValue>,
    /// The output items; the ChatGPT backend leaves them out (wire reference 5.6).
    #[serde(borrow)]
    pub output: Option<&'a RawValue>,
    /// Tokens counted.
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    /// What went wrong.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    /// Why it is incomplete.
    #[serde(borrow)]
    pub incomplete_details: Option<&'a RawValue>,
    /// How fast it was served; `auto` until that is known.
    #[serde(borrow)]
    pub service_tier: Option<&'a RawValue>,
}

impl<'a> Response<'a> {
    /// The model that answers.
    #[must_use]
    pub fn model(&self) -> Option<Escaped<'a>> {
        text(self.model)
    }

    /// How fast it was served, such as `default` or `priority`.
    #[must_use]
    pub fn service_tier(&self) -> Option<Escaped<'a>> {
        text(self.service_tier)
    }

    /// The output items, as they stand.
    #[must_use]
    pub fn items(&self) -> Vec<&'a RawValue> {
        self.output.and_then(lenient).unwrap_or_default()
    }

    /// Tokens counted, where they were.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage.and_then(lenient)
    }

    /// `incomplete_details.reason`, such as `max_output_tokens`.
    #[must_use]
    pub fn incomplete_reason(&self) -> Option<Escaped<'a>> {
        #[derive(Deserialize)]
        struct Details<'a> {
            #[serde(borrow)]
            reason: JsonStr<'a>,
        }

        let details: Details = self.incomplete_details.and_then(lenient)?;
        Some(details.reason.escaped())
    }
}

/// Tokens counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Of these, from the cache.
    pub input_tokens_details: Option<InputDetails>,
    /// Tokens written, those of reasoning included.
    pub output_tokens: u64,
    /// Of these, for reasoning.
    pub output_tokens_details: Option<OutputDetails>,
    /// Both together.
    pub total_tokens: Option<u64>,
}

/// Detail of the tokens read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InputDetails {
    /// Tokens that came from the cache.
    pub cached_tokens: u64,
}

/// Detail of the tokens written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OutputDetails {
    /// Tokens spent on reasoning.
    pub reasoning_tokens: u64,
}

/// An output item, as far as it is looked at.
#[derive(Clone, Copy, Deserialize)]
pub struct Item<'a> {
    /// `message`, `function_call`, `reasoning` …
    #[serde(borrow, rename = "type")]
    pub kind: JsonStr<'a>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
}

/// What an item of the output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Text, or a refusal.
    Message,
    /// Reasoning.
    Reasoning,
    /// A call of a function or custom tool, which the client is to answer.
    Call,
    /// Anything else, such as a search that the upstream did itself.
    Other,
}

impl<'a> Item<'a> {
    /// What it is for.
    #[must_use]
    pub fn family(&self) -> Family {
        match self.kind.decode().as_ref() {
            "message" => Family::Message,
            "reasoning" => Family::Reasoning,
            "function_call" | "custom_tool_call" => Family::Call,
            _ => Family::Other,
        }
    }

    /// Reads an item; nothing if it has no type.
    #[must_use]
    pub fn parse(raw: &'a RawValue) -> Option<Self> {
        lenient(raw)
    }

    /// Id of the item.
    #[must_use]
    pub fn id(&self) -> Option<Escaped<'a>> {
        text(self.id)
    }

    /// Id of a tool call: `call_id`, else the item's own id.
    #[must_use]
    pub fn call_id(&self) -> Option<Escaped<'a>> {
        text(self.call_id).or(self.id())
    }

    /// Name of the tool called.
    #[must_use]
    pub fn name(&self) -> Option<Escaped<'a>> {
        text(self.name)
    }

    /// Arguments of a function call, input of a custom one.
    #[must_use]
    pub fn arguments(&self) -> Option<Escaped<'a>> {
        text(self.arguments).or(text(self.input))
    }

    /// The parts of a message or of shown reasoning.
    #[must_use]
    pub fn content(&self) -> Vec<Part<'a>> {
        parts(self.content)
    }

    /// The paragraphs of a reasoning summary.
    #[must_use]
    pub fn summary(&self) -> Vec<Part<'a>> {
        parts(self.summary)
    }
}

/// A part of a message, or a paragraph of reasoning.
#[derive(Clone, Copy, Deserialize)]
pub struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
}

impl<'a> Part<'a> {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> Option<Escaped<'a>> {
        text(self.text)
    }

    /// Its refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<Escaped<'a>> {
        text(self.refusal)
    }

    /// Its annotations, as they stand.
    #[must_use]
    pub fn annotations(&self) -> Vec<&'a RawValue> {
        self.annotations.and_then(lenient).unwrap_or_default()
    }
}

fn text(value: Option<&RawValue>) -> Option<Escaped<'_>> {
    value.and_then(JsonStr::new).map(JsonStr::escaped)
}

fn parts(list: Option<&RawValue>) -> Vec<Part<'_>> {
    let values: Vec<&RawValue> = list.and_then(lenient).unwrap_or_default();
    values.into_iter().filter_map(lenient).collect()
}

/// What the upstream said went wrong.
#[derive(Clone, Copy, Default, Deserialize)]
pub struct Failure<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    param: Option<&'a RawValue>,
    #[serde(borrow)]
    resets_in_seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    resets_at: Option<&'a RawValue>,
}

impl<'a> Failure<'a> {
    /// Reads an `error` event, whose fields stand in `error` or at the top.
    #[must_use]
    pub(crate) fn of_error_event(data: &'a [u8]) -> Self {
        #[derive(Deserialize)]
        struct Nested<'a> {
            #[serde(borrow)]
            error: Option<&'a RawValue>,
        }

        let nested = serde_json::from_slice::<Nested<'a>>(data).ok();
        if let Some(inner) = nested.and_then(|nested| nested.error).and_then(lenient) {
            return inner;
        }
        let flat: Self = serde_json::from_slice(data).unwrap_or_default();
        // At the top, `type` is the event's own.
        Self { kind: None, ..flat }
    }

    /// The error as the client will see it: the upstream's code and words, and the status that it
    /// would have had as a plain answer.
    #[must_use]
    pub fn to_error(&self) -> ApiError {
        let code = decoded(self.code).or_else(|| decoded(self.kind));
        let status = status_of(code.as_deref().unwrap_or_default());
        let message = decoded(self.message)
            .unwrap_or_else(|| "the upstream ended the answer with an error; try again".into());
        ApiError {
            status,
            origin: Origin::Upstream,
            kind: decoded(self.kind).unwrap_or_else(|| kind_of(status).into()),
            retry_after_seconds: self.retry_after_seconds(&message),
            resets_at: self.resets_at.and_then(lenient),
            code,
            param: decoded(self.param),
            message,
        }
    }

    fn retry_after_seconds(&self, message: &str) -> Option<u32> {
        (self.resets_in_seconds.and_then(lenient)).or_else(|| named_delay_seconds(message))
    }
}

fn decoded(value: Option<&RawValue>) -> Option<String> {
    let text = value.and_then(JsonStr::new)?.decode();
    (!text.is_empty()).then(|| text.into_owned())
}

/// *Source:* wire reference 6.2.
fn status_of(code: &str) -> StatusCode {
    match code {
        "rate_limit_exceeded"
        | "usage_limit_reached"
        | "usage_not_included"
        | "insufficient_quota" => StatusCode::TOO_MANY_REQUESTS,
        "context_length_exceeded"
        | "invalid_prompt"
        | "bio_policy"
        | "cyber_policy"
        | "invalid_encrypted_content"
        | "invalid_request_error"
        | "invalid_image"
        | "invalid_value"
        | "unsupported_value"
        | "unsupported_parameter" => StatusCode::BAD_REQUEST,
        "server_is_overloaded" | "slow_down" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    }
}

fn kind_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::BAD_REQUEST => "invalid_request_error",
        _ => "upstream_error",
    }
}

/// The time in `try again in 1.5s`, `250ms` or `2 seconds`, rounded up. *Source:* wire reference 6.2.
fn named_delay_seconds(message: &str) -> Option<u32> {
    let rest = &message[message.find("try again in ")? + "try again in ".len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let unit = rest[end..].trim_start();
    let divisor = if unit.starts_with("ms") { 1000.0 } else { 1.0 };
    let delay = Duration::try_from_secs_f64(rest[..end].parse::<f64>().ok()? / divisor).ok()?;
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    seconds.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_status_of_a_plain_answer() {
        let table = [
            ("rate_limit_exceeded", 429),
            ("usage_limit_reached", 429),
            ("context_length_exceeded", 400),
            ("server_is_overloaded", 503),
            ("something_new", 502),
        ];
        for (code, status) in table {
            let data = format!(r#"{{"code":"{code}","message":"words"}}"#);
            let failure: Failure = serde_json::from_str(&data).unwrap();
            let error = failure.to_error();
            assert_eq!(
                (error.status.as_u16(), error.code.as_deref()),
                (status, Some(code))
            );
            assert_eq!(error.message, "words");
        }
    }

    #[test]
    fn the_reset_of_a_limit_is_passed_on() {
        let data = r#"{"type":"usage_limit_reached","message":"words","resets_at":1795412731}"#;
        let failure: Failure = serde_json::from_str(data).unwrap();
        let json = failure.to_error().to_json();
        assert_eq!(json["error"]["resets_at"], 1_795_412_731);
        assert_eq!(json["error"]["code"], "usage_limit_reached");
    }

    #[test]
    fn an_error_event_is_read_in_both_its_forms() {
        let flat = br#"{"type":"error","code":"slow_down","message":"a"}"#;
        let nested = br#"{"type":"error","error":{"type":"slow_down","message":"a"}}"#;
        for data in [&flat[..], nested] {
            assert_eq!(
                Failure::of_error_event(data).to_error().status.as_u16(),
                503
            );
        }
    }

    #[test]
    fn the_time_a_message_names_is_passed_on() {
        let table = [
            ("Please try again in 1.5s.", Some(2)),
            ("try again in 250ms", Some(1)),
            ("try again in 2 seconds", Some(2)),
            ("try again later", None),
            ("try again in ", None),
            ("try again in 1.2.3s", None),
        ];
        for (message, seconds) in table {
            assert_eq!(named_delay_seconds(message), seconds, "{message}");
        }
    }
}
