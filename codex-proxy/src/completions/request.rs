//! A completion request as a Responses request.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{parameters, response::TextAnswer};
use crate::{
    chat::request::{answer_options, invalid, not_json, optional, required, token_limit},
    error::ApiError,
    json::{EscapedBuf, JsonStr, Object},
};

/// A translated request.
pub(super) struct Translated {
    pub(super) body: Vec<u8>,
    pub(super) answer: TextAnswer,
    /// The parameters that were left out.
    pub(super) dropped: Vec<String>,
}

const CONTINUE: &str = "You complete text. The user's message is the beginning of a text: answer \
    with what comes next and with nothing else. Do not repeat the beginning, do not introduce or \
    explain your answer, and put no quotation marks or code fence around it. Spaces, line breaks \
    and indentation count: the answer is appended as it is. Where the text puts a question or a \
    task, what comes next is the answer or the result.";

const FILL_IN: &str = "You complete text. The user's message is a text with a gap: what stands \
    before the gap is in <before>, what stands after it in <after>. Answer with the text that \
    fills the gap and with nothing else. Do not repeat what stands before or after, do not \
    introduce or explain your answer, and put no quotation marks or code fence around it. Spaces, \
    line breaks and indentation count: the answer is inserted as it is.";

#[derive(Serialize)]
struct ResponsesRequest<'a> {
    model: JsonStr<'a>,
    stream: bool,
    instructions: &'static str,
    input: [Message; 1],
    reasoning: Reasoning,
    store: bool,
}

#[derive(Serialize)]
struct Reasoning {
    effort: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct Message {
    role: &'static str,
    content: [Part; 1],
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "input_text")]
struct Part {
    text: String,
}

/// Translates the body of a completion request.
pub(super) fn translate(body: &[u8]) -> Result<Translated, ApiError> {
    let request: Object = serde_json::from_slice(body).map_err(|_| not_json())?;
    let dropped = parameters::check(&request)?;
    let model: JsonStr = required(&request, "model")?;
    let prompt = prompt(&request)?.decode();
    let echo: Option<bool> = optional(&request, "echo", "true or false")?;
    let suffix: Option<JsonStr> = optional(&request, "suffix", "a text")?;
    let mut options = answer_options(&request, model)?;
    // The younger name of it is no parameter of this endpoint.
    options.limits.max_tokens = token_limit(&request, "max_tokens")?;
    let answer = TextAnswer {
        options,
        echo: (echo == Some(true)).then(|| EscapedBuf::new(&prompt)),
    };
    let (instructions, text) = match suffix.filter(|suffix| !suffix.is_empty()) {
        Some(suffix) => (FILL_IN, with_gap(&prompt, &suffix.decode())),
        None => (CONTINUE, prompt.into_owned()),
    };
    let responses = ResponsesRequest {
        model,
        stream: true,
        instructions,
        input: [Message {
            role: "user",
            content: [Part { text }],
        }],
        // Somebody waits with the cursor in place.
        reasoning: Reasoning { effort: "low" },
        store: false,
    };
    let body = serde_json::to_vec(&responses).map_err(|_| not_json())?;
    Ok(Translated {
        body,
        answer,
        dropped,
    })
}

fn with_gap(before: &str, after: &str) -> String {
    ["<before>", before, "</before><after>", after, "</after>"].concat()
}

fn prompt<'a>(request: &Object<'a>) -> Result<JsonStr<'a>, ApiError> {
    let expected = "one text; several at once, and lists of tokens, cannot be served";
    let raw: &RawValue = required(request, "prompt")?;
    if let Some(text) = JsonStr::new(raw) {
        return Ok(text);
    }
    let listed: Result<[JsonStr; 1], _> = serde_json::from_str(raw.get());
    listed
        .map(|[text]| text)
        .map_err(|_| invalid("prompt", expected))
}
