//! `POST /v1/completions`, the legacy form, streamed and not.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{ApiError, body_with_model, check_fields, organization};
use crate::answers::{answer, set};
use crate::intake::Call;
use crate::model::{Ending, Prompt, Script};
use crate::responses::{Problem, streamed};
use crate::shared::Shared;
use crate::sse;

const KNOWN: [&str; 18] = [
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "model",
    "n",
    "presence_penalty",
    "prompt",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
];
/// Of the real server, where the request names no limit.
const DEFAULT_MAX_TOKENS: u64 = 16;

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    match accepted(&shared, &call) {
        Ok(prompt) => reply(&shared, &call, &prompt),
        Err(error) => error.into_response(),
    }
}

/// The one text of the prompt.
fn accepted(shared: &Shared, call: &Call) -> Result<String, ApiError> {
    organization(shared, call)?;
    let body = body_with_model(call)?;
    check_fields(body, &KNOWN)?;
    let prompt = body["prompt"].as_str().or(body["prompt"][0].as_str());
    prompt
        .map(str::to_owned)
        .ok_or_else(|| Problem::missing("prompt").into())
}

fn reply(shared: &Arc<Shared>, call: &Call, prompt: &str) -> Response {
    let completion = Completion::new(shared, call, prompt);
    if call.json["stream"] != true {
        return answer(StatusCode::OK, &completion.whole());
    }
    let with_usage = call.json["stream_options"]["include_usage"] == true;
    let mut response = streamed(shared, call, completion.chunks(with_usage));
    let kind = "text/event-stream; charset=utf-8";
    set(&mut response, "content-type", kind);
    response
}

struct Completion {
    frame: Value,
    pieces: Vec<String>,
    finish_reason: &'static str,
    usage: Value,
}

impl Completion {
    fn new(shared: &Shared, call: &Call, said: &str) -> Self {
        let body = &call.json;
        let limit = body["max_tokens"].as_u64().unwrap_or(DEFAULT_MAX_TOKENS);
        let prompt = Prompt::of_responses(&json!({"input": said, "max_output_tokens": limit}));
        let mut script = Script::new(&prompt, &shared.settings, call.fault.as_ref());
        let stop = texts(&body["stop"]);
        script.items.iter_mut().for_each(|item| item.stop_at(&stop));
        let (input, output) = (prompt.input_tokens, script.output_tokens());
        let echo = (body["echo"] == true).then(|| said.to_owned());
        let text = script.items.into_iter().filter_map(|mut item| {
            let text = item.text_mut()?;
            Some(text.clone().pieces())
        });
        Self {
            frame: json!({
                "id": format!("cmpl-{}", shared.next_serial()), "object": "text_completion",
                "created": jiff::Timestamp::now().as_second(), "model": body["model"],
            }),
            pieces: echo.into_iter().chain(text.flatten()).collect(),
            finish_reason: match script.ending {
                Ending::Incomplete(reason) if reason == "content_filter" => "content_filter",
                Ending::Incomplete(_) => "length",
                _ => "stop",
            },
            usage: json!({
                "prompt_tokens": input, "completion_tokens": output,
                "total_tokens": input + output,
            }),
        }
    }

    fn whole(&self) -> Value {
        let mut whole = self.chunk(&self.pieces.concat(), Some(self.finish_reason));
        whole["usage"] = self.usage.clone();
        whole
    }

    fn chunk(&self, text: &str, finish_reason: Option<&str>) -> Value {
        let mut chunk = self.frame.clone();
        chunk["choices"] = json!([{
            "text": text, "index": 0, "logprobs": null, "finish_reason": finish_reason,
        }]);
        chunk
    }

    fn chunks(self, with_usage: bool) -> impl Iterator<Item = Bytes> + Send + 'static {
        let texts = self.pieces.iter().map(|text| self.chunk(text, None));
        let mut chunks: Vec<Value> = texts.collect();
        chunks.push(self.chunk("", Some(self.finish_reason)));
        if with_usage {
            let mut usage = self.frame.clone();
            usage["choices"] = json!([]);
            usage["usage"] = self.usage;
            chunks.push(usage);
        }
        let done = std::iter::once(Bytes::from_static(b"data: [DONE]\n\n"));
        chunks
            .into_iter()
            .map(|chunk| sse::data(&chunk))
            .chain(done)
    }
}

fn texts(value: &Value) -> Vec<String> {
    let listed = value.as_array().map(Vec::as_slice);
    let all = listed.unwrap_or(std::slice::from_ref(value)).iter();
    all.filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}
