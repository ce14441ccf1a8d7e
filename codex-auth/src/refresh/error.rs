//! What the token endpoint's refusal means.

use serde::Deserialize;

use crate::provider::LoginReason;

impl LoginReason {
    /// The same reason, of a token that was posted before without an answer: that it was used says
    /// no more then than that it was this very login's refresh whose answer is lost.
    #[must_use]
    pub fn after_unanswered(self) -> Self {
        match self {
            Self::Reused | Self::Revoked => Self::OutcomeUnknown,
            reason => reason,
        }
    }
}

/// Why a refresh brought no tokens; each variant is a different thing for the caller to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The issuer refused for good: the person must log in again.
    #[error("the issuer refused: {0}")]
    Refused(LoginReason),
    /// The token never left this machine: it may be posted again.
    #[error("the issuer could not be reached")]
    NotSent(#[source] reqwest::Error),
    /// The issuer said that it did not use the token: it may be posted again, after a pause.
    #[error("the issuer answered with status {0}")]
    Failed(u16),
    /// The issuer, or a gateway in front of it, answered with something that does not say whether
    /// the token was used: it may or may not be spent.
    #[error("the issuer's answer, status {0}, does not say whether the token was used")]
    Unclear(u16),
    /// The token was sent and no answer came back: it may or may not be spent.
    #[error("the issuer's answer was lost")]
    AnswerLost(#[source] reqwest::Error),
    /// The issuer said yes, but its answer could not be understood: the token is spent.
    #[error("the issuer's answer could not be understood")]
    UnreadableAnswer,
    /// The login has no refresh token.
    #[error("the login has no refresh token")]
    NothingToSpend,
}

impl RefreshError {
    /// Whether the token may be used up all the same, though nobody has its successor.
    #[must_use]
    pub fn leaves_outcome_unknown(&self) -> bool {
        !matches!(
            self,
            Self::NotSent(_) | Self::Failed(_) | Self::Refused(_) | Self::NothingToSpend
        )
    }

    /// Sorts an answer that is not 200. *Source:* wire reference 3.3, captures `refresh-fails-*`.
    pub(crate) fn from_answer(status: u16, body: &[u8]) -> Self {
        match code_of(body).as_deref().and_then(reason_of_code) {
            Some(reason) => Self::Refused(reason),
            None if status == 401 => Self::Refused(LoginReason::Revoked),
            // It refused the request, or never came to work on it.
            None if matches!(status, 400..=499 | 500 | 503) => Self::Failed(status),
            // A gateway that lost the issuer's answer (502, 504, 52x), or nothing that is known.
            None => Self::Unclear(status),
        }
    }
}

fn reason_of_code(code: &str) -> Option<LoginReason> {
    Some(match code {
        "refresh_token_expired" | "token_expired" => LoginReason::Expired,
        "refresh_token_reused" => LoginReason::Reused,
        "refresh_token_invalidated"
        | "token_invalidated"
        | "invalid_grant"
        | "app_session_terminated"
        | "account_session_expired" => LoginReason::Revoked,
        "account_deactivated" | "account_suspended" | "account_deleted" => {
            LoginReason::AccountDisabled
        }
        _ => return None,
    })
}

/// The code is `error.code`, or `error` when that is a text, or a `code` at the top.
pub(crate) fn code_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ErrorField {
        Text(String),
        Object { code: Option<String> },
    }
    #[derive(Deserialize)]
    struct Answer {
        error: Option<ErrorField>,
        code: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let code = match answer.error {
        Some(ErrorField::Text(code)) => Some(code),
        Some(ErrorField::Object { code }) => code,
        None => None,
    };
    code.or(answer.code).map(|code| code.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(status: u16, body: &str) -> Option<LoginReason> {
        match RefreshError::from_answer(status, body.as_bytes()) {
            RefreshError::Refused(reason) => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn a_refusal_is_sorted_by_its_code_wherever_it_stands() {
        let expired = r#"{"error":{"code":"refresh_token_expired"}}"#;
        assert_eq!(reason(401, expired), Some(LoginReason::Expired));
        assert_eq!(
            reason(400, r#"{"error":"invalid_grant"}"#),
            Some(LoginReason::Revoked)
        );
        assert_eq!(
            reason(401, r#"{"code":"REFRESH_TOKEN_REUSED"}"#),
            Some(LoginReason::Reused)
        );
        let suspended = r#"{"error":{"code":"account_suspended"}}"#;
        assert_eq!(reason(403, suspended), Some(LoginReason::AccountDisabled));
    }

    #[test]
    fn only_a_plain_refusal_says_that_the_token_was_not_used() {
        let unused = |status| {
            matches!(
                RefreshError::from_answer(status, b"<html>"),
                RefreshError::Failed(_)
            )
        };
        assert!([400, 403, 429, 500, 503].into_iter().all(unused));
        assert!(![201, 204, 302, 502, 504, 520, 524].into_iter().any(unused));
    }

    #[test]
    fn any_other_401_is_final_and_any_other_answer_is_not() {
        assert_eq!(reason(401, "<html>"), Some(LoginReason::Revoked));
        assert_eq!(reason(400, "{}"), None);
        assert_eq!(reason(403, "<html>Cloudflare</html>"), None);
        assert_eq!(reason(500, r#"{"error":{"code":"server_error"}}"#), None);
    }
}
