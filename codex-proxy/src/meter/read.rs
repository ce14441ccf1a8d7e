use std::{fmt, sync::LazyLock};

use memchr::memmem::{Finder, rfind};

use super::{
    Model, Tokens,
    scan::{Scan, string_end},
};
use crate::{Origin, error::ErrorMark, requests::RequestHandle};

/// How much of a request is read for its model at either end.
const ENDS_BYTES: usize = 4 << 10;
const MODEL_KEY: &[u8] = b"\"model\"";

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static MODEL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MODEL_KEY));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\""));
static CODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"code\""));
/// What a stream that fails says first, in either API.
static FAILURES: LazyLock<[Finder<'static>; 3]> = LazyLock::new(|| {
    [
        Finder::new(b"\"response.failed\""),
        Finder::new(b"\"type\":\"error\""),
        Finder::new(b"data: {\"error\""),
    ]
});

/// What was found in an answer so far.
pub(crate) struct Read {
    usage: Scan,
    /// Looked for until it is found.
    model: Option<Scan>,
    failure: Option<Failure>,
    pub(crate) tokens: Option<Tokens>,
}

/// A stream that fails, once it has said so.
struct Failure {
    error: Scan,
    code: Scan,
    told: bool,
}

/// What a piece of an answer says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) model: Option<Model>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) error: Option<ErrorMark>,
}

impl News {
    /// Writes it into the entry of its request.
    pub(crate) fn tell(&self, handle: &RequestHandle) {
        if let Some(model) = &self.model {
            handle.note_model(model);
        }
        if let Some(tokens) = self.tokens {
            handle.note_tokens(tokens);
        }
        if let Some(error) = &self.error {
            handle.note_error(error);
        }
    }
}

impl Read {
    pub(crate) fn new() -> Self {
        Self {
            usage: Scan::new(&USAGE),
            model: Some(Scan::new(&MODEL)),
            failure: None,
            tokens: None,
        }
    }

    /// Takes the next piece of an answer.
    pub(crate) fn piece(&mut self, piece: &[u8]) -> News {
        let mut news = News::default();
        if let Some(scan) = &mut self.model {
            scan.push(piece, |value| {
                let model = || Model::parse(value);
                news.model = news.model.take().or_else(model);
            });
        }
        if news.model.is_some() {
            self.model = None;
        }
        self.usage.push(piece, |value| {
            news.tokens = Tokens::parse(value).or(news.tokens);
        });
        self.tokens = news.tokens.or(self.tokens);
        news.error = self.failure_in(piece);
        news
    }

    fn failure_in(&mut self, piece: &[u8]) -> Option<ErrorMark> {
        if self.failure.is_none() {
            let fails = FAILURES.iter().any(|finder| finder.find(piece).is_some());
            self.failure = fails.then(Failure::new);
        }
        let failure = self.failure.as_mut().filter(|failure| !failure.told)?;
        let error = failure.read(piece)?;
        failure.told = true;
        Some(error)
    }
}

impl Failure {
    fn new() -> Self {
        Self {
            error: Scan::new(&ERROR),
            code: Scan::new(&CODE),
            told: false,
        }
    }

    /// An object says it with its code or its type; an error event of its own may have no object.
    fn read(&mut self, piece: &[u8]) -> Option<ErrorMark> {
        let (mut mark, mut flat) = (None, None);
        self.error
            .push(piece, |value| mark = ErrorMark::of_error(value));
        self.code.push(piece, |value| {
            flat = str::from_utf8(value).ok().map(str::to_owned);
        });
        mark.or_else(|| Some(ErrorMark::new(Origin::Upstream, Some(&flat?))))
    }
}

/// What is said is never shown.
impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").finish_non_exhaustive()
    }
}

/// The model that a request names among its first fields. Only its own fields count: a tool may
/// name a model too.
pub(crate) fn model_at_start(body: &[u8]) -> Option<Model> {
    let body = &body[..body.len().min(ENDS_BYTES)];
    let (mut depth, mut at) = (0_i32, 0);
    while let Some(byte) = body.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let end = at + string_end(&body[at..])?;
                if depth == 1 && body[at - 1..=end] == *MODEL_KEY {
                    return string_after_colon(&body[end + 1..])
                        .and_then(|(it, _)| Model::parse(it));
                }
                at = end + 1;
            }
            _ => {}
        }
    }
    None
}

/// The model that a request names among its last fields, if this is the end of the body: what
/// follows the model must close one object and no more.
pub(crate) fn model_at_end(piece: &[u8]) -> Option<Model> {
    let end = &piece[piece.len().saturating_sub(ENDS_BYTES)..];
    let at = rfind(end, MODEL_KEY)?;
    let (model, rest) = string_after_colon(&end[at + MODEL_KEY.len()..])?;
    closes_one_object(rest).then(|| Model::parse(model))?
}

fn string_after_colon(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start().strip_prefix(b":")?;
    let text = text.trim_ascii_start().strip_prefix(b"\"")?;
    let end = string_end(text)?;
    Some((&text[..end], &text[end + 1..]))
}

fn closes_one_object(text: &[u8]) -> bool {
    let (mut depth, mut at) = (0_i32, 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => match string_end(&text[at..]) {
                Some(end) => at += end + 1,
                None => return false,
            },
            _ => {}
        }
        if depth < 0 {
            return text[at - 1] == b'}' && text[at..].trim_ascii().is_empty();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(answer: &str) -> News {
        Read::new().piece(answer.as_bytes())
    }

    fn stream(events: &[Value]) -> String {
        let events = events.iter().map(|event| format!("data: {event}\n\n"));
        events.collect()
    }

    #[test]
    fn a_stream_of_the_responses_api_says_model_and_tokens() {
        let tool = json!({"type": "function", "parameters": {"properties": {"usage": {"type": "object"}}}});
        let begun = json!({"model": "gpt-5.2-codex", "tools": [tool], "usage": null});
        let usage = json!({"input_tokens": 7, "output_tokens": 2, "total_tokens": 9});
        let news = read(&stream(&[
            json!({"type": "response.created", "response": begun}),
            json!({"type": "response.output_text.delta", "delta": "\"usage\":{\"input_tokens\":1}"}),
            json!({"type": "response.completed", "response": {"id": "resp_1", "usage": usage}}),
        ]));
        assert_eq!(news.model.unwrap().as_str(), "gpt-5.2-codex");
        assert_eq!(news.tokens.unwrap().total(), 9);
        assert_eq!(news.error, None);
    }

    #[test]
    fn a_stream_of_chat_completions_does_too() {
        let chunk = json!({"id": "c", "model": "m", "choices": [], "usage": null});
        let mut last = chunk.clone();
        last["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 4});
        let news = read(&(stream(&[chunk, last]) + "data: [DONE]\n\n"));
        assert_eq!(news.model.unwrap().as_str(), "m");
        assert_eq!(news.tokens.unwrap().total(), 7);
    }

    #[test]
    fn a_stream_that_fails_says_why() {
        let error = json!({"code": "server_is_overloaded", "message": "m"});
        let limit = json!({"type": "usage_limit_reached", "code": null, "message": "m"});
        for (event, code) in [
            (
                json!({"type": "response.failed", "response": {"status": "failed", "error": error}}),
                "server_is_overloaded",
            ),
            (
                json!({"type": "error", "error": limit}),
                "usage_limit_reached",
            ),
            (
                json!({"type": "error", "code": "c", "message": "m", "param": null}),
                "c",
            ),
            (json!({"error": error}), "server_is_overloaded"),
        ] {
            let event = event
                .to_string()
                .replace("{\"code\":\"c\"", "{\"a\":0,\"code\":\"c\"");
            let news = read(&format!("data: {event}\n\n"));
            let mark = news.error.unwrap_or_else(|| panic!("{event}"));
            assert_eq!(mark.code.as_deref(), Some(code), "{event}");
            assert_eq!(mark.origin, Origin::Upstream);
        }
        let tool = json!({"type": "mcp_call", "error": {"type": "http_error", "code": "x"}});
        let event = json!({"type": "response.output_item.done", "item": tool});
        assert_eq!(
            read(&stream(&[event])).error,
            None,
            "a tool's failure is none"
        );
    }

    #[test]
    fn a_request_names_its_model_at_either_end() {
        let nested = r#"{"tools":[{"type":"image_generation","model":"gpt-image-1"}],"model":"m"}"#;
        for (body, model) in [
            (r#"{"model":"m","input":"\"model\":\"no\""}"#, Some("m")),
            (nested, Some("m")),
            (
                r#"{"messages":[{"content":"x\\"}], "model" : "m" , "n":[1,{"a":"}"}]} "#,
                Some("m"),
            ),
            (r#"{"tools":[{"model":"gpt-image-1"}]}"#, None),
            (r#"{"model":5}"#, None),
            (r#"["model","m"]"#, None),
            ("", None),
        ] {
            let found = model_at_start(body.as_bytes());
            assert_eq!(found.as_ref().map(Model::as_str), model, "{body}");
            let found = model_at_end(body.as_bytes());
            assert_eq!(found.as_ref().map(Model::as_str), model, "{body}");
        }
        let long = format!(
            r#"{{"messages":"{}","model":"m","n":1}}"#,
            "x".repeat(ENDS_BYTES)
        );
        assert_eq!(model_at_start(long.as_bytes()), None);
        assert_eq!(model_at_end(&long.as_bytes()[100..]).unwrap().as_str(), "m");
        assert_eq!(
            model_at_end(&long.as_bytes()[..long.len() - 1]),
            None,
            "not its end"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in "(\"model\":|\"usage\":|[\"\\\\{}:\\[\\]]|.){0,20}") {
            let _ = (model_at_start(bytes.as_bytes()), model_at_end(bytes.as_bytes()));
            let _ = read(&bytes);
        }
    }
}
