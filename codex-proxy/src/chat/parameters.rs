//! What becomes of each parameter of a chat completion request: one table for code and docs.
//!
#![doc = include_str!("parameters.md")]

use serde_json::value::RawValue;

use crate::{
    error::ApiError,
    json::{Object, same_json},
};

/// What is done with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Sent on, in the form that the Responses API has for it.
    Forwarded,
    /// Done here, since the upstream cannot.
    Emulated,
    /// Left out, and named in the header `x-codex-router-dropped`.
    Dropped,
    /// Answered with 400 that names it, since leaving it out would give a wrong answer.
    Refused,
}

impl Treatment {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Emulated => "emulated",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

/// A parameter of a chat completion request.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What is done with it.
    pub treatment: Treatment,
    /// How, or why.
    pub note: &'static str,
    /// Values that ask for nothing out of the ordinary, so that leaving them out is no loss.
    pub neutral: &'static [&'static str],
}

impl Parameter {
    /// Whether this value asks for nothing, however it is spelled.
    fn is_neutral(&self, value: &RawValue) -> bool {
        let same = |neutral: &&str| same_json(neutral, value.get());
        self.neutral.iter().any(same)
    }
}

const fn parameter(name: &'static str, treatment: Treatment, note: &'static str) -> Parameter {
    Parameter {
        name,
        treatment,
        note,
        neutral: &[],
    }
}

const fn forwarded(name: &'static str, note: &'static str) -> Parameter {
    parameter(name, Treatment::Forwarded, note)
}

const fn emulated(name: &'static str, note: &'static str) -> Parameter {
    parameter(name, Treatment::Emulated, note)
}

const fn dropped(name: &'static str, neutral: &'static [&'static str]) -> Parameter {
    Parameter {
        neutral,
        ..parameter(name, Treatment::Dropped, "the upstream refuses it")
    }
}

const fn refused(
    name: &'static str,
    neutral: &'static [&'static str],
    note: &'static str,
) -> Parameter {
    Parameter {
        neutral,
        ..parameter(name, Treatment::Refused, note)
    }
}

/// Every parameter that is known. Others are dropped, and named like the dropped ones.
///
/// *Source:* `OpenAI`'s reference of chat completions; wire reference 5.5 for what is refused.
pub const PARAMETERS: &[Parameter] = &[
    forwarded("model", "as it is"),
    forwarded("messages", "as `input`; `system` as `developer`"),
    forwarded("tools", "function and custom, `strict` kept"),
    forwarded("tool_choice", "all forms"),
    forwarded("parallel_tool_calls", "as it is"),
    forwarded("functions", "as `tools`; answered with `function_call`"),
    forwarded("function_call", "as `tool_choice`"),
    forwarded("response_format", "as `text.format`"),
    forwarded(
        "reasoning_effort",
        "as `reasoning.effort`; `minimal` as `low`",
    ),
    forwarded("reasoning", "its `effort` and `summary`"),
    forwarded("extra_body", "its fields, where the request lacks them"),
    forwarded("verbosity", "as `text.verbosity`"),
    forwarded(
        "service_tier",
        "`priority` (or `fast`); `auto` and `default` ask for nothing; others dropped",
    ),
    forwarded(
        "prompt_cache_key",
        "as it is; derived from the conversation's beginning if absent",
    ),
    forwarded("web_search_options", "as the tool `web_search`"),
    forwarded("stream", "to this client; the upstream always streams"),
    forwarded("stream_options", "`include_usage`"),
    emulated(
        "max_completion_tokens",
        "the text is cut here, at about 4 characters a token; `finish_reason` is `length`",
    ),
    emulated("max_tokens", "like `max_completion_tokens`"),
    emulated(
        "stop",
        "the text is cut here, before the stop string; `finish_reason` is `stop`",
    ),
    refused("n", &["1"], "only one choice can be had"),
    refused("logprobs", &["false"], "the upstream gives none"),
    refused("audio", &[], "the upstream gives no audio"),
    refused("modalities", &[r#"["text"]"#], "only text can be had"),
    dropped("temperature", &["1", "1.0"]),
    dropped("top_p", &["1", "1.0"]),
    dropped("presence_penalty", &["0", "0.0"]),
    dropped("frequency_penalty", &["0", "0.0"]),
    dropped("logit_bias", &["{}"]),
    dropped("seed", &[]),
    dropped("top_logprobs", &["0"]),
    dropped("prediction", &[]),
    dropped("moderation", &[]),
    dropped("user", &[]),
    dropped("safety_identifier", &[]),
    dropped("metadata", &["{}"]),
    dropped("store", &["false"]),
    dropped("prompt_cache_retention", &[]),
    dropped("prompt_cache_options", &[]),
];

/// The names of the parameters that will be left out of this request.
///
/// # Errors
/// 400, naming the first parameter that cannot be left out.
pub fn check(request: &Object<'_>) -> Result<Vec<String>, ApiError> {
    let mut names = Vec::new();
    for (name, value) in request.iter() {
        match treatment(name, value) {
            Some(Treatment::Refused) => return Err(refusal(name)),
            Some(Treatment::Dropped) => names.push(name.to_owned()),
            _ => {}
        }
    }
    Ok(names)
}

/// What is done with this value of a parameter; nothing if it asks for nothing.
fn treatment(name: &str, value: &RawValue) -> Option<Treatment> {
    let known = PARAMETERS.iter().find(|parameter| parameter.name == name);
    let neutral = known.is_some_and(|parameter| parameter.is_neutral(value));
    let asks = !neutral && value.get() != "null";
    asks.then(|| known.map_or(Treatment::Dropped, |parameter| parameter.treatment))
}

fn refusal(name: &str) -> ApiError {
    let known = PARAMETERS.iter().find(|parameter| parameter.name == name);
    let note = known.map_or("not supported", |parameter| parameter.note);
    ApiError::invalid_request(
        "unsupported_parameter",
        format!("`{name}` cannot be served: {note}"),
    )
    .with_param(name)
}

/// The table as Markdown, for the docs.
#[must_use]
pub fn markdown_table() -> String {
    let rows = PARAMETERS.iter().map(|p| {
        let treatment = p.treatment.as_str();
        format!(
            "| `{}` | {treatment} | {}{} |\n",
            p.name,
            p.note,
            but_for(p.neutral)
        )
    });
    let head = "| parameter | is | how, or why |\n|---|---|---|\n";
    std::iter::once(head.to_owned()).chain(rows).collect()
}

fn but_for(neutral: &[&str]) -> String {
    match neutral.first() {
        Some(value) => format!("; `{value}` asks for nothing"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Object<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_parameter_openai_has_is_in_the_table() {
        // The fields of `CreateChatCompletionRequest` in OpenAI's own description of its API.
        let all = "messages model modalities verbosity reasoning_effort max_completion_tokens \
            frequency_penalty presence_penalty web_search_options top_logprobs response_format \
            audio store stream stop logit_bias logprobs max_tokens n prediction seed \
            stream_options service_tier temperature top_p tools tool_choice parallel_tool_calls \
            user safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options \
            function_call functions metadata moderation";
        for name in all.split_whitespace() {
            assert!(PARAMETERS.iter().any(|p| p.name == name), "{name}");
        }
    }

    #[test]
    fn no_parameter_is_in_the_table_twice() {
        for (at, p) in PARAMETERS.iter().enumerate() {
            assert!(
                PARAMETERS[..at].iter().all(|q| q.name != p.name),
                "{}",
                p.name
            );
        }
    }

    #[test]
    fn a_value_that_asks_for_nothing_is_not_reported() {
        let request = object(
            r#"{"temperature":1,"top_p":null,"n":1,"logprobs":false,"seed":7,"novel":true}"#,
        );
        assert_eq!(check(&request).unwrap(), ["seed", "novel"]);
    }

    #[test]
    fn how_a_value_is_spelled_makes_no_difference() {
        let request = object(
            r#"{"modalities": [ "text" ], "n": 1, "logit_bias": { }, "top_p": 1.00, "stop": []}"#,
        );
        assert!(check(&request).unwrap().is_empty());
        assert!(check(&object(r#"{"modalities": ["te xt"]}"#)).is_err());
    }

    #[test]
    fn what_cannot_be_left_out_is_refused_by_name() {
        for json in [
            r#"{"n":2}"#,
            r#"{"logprobs":true}"#,
            r#"{"modalities":["audio"]}"#,
        ] {
            let error = check(&object(json)).unwrap_err();
            assert_eq!(error.status, 400);
            assert!(json.contains(&error.param.unwrap()), "{json}");
        }
    }

    #[test]
    fn the_docs_show_the_table_as_it_is() {
        let table = markdown_table();
        let shown = include_str!("parameters.md");
        assert!(shown == table, "put this into parameters.md:\n{table}");
    }
}
