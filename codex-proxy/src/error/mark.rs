use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ApiError, Origin};
use crate::json::lenient;

/// The longest code that is one.
const LONGEST_CODE: usize = 64;

/// Left in an error answer's extensions: whose the error is, and its code. Whoever looks on need
/// not read the body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorMark {
    /// Who made it.
    pub origin: Origin,
    /// `error.code`, else `error.type`, where that is a word.
    pub code: Option<Arc<str>>,
}

impl ErrorMark {
    /// A mark with this code, if it is one: an upstream may write anything there.
    #[must_use]
    pub fn new(origin: Origin, code: Option<&str>) -> Self {
        let code = code.filter(|code| is_word(code)).map(Arc::from);
        Self { origin, code }
    }

    /// Whether this is its code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// That of an `error` object of the upstream's.
    pub(crate) fn of_error(json: &[u8]) -> Option<Self> {
        let error: Fields = serde_json::from_slice(json).ok()?;
        let word = |raw: Option<&RawValue>| lenient::<String>(raw?).filter(|it| !it.is_empty());
        let code = word(error.code).or_else(|| word(error.kind));
        Some(Self::new(Origin::Upstream, code.as_deref()))
    }

    /// That of the upstream's answer.
    pub(super) fn of_answer(json: &[u8]) -> Self {
        let answer: Option<Answer> = serde_json::from_slice(json).ok();
        let mark = answer.and_then(|it| Self::of_error(it.error?.get().as_bytes()));
        mark.unwrap_or_else(|| Self::new(Origin::Upstream, None))
    }
}

impl From<&ApiError> for ErrorMark {
    fn from(error: &ApiError) -> Self {
        Self::new(error.origin, error.code.as_deref())
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

fn is_word(code: &str) -> bool {
    (1..=LONGEST_CODE).contains(&code.len())
        && (code.bytes()).all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_goes_before_the_type_and_a_sentence_is_neither() {
        for (answer, code) in [
            (
                r#"{"error":{"type":"usage_limit_reached","resets_at":1}}"#,
                Some("usage_limit_reached"),
            ),
            (
                r#"{"error":{"type":"usage_limit_reached","code":null}}"#,
                Some("usage_limit_reached"),
            ),
            (
                r#"{"error":{"type":"tokens","code":"rate_limit_exceeded"}}"#,
                Some("rate_limit_exceeded"),
            ),
            (r#"{"error":{"code":429,"type":"t"}}"#, Some("t")),
            (r#"{"error":{"code":"what was said"}}"#, None),
            (r#"{"error":"text"}"#, None),
            ("<html>", None),
        ] {
            let mark = ErrorMark::of_answer(answer.as_bytes());
            assert_eq!(mark.code.as_deref(), code, "{answer}");
            assert_eq!(mark.origin, Origin::Upstream);
        }
    }
}
