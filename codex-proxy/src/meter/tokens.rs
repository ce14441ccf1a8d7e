use std::fmt;

use serde::Deserialize;

/// The longest name of a model, fine-tuned ones included.
const LONGEST_MODEL: usize = 96;

/// What an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tokens {
    /// Those of the question, those of the cache included.
    pub input: u64,
    /// Those of them that came from the cache.
    pub cached: Option<u64>,
    /// Those of the answer, those of the reasoning included.
    pub output: Option<u64>,
    /// Those of them that were reasoning.
    pub reasoning: Option<u64>,
}

impl Tokens {
    /// Those of the question and of the answer.
    #[must_use]
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output.unwrap_or_default())
    }

    /// Reads a `usage` object, of either API. Anything else of that name is none.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let usage: Usage = serde_json::from_slice(json).ok()?;
        Some(Self {
            input: usage.input_tokens?,
            cached: usage.input_tokens_details.and_then(|it| it.cached_tokens),
            output: usage.output_tokens,
            reasoning: (usage.output_tokens_details).and_then(|it| it.reasoning_tokens),
        })
    }
}

#[derive(Deserialize)]
struct Usage {
    #[serde(alias = "prompt_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    output_tokens: Option<u64>,
    #[serde(alias = "prompt_tokens_details")]
    input_tokens_details: Option<Details>,
    #[serde(alias = "completion_tokens_details")]
    output_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

/// The name of a model: short, and nothing but what names are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model(String);

impl Model {
    /// A text that can be a name.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._:/+".contains(b);
        let fits = (1..=LONGEST_MODEL).contains(&text.len()) && text.iter().all(plain);
        let text = str::from_utf8(text).ok()?;
        fits.then(|| Self(text.to_owned()))
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_of_both_apis_is_understood() {
        let responses = br#"{"input_tokens":1200,"input_tokens_details":{"cached_tokens":1024},
            "output_tokens":12,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":1212}"#;
        let chat = br#"{"prompt_tokens":1200,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},
            "completion_tokens":12,"completion_tokens_details":{"reasoning_tokens":4}}"#;
        for usage in [&responses[..], chat] {
            let tokens = Tokens::parse(usage).unwrap();
            assert_eq!((tokens.input, tokens.output), (1200, Some(12)));
            assert_eq!((tokens.cached, tokens.reasoning), (Some(1024), Some(4)));
            assert_eq!(tokens.total(), 1212);
        }
        let embeddings = Tokens::parse(br#"{"prompt_tokens":5,"total_tokens":5}"#).unwrap();
        assert_eq!((embeddings.input, embeddings.output), (5, None));
    }

    #[test]
    fn another_object_of_that_name_is_no_usage() {
        for other in [
            r#"{"type":"object"}"#,
            r#"{"input_tokens":{"type":"integer"}}"#,
            r#"{"input_tokens":-1}"#,
            "{}",
            "[]",
        ] {
            assert_eq!(Tokens::parse(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_model_is_a_name_and_no_text() {
        for good in ["gpt-5.2-codex", "ft:gpt-4o:acme::1", "openai/gpt-6.1"] {
            assert!(Model::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", "a model", "a@b.c", "gpt\\u0041", &"x".repeat(97)] {
            assert_eq!(Model::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
