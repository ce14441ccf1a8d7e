//! What becomes of each parameter of a chat completion request: one table for code and docs.
//!
#![doc = include_str!("parameters.md")]

pub use crate::parameters::{Parameter, Treatment};
use crate::{
    error::ApiError,
    json::Object,
    parameters::{self, dropped, emulated, forwarded, refused},
};

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
    parameters::check(PARAMETERS, request)
}

/// The table as Markdown, for the docs.
#[must_use]
pub fn markdown_table() -> String {
    parameters::markdown_table(PARAMETERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Object<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_parameter_openai_has_is_in_the_table_once_and_in_the_docs() {
        // The fields of `CreateChatCompletionRequest` in OpenAI's own description of its API.
        let all = "messages model modalities verbosity reasoning_effort max_completion_tokens \
            frequency_penalty presence_penalty web_search_options top_logprobs response_format \
            audio store stream stop logit_bias logprobs max_tokens n prediction seed \
            stream_options service_tier temperature top_p tools tool_choice parallel_tool_calls \
            user safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options \
            function_call functions metadata moderation";
        parameters::assert_whole(PARAMETERS, all, include_str!("parameters.md"));
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
}
