//! What becomes of each parameter of a completion request: one table for code and docs.
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
/// *Source:* `OpenAI`'s reference of completions; wire reference 5.5 for what is refused.
pub const PARAMETERS: &[Parameter] = &[
    forwarded("model", "as it is"),
    forwarded(
        "prompt",
        "a text, or a list of one text, as the user's message",
    ),
    forwarded(
        "suffix",
        "in the same message, behind a gap that is to be filled",
    ),
    forwarded("stream", "to this client; the upstream always streams"),
    forwarded("stream_options", "`include_usage`"),
    emulated(
        "max_tokens",
        "the text is cut here, at about 4 characters a token; no limit if absent",
    ),
    emulated("stop", "the text is cut here, before the stop string"),
    emulated("echo", "the prompt goes before the text"),
    refused("n", &["1"], "only one choice can be had"),
    refused("best_of", &["1"], "only one choice can be had"),
    refused("logprobs", &["false"], "the upstream gives none"),
    dropped("temperature", &["1", "1.0"]),
    dropped("top_p", &["1", "1.0"]),
    dropped("presence_penalty", &["0", "0.0"]),
    dropped("frequency_penalty", &["0", "0.0"]),
    dropped("logit_bias", &["{}"]),
    dropped("seed", &[]),
    dropped("user", &[]),
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

    #[test]
    fn every_parameter_openai_has_is_in_the_table_once_and_in_the_docs() {
        // The fields of `CreateCompletionRequest` in OpenAI's own description of its API.
        let all = "model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n \
            presence_penalty seed stop stream stream_options suffix temperature top_p user";
        parameters::assert_whole(PARAMETERS, all, include_str!("parameters.md"));
    }
}
