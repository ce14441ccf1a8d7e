//! Why a sign-in brought no login.

use std::{fmt, io, time::Duration};

use crate::text::printable;

/// Why a sign-in brought no login; each variant is a different thing for the caller to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// Other programs listen there: use a device code, or paste the address.
    #[error("the ports {} of this machine are all in use, and a sign-in in the browser ends on one of them", joined(.ports))]
    PortsTaken {
        /// The ports that were tried.
        ports: Vec<u16>,
    },
    /// The operating system allows no listening here: use a device code, or paste the address.
    #[error("cannot listen for the browser: {0}")]
    Listen(#[source] io::Error),
    /// Somebody asked for the end: this program's owner, or another sign-in that wants the port.
    #[error("the sign-in was cancelled")]
    Cancelled,
    /// Nobody signed in: begin again.
    #[error("nobody signed in within {}", minutes(*.limit))]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// The issuer said no; the text says why.
    #[error("{0}")]
    Denied(Denial),
    /// The account may not use device codes: sign in with a browser, or paste the address.
    #[error("device codes are not enabled for this issuer or account")]
    DeviceCodesDisabled,
    /// Sign in again, and choose one of the workspaces that are allowed.
    #[error("the sign-in is for {}, which is not one of the workspaces allowed", shown(.account_id.as_deref()))]
    WrongWorkspace {
        /// The account or workspace of the sign-in.
        account_id: Option<String>,
    },
    /// Check the network, then begin again.
    #[error("the issuer could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Begin again: an authorization code works once, and this one may be used up.
    #[error("the issuer's answer was lost")]
    AnswerLost(#[source] reqwest::Error),
    /// Begin again.
    #[error("the issuer did not accept the sign-in: status {status}{}", in_brackets(.code.as_deref()))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The issuer's word for it, if it gave one.
        code: Option<String>,
    },
    /// The issuer said yes, but its answer could not be understood: begin again.
    #[error("the issuer's answer could not be understood")]
    UnreadableAnswer,
    /// The operating system has no randomness to give, without which no sign-in is safe.
    #[error("no random numbers: {0}")]
    NoRandomness(#[source] getrandom::Error),
}

/// A refusal that the issuer sent by way of the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// The person pressed "cancel", or an administrator has not allowed it.
    AccessDenied,
    /// The workspace has no access to Codex: its administrator can give it.
    NotEntitled,
    /// Anything else, in the issuer's words.
    Other {
        /// A short word, such as `server_error`.
        code: String,
        /// A sentence, if there was one.
        description: Option<String>,
    },
}

impl Denial {
    /// Sorts an error of the authorization endpoint (RFC 6749, section 4.1.2.1). *Source:* wire
    /// reference 4.2.
    pub(super) fn new(code: &str, description: Option<&str>) -> Self {
        let told = description.unwrap_or_default();
        match code {
            "access_denied" if told.contains("missing_codex_entitlement") => Self::NotEntitled,
            "access_denied" => Self::AccessDenied,
            code => Self::Other {
                code: printable(code, 60),
                description: description.map(|text| printable(text, 300)),
            },
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessDenied => f.write_str("access was denied: the sign-in was declined"),
            Self::NotEntitled => f.write_str(
                "Codex is not enabled for this workspace: ask its administrator for access",
            ),
            Self::Other { code, description } => {
                write!(f, "the issuer ended the sign-in: {code}")?;
                description
                    .iter()
                    .try_for_each(|text| write!(f, " ({text})"))
            }
        }
    }
}

fn minutes(limit: Duration) -> String {
    match limit.as_secs().div_ceil(60) {
        0 | 1 => "a minute".to_owned(),
        more => format!("{more} minutes"),
    }
}

fn joined(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(" and ")
}

fn shown(account_id: Option<&str>) -> String {
    match account_id {
        Some(id) => format!("the workspace {}", printable(id, 60)),
        None => "no workspace".to_owned(),
    }
}

fn in_brackets(code: Option<&str>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_entitlement_is_told_from_a_person_who_says_no() {
        let denial = |told| Denial::new("access_denied", told);
        assert_eq!(denial(None), Denial::AccessDenied);
        assert_eq!(
            denial(Some("no: missing_codex_entitlement")),
            Denial::NotEntitled
        );
    }

    #[test]
    fn what_the_issuer_says_cannot_spoil_a_terminal() {
        let denial = Denial::new("odd\u{1b}[2J", Some(&"x\n".repeat(900)));
        let text = denial.to_string();
        assert!(
            !text.contains(char::is_control) && text.len() < 500,
            "{text}"
        );
    }

    #[test]
    fn a_time_limit_is_told_in_words() {
        let text = |seconds| {
            let limit = Duration::from_secs(seconds);
            SignInError::TimedOut { limit }.to_string()
        };
        assert_eq!(text(1), "nobody signed in within a minute");
        assert_eq!(text(90), "nobody signed in within 2 minutes");
    }

    #[test]
    fn ports_that_are_taken_are_all_named() {
        let text = SignInError::PortsTaken {
            ports: vec![1455, 1457],
        }
        .to_string();
        assert!(text.contains("1455 and 1457"), "{text}");
    }
}
