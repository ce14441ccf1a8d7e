//! What becomes of each parameter of a Responses request: one table for code and docs.
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
/// *Source:* `OpenAI`'s reference of the Responses API; wire reference 5.4 and 5.5 for what is
/// accepted and refused.
pub const PARAMETERS: &[Parameter] = &[
    forwarded("model", "as it is"),
    forwarded(
        "input",
        "a text as one message; items with their type; `system` as `developer`; an \
         `item_reference` as the item that is kept, else refused",
    ),
    forwarded(
        "instructions",
        "as it is, empty if absent; never those of an earlier answer",
    ),
    forwarded("tools", "as it is"),
    forwarded("tool_choice", "as it is"),
    forwarded("parallel_tool_calls", "as it is"),
    forwarded("text", "as it is: `format` and `verbosity`"),
    forwarded(
        "reasoning",
        "as it is, but for the effort `minimal`, sent as `low`",
    ),
    forwarded("include", "with `reasoning.encrypted_content` added"),
    forwarded(
        "service_tier",
        "`priority` (or `fast`); `auto` and `default` ask for nothing; others dropped",
    ),
    forwarded("prompt_cache_key", "as it is"),
    forwarded("client_metadata", "as it is"),
    forwarded("stream", "to this client; the upstream always streams"),
    emulated(
        "previous_response_id",
        "the conversation so far, kept in memory, is sent before the input; refused if it is not \
         kept for the profile that serves",
    ),
    emulated(
        "store",
        "kept in memory for some hours, unless `false`; the upstream stores nothing",
    ),
    emulated(
        "generate",
        "`false` over a WebSocket: the input waits for the next request; elsewhere dropped",
    ),
    emulated(
        "max_output_tokens",
        "the text is cut here, at about 4 characters a token, reasoning not counted; the answer \
         is `incomplete` then, and without `usage`",
    ),
    refused("background", &["false"], NOT_KEPT),
    refused("conversation", &[], NOT_KEPT),
    refused("prompt", &[], NOT_KEPT),
    refused("top_logprobs", &["0"], "the upstream gives none"),
    dropped("max_tool_calls", &[]),
    dropped("temperature", &["1", "1.0"]),
    dropped("top_p", &["1", "1.0"]),
    dropped("truncation", &[r#""disabled""#]),
    dropped("metadata", &["{}"]),
    dropped("user", &[]),
    dropped("safety_identifier", &[]),
    dropped("prompt_cache_retention", &[]),
    dropped("prompt_cache_options", &[]),
    dropped("context_management", &[]),
    dropped("stream_options", &["{}"]),
    dropped("background_options", &[]),
    dropped("access_programs", &[]),
    dropped("image", &[]),
    dropped("moderation", &[]),
];

const NOT_KEPT: &str = "it needs a server that keeps state, which a ChatGPT login has not; \
    send the whole conversation in `input`, or choose a profile with an API key";

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

    #[test]
    fn every_parameter_openai_has_is_in_the_table_once_and_in_the_docs() {
        // The fields of `CreateResponse` in OpenAI's own description of its API.
        let all = "access_programs background background_options context_management conversation \
            image include input instructions max_output_tokens max_tool_calls metadata model \
            moderation parallel_tool_calls previous_response_id prompt prompt_cache_key \
            prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier \
            store stream stream_options temperature text tool_choice tools top_logprobs top_p \
            truncation user";
        parameters::assert_whole(PARAMETERS, all, include_str!("parameters.md"));
    }

    #[test]
    fn what_cannot_be_left_out_is_refused_by_name() {
        for json in [
            r#"{"background":true}"#,
            r#"{"conversation":"c"}"#,
            r#"{"prompt":{"id":"p"}}"#,
            r#"{"top_logprobs":2}"#,
        ] {
            let error = check(&serde_json::from_str(json).unwrap()).unwrap_err();
            assert!(json.contains(&error.param.unwrap()), "{json}");
        }
        let nothing = r#"{"background":false,"top_logprobs":0,"conversation":null,"top_p":1.0}"#;
        let names = check(&serde_json::from_str(nothing).unwrap()).unwrap();
        assert!(names.is_empty(), "{names:?}");
    }
}
