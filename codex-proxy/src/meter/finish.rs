use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::scan::Scan;

static CHOICE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"finish_reason\""));
static KIND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"type\""));
static INCOMPLETE: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(b"\"incomplete_details\""));

/// Why a model stopped, read from its answer as it passes: that of the last choice, in the words of
/// chat completions for either API.
pub(crate) struct FinishReason {
    choice: Scan,
    kind: Scan,
    incomplete: Scan,
    word: Option<&'static str>,
}

impl Default for FinishReason {
    fn default() -> Self {
        Self {
            choice: Scan::new(&CHOICE),
            kind: Scan::new(&KIND),
            incomplete: Scan::new(&INCOMPLETE),
            word: None,
        }
    }
}

impl FinishReason {
    /// Takes the next piece of an answer.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        let word = &mut self.word;
        self.kind.push(piece, |kind| {
            if matches!(kind, b"response.completed" | b"response.done") {
                *word = Some("stop");
            }
        });
        self.incomplete.push(piece, |details| {
            *word = incomplete(details).or(*word);
        });
        self.choice.push(piece, |reason| {
            *word = known(reason).or(*word);
        });
    }

    /// What was found, if anything was.
    pub(crate) fn word(&self) -> Option<&'static str> {
        self.word
    }
}

/// What the Responses API says of an answer that is cut off.
fn incomplete(details: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Details<'a> {
        reason: &'a str,
    }
    let details: Details<'_> = serde_json::from_slice(details).ok()?;
    match details.reason {
        "max_output_tokens" => Some("length"),
        reason => known(reason.as_bytes()),
    }
}

/// An upstream may write anything there, and repeats what the client has put into `metadata`.
fn known(reason: &[u8]) -> Option<&'static str> {
    const REASONS: [&str; 5] = [
        "stop",
        "length",
        "tool_calls",
        "function_call",
        "content_filter",
    ];
    REASONS.into_iter().find(|known| known.as_bytes() == reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(pieces: &[&str]) -> Option<&'static str> {
        let mut finish = FinishReason::default();
        for piece in pieces {
            finish.piece(piece.as_bytes());
        }
        finish.word()
    }

    #[test]
    fn both_apis_say_why_in_the_same_words() {
        for (pieces, expected) in [
            (
                &[
                    r#"{"choices":[{"finish_reason":null}]}"#,
                    r#"{"finish_rea"#,
                    r#"son":"tool_calls"}"#,
                ][..],
                Some("tool_calls"),
            ),
            (
                &[r#"data: {"type":"response.completed","response":{"incomplete_details":null}}"#],
                Some("stop"),
            ),
            (
                &[
                    r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#,
                ],
                Some("length"),
            ),
            (
                &[r#"{"incomplete_details":{"reason":"content_filter"}}"#],
                Some("content_filter"),
            ),
            (&[r#"{"finish_reason":"ada@example.com"}"#], None),
            (
                &[
                    r#"{"finish_reason":"function_call"}"#,
                    r#"{"metadata":{"finish_reason":"words_of_the_client"}}"#,
                    r#"{"incomplete_details":{"reason":"other_words"}}"#,
                ],
                Some("function_call"),
            ),
            (&[r#"{"text":"\"finish_reason\":\"stop\""}"#], None),
        ] {
            assert_eq!(word(pieces), expected, "{pieces:?}");
        }
    }
}
