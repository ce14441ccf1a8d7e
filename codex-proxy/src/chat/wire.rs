//! How a chat completion looks on the wire: chunks and the whole object, written without a tree.

use std::{fmt::Write as _, io::Write as _};

use bytes::{BufMut, BytesMut};

use super::{
    request::AnswerOptions,
    stream::{Delta, FinishReason, url_citation},
};
use crate::{
    error::ApiError,
    json::{Escaped, EscapedBuf},
    responses::wire::Usage,
};

crate::json::never_shown!(Completion);

/// What stays the same over one answer.
#[derive(Debug, Clone)]
pub struct Identity {
    /// `chatcmpl-…`
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
}

impl Identity {
    /// A new answer, now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            id: format!("chatcmpl-{}", uuid::Uuid::new_v4().simple()),
            created: jiff::Timestamp::now().as_second(),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes deltas as chunks of one answer.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    identity: Identity,
    model: String,
    include_usage: bool,
    legacy_functions: bool,
    /// Citations, until the end: the libraries of OpenAI cannot add to a list of them.
    citations: Vec<Vec<u8>>,
    /// `data: {"id":…,"created":…,"model":…` written once the model is known.
    prefix: Vec<u8>,
    /// `,"service_tier":"…"` once it is known, for the chunks from then on.
    tier: String,
}

impl ChunkWriter {
    pub(crate) fn new(identity: Identity, options: &AnswerOptions) -> Self {
        Self {
            identity,
            model: options.model.clone(),
            include_usage: options.include_usage,
            legacy_functions: options.legacy_functions,
            citations: Vec::new(),
            prefix: Vec::new(),
            tier: String::new(),
        }
    }

    pub(crate) fn write(&mut self, delta: &Delta<'_>, out: &mut BytesMut) {
        match delta {
            Delta::Start { model } => {
                self.set_prefix(*model);
                self.text(
                    out,
                    r#"{"role":"assistant","content":""#,
                    Escaped::default(),
                );
            }
            Delta::Content(text) => self.text(out, r#"{"content":""#, *text),
            Delta::Refusal(text) => self.text(out, r#"{"refusal":""#, *text),
            Delta::Reasoning(text) => self.text(out, r#"{"reasoning_content":""#, *text),
            Delta::ToolCall {
                index,
                custom,
                id,
                name,
            } => self.tool_call(out, *index, *custom, *id, *name),
            Delta::Arguments {
                index,
                custom,
                text,
            } => self.arguments(out, *index, *custom, *text),
            Delta::Annotation(annotation) => self.citations.extend(url_citation(annotation)),
            Delta::Tier(tier) => self.tier = tier_field(*tier),
            Delta::Finish(reason) => {
                self.citations(out);
                let reason = finish_reason(*reason, self.legacy_functions);
                self.choice(out, Some(reason), |out| out.put_slice(b"{}"));
            }
            Delta::Usage(usage) => self.usage(out, usage),
        }
    }

    fn set_prefix(&mut self, model: Option<Escaped<'_>>) {
        let own = EscapedBuf::new(&self.model);
        let model = model.unwrap_or(own.as_escaped());
        self.prefix = [
            r#"data: {"id":""#,
            &self.identity.id,
            r#"","object":"chat.completion.chunk","created":"#,
            &self.identity.created.to_string(),
            r#","model":""#,
            model.as_str(),
            r#"","choices":["#,
        ]
        .concat()
        .into_bytes();
    }

    fn text(&self, out: &mut BytesMut, begin: &str, text: Escaped<'_>) {
        out.reserve(self.prefix.len() + text.as_str().len() + 160);
        self.choice(out, None, |out| {
            out.put_slice(begin.as_bytes());
            out.put_slice(text.as_str().as_bytes());
            out.put_slice(b"\"}");
        });
    }

    fn tool_call(
        &self,
        out: &mut BytesMut,
        index: usize,
        custom: bool,
        id: Escaped<'_>,
        name: Escaped<'_>,
    ) {
        let (id, name) = (id.as_str(), name.as_str());
        let (kind, input) = kind_of_call(custom);
        let delta = if self.legacy_functions {
            format!(r#"{{"function_call":{{"name":"{name}","arguments":""}}}}"#)
        } else {
            format!(
                r#"{{"tool_calls":[{{"index":{index},"id":"{id}","type":"{kind}","{kind}":{{"name":"{name}","{input}":""}}}}]}}"#
            )
        };
        if !self.legacy_functions || index == 0 {
            self.choice(out, None, |out| out.put_slice(delta.as_bytes()));
        }
    }

    fn arguments(&self, out: &mut BytesMut, index: usize, custom: bool, text: Escaped<'_>) {
        let (kind, input) = kind_of_call(custom);
        if self.legacy_functions {
            // The legacy form has room for one call.
            if index == 0 {
                let text = text.as_str();
                let delta = format!(r#"{{"function_call":{{"arguments":"{text}"}}}}"#);
                self.choice(out, None, |out| out.put_slice(delta.as_bytes()));
            }
            return;
        }
        out.reserve(self.prefix.len() + text.as_str().len() + 200);
        self.choice(out, None, |out| {
            // Writing into memory cannot fail.
            let mut writer = out.writer();
            let _ = write!(
                writer,
                r#"{{"tool_calls":[{{"index":{index},"{kind}":{{"{input}":""#
            );
            out.put_slice(text.as_str().as_bytes());
            out.put_slice(br#""}}]}"#);
        });
    }

    fn choice(
        &self,
        out: &mut BytesMut,
        finish_reason: Option<&str>,
        delta: impl FnOnce(&mut BytesMut),
    ) {
        out.put_slice(&self.prefix);
        out.put_slice(br#"{"index":0,"delta":"#);
        delta(out);
        out.put_slice(br#","logprobs":null,"finish_reason":"#);
        match finish_reason {
            Some(reason) => {
                out.put_u8(b'"');
                out.put_slice(reason.as_bytes());
                out.put_slice(b"\"}]");
            }
            None => out.put_slice(b"null}]"),
        }
        out.put_slice(self.tier.as_bytes());
        if self.include_usage {
            out.put_slice(br#","usage":null"#);
        }
        out.put_slice(b"}\n\n");
    }

    fn citations(&mut self, out: &mut BytesMut) {
        let citations = std::mem::take(&mut self.citations);
        if !citations.is_empty() {
            let list = citations.join(&b","[..]);
            let delta = [br#"{"annotations":["#, list.as_slice(), b"]}"].concat();
            self.choice(out, None, |out| out.put_slice(&delta));
        }
    }

    fn usage(&self, out: &mut BytesMut, usage: &Usage) {
        if self.include_usage {
            out.put_slice(&self.prefix);
            out.put_u8(b']');
            out.put_slice(self.tier.as_bytes());
            out.put_slice(br#","usage":"#);
            out.put_slice(usage_json(usage).as_bytes());
            out.put_slice(b"}\n\n");
        }
    }
}

fn kind_of_call(custom: bool) -> (&'static str, &'static str) {
    if custom {
        ("custom", "input")
    } else {
        ("function", "arguments")
    }
}

fn tier_field(tier: Escaped<'_>) -> String {
    format!(r#","service_tier":"{}""#, tier.as_str())
}

fn finish_reason(reason: FinishReason, legacy_functions: bool) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::ToolCalls if legacy_functions => "function_call",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
    }
}

pub(crate) fn usage_json(usage: &Usage) -> String {
    let cached = usage.input_tokens_details.unwrap_or_default().cached_tokens;
    let reasoning = usage
        .output_tokens_details
        .unwrap_or_default()
        .reasoning_tokens;
    let (input, output) = (usage.input_tokens, usage.output_tokens);
    let total = usage.total_tokens.unwrap_or(input.saturating_add(output));
    format!(
        r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":{reasoning},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
    )
}

/// Writes the clean end of a stream.
pub(crate) fn write_done(out: &mut BytesMut) {
    out.put_slice(b"data: [DONE]\n\n");
}

/// Writes an error in a stream.
pub(crate) fn write_error(error: &ApiError, out: &mut BytesMut) {
    out.put_slice(b"data: ");
    out.put_slice(error.to_json().to_string().as_bytes());
    out.put_slice(b"\n\n");
}

/// Gathers deltas into one object.
#[derive(Default)]
pub(crate) struct Completion {
    model: Option<String>,
    content: Option<String>,
    refusal: Option<String>,
    reasoning: Option<String>,
    calls: Vec<Call>,
    annotations: Vec<Vec<u8>>,
    /// `,"service_tier":"…"`, or nothing.
    tier: String,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
}

/// Texts are escaped, as they came.
struct Call {
    custom: bool,
    id: String,
    name: String,
    arguments: String,
}

impl Completion {
    pub(crate) fn add(&mut self, delta: &Delta<'_>) {
        match delta {
            Delta::Start { model } => self.model = model.map(|model| model.as_str().into()),
            Delta::Content(text) => append(&mut self.content, *text),
            Delta::Refusal(text) => append(&mut self.refusal, *text),
            Delta::Reasoning(text) => append(&mut self.reasoning, *text),
            Delta::ToolCall {
                custom, id, name, ..
            } => self.calls.push(Call {
                custom: *custom,
                id: id.as_str().into(),
                name: name.as_str().into(),
                arguments: String::new(),
            }),
            Delta::Arguments { index, text, .. } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.arguments.push_str(text.as_str());
                }
            }
            Delta::Annotation(annotation) => self.annotations.extend(url_citation(annotation)),
            Delta::Tier(tier) => self.tier = tier_field(*tier),
            Delta::Finish(reason) => self.finish = Some(*reason),
            Delta::Usage(usage) => self.usage = Some(*usage),
        }
    }

    pub(crate) fn write(&self, identity: &Identity, options: &AnswerOptions) -> Vec<u8> {
        let own = EscapedBuf::new(&options.model);
        let model = self.model.as_deref().unwrap_or(own.as_escaped().as_str());
        let Identity { id, created } = identity;
        let finish = finish_reason(
            self.finish.unwrap_or(FinishReason::Stop),
            options.legacy_functions,
        );
        let message = self.message(options.legacy_functions);
        let tier = &self.tier;
        let usage = self
            .usage
            .map(|usage| format!(r#","usage":{}"#, usage_json(&usage)));
        let usage = usage.unwrap_or_default();
        format!(
            r#"{{"id":"{id}","object":"chat.completion","created":{created},"model":"{model}","choices":[{{"index":0,"message":{message},"logprobs":null,"finish_reason":"{finish}"}}]{tier}{usage}}}"#
        )
        .into_bytes()
    }

    fn message(&self, legacy_functions: bool) -> String {
        let mut message = String::from(r#"{"role":"assistant","content":"#);
        push_text(&mut message, self.content.as_deref());
        message.push_str(r#","refusal":"#);
        push_text(&mut message, self.refusal.as_deref());
        if self.reasoning.is_some() {
            message.push_str(r#","reasoning_content":"#);
            push_text(&mut message, self.reasoning.as_deref());
        }
        match self.calls.first() {
            Some(Call {
                name, arguments, ..
            }) if legacy_functions => {
                let _ = write!(
                    message,
                    r#","function_call":{{"name":"{name}","arguments":"{arguments}"}}"#
                );
            }
            Some(_) => push_list(
                &mut message,
                "tool_calls",
                self.calls.iter().map(Call::json),
            ),
            None => {}
        }
        if !self.annotations.is_empty() {
            let texts = self
                .annotations
                .iter()
                .map(|json| String::from_utf8_lossy(json).into());
            push_list(&mut message, "annotations", texts);
        }
        message.push('}');
        message
    }
}

impl Call {
    fn json(&self) -> String {
        let (kind, input) = kind_of_call(self.custom);
        let Self {
            id,
            name,
            arguments,
            ..
        } = self;
        format!(
            r#"{{"id":"{id}","type":"{kind}","{kind}":{{"name":"{name}","{input}":"{arguments}"}}}}"#
        )
    }
}

fn append(to: &mut Option<String>, text: Escaped<'_>) {
    to.get_or_insert_default().push_str(text.as_str());
}

fn push_text(json: &mut String, text: Option<&str>) {
    match text {
        Some(text) => json.extend(["\"", text, "\""]),
        None => json.push_str("null"),
    }
}

fn push_list(json: &mut String, name: &str, values: impl Iterator<Item = String>) {
    let values: Vec<String> = values.collect();
    json.extend([",\"", name, "\":[", &values.join(","), "]"]);
}
