use std::fmt;

use codex_auth::login::{Denial, SignInError};
use codex_profiles::{KeptSignIn, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a person signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignInWay {
    /// With a browser on this machine, which comes back by itself.
    Browser,
    /// With a code that is entered on any device.
    Device,
    /// With any browser; the address that it ends at is pasted.
    Paste,
}

/// A sign-in. While it waits, its address and its code are for its person alone, so `Debug` shows
/// neither.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignIn {
    /// Its name.
    pub id: String,
    /// How the person signs in.
    pub way: SignInWay,
    /// How far it is.
    pub state: SignInState,
    /// The address to open, while it waits.
    pub url: Option<String>,
    /// The code to enter there, while it waits.
    pub code: Option<String>,
    /// How long it waits.
    pub expires_at: Timestamp,
    /// Why there is no login; or, as long as it is `redeeming`, why it is not on disk yet.
    pub error: Option<Problem>,
    /// Where the login is kept.
    pub kept: Option<KeptView>,
}

/// How far a sign-in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignInState {
    /// For its person.
    Waiting,
    /// The person has signed in; the login is fetched and kept.
    Redeeming,
    /// The login is a profile.
    Done,
    /// There is no login.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// A word for programs, such as `ports_taken`.
    pub code: &'static str,
    /// One sentence for the person.
    pub message: String,
}

/// Where a login is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeptView {
    /// The profile.
    pub name: String,
    /// Whether it is new; else it was renewed.
    pub created: bool,
    /// Whether the name that was asked for is another login's.
    pub name_taken: bool,
}

impl SignIn {
    /// Whether it has not come to its end.
    pub(in crate::control) fn is_under_way(&self) -> bool {
        matches!(self.state, SignInState::Waiting | SignInState::Redeeming)
    }
}

impl From<KeptSignIn> for KeptView {
    fn from(kept: KeptSignIn) -> Self {
        Self {
            name: kept.name.to_string(),
            created: kept.created,
            name_taken: kept.name_taken,
        }
    }
}

impl From<&SignInError> for Problem {
    fn from(error: &SignInError) -> Self {
        let code = match error {
            SignInError::PortsTaken { .. } | SignInError::Listen(_) => "ports_taken",
            SignInError::Cancelled => "cancelled",
            SignInError::TimedOut { .. } => "timed_out",
            SignInError::Denied(Denial::NotEntitled) => "not_entitled",
            SignInError::Denied(_) => "access_denied",
            SignInError::DeviceCodesDisabled => "device_codes_disabled",
            SignInError::WrongWorkspace { .. } => "wrong_workspace",
            SignInError::Unreachable(_) => "issuer_unreachable",
            SignInError::AnswerLost(_) => "answer_lost",
            SignInError::Refused { .. } => "refused",
            SignInError::NoRandomness(_) => "no_randomness",
            _ => "unreadable_answer",
        };
        let message = error.to_string();
        Self { code, message }
    }
}

impl Problem {
    /// The person has signed in, and no disk takes the login.
    pub(super) fn not_written(error: &StoreError) -> Self {
        Self {
            code: "not_written",
            message: format!("you are signed in, but the login cannot be written: {error}"),
        }
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("id", &self.id)
            .field("way", &self.way)
            .field("state", &self.state)
            .field("error", &self.error)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}
