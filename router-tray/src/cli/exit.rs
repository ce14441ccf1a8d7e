use std::{fmt, io, process::ExitCode};

use codex_auth::login::SignInError;
use codex_profiles::{SignOutError, StoreError};
use codex_proxy::server::ServerError;

use super::out;

/// Why a command failed: one sentence, and the exit code that scripts go by.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Failed = 1,
    Usage = 2,
    NeedsLogin = 3,
    NoSuchProfile = 4,
    /// Whoever reads our output has enough of it, as `head` does.
    NotRead = 0,
}

impl Failure {
    /// The command was called in a way that cannot work.
    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Usage,
            message: error.to_string(),
        }
    }

    /// Nothing was chosen yet.
    pub(crate) fn no_current_profile() -> Self {
        let message = "no profile is current: choose one with `codex-router use NAME`".to_owned();
        Self {
            kind: Kind::NoSuchProfile,
            message,
        }
    }

    /// Nothing else helps but to log in.
    pub(crate) fn needs_login(message: impl fmt::Display) -> Self {
        Self {
            kind: Kind::NeedsLogin,
            message: message.to_string(),
        }
    }

    /// Says what to do about it, too.
    pub(crate) fn advise(self, advice: &str) -> Self {
        let message = format!("{}: {advice}", self.message);
        Self { message, ..self }
    }

    /// It was told to stop, or the person said no.
    pub(crate) fn cancelled() -> Self {
        Self {
            kind: Kind::Failed,
            message: "cancelled; nothing was changed".to_owned(),
        }
    }

    /// It did not work out, for the reason given.
    pub(crate) fn because(message: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Failed,
            message: message.to_string(),
        }
    }

    /// Says it on standard error.
    pub(crate) fn report(self) -> ExitCode {
        if !matches!(self.kind, Kind::NotRead) && !self.message.is_empty() {
            out::complain(&self.message);
        }
        ExitCode::from(self.kind as u8)
    }

    /// Something is wrong, and what was printed says what.
    pub(crate) fn said_already() -> Self {
        Self::because("")
    }

    /// It was tried and did not work.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Failed,
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::UnknownProfile(_) => {
                let message = format!("{error}: `codex-router list` shows those there are");
                Self {
                    kind: Kind::NoSuchProfile,
                    message,
                }
            }
            StoreError::NothingRemoved(_) => Self {
                kind: Kind::NoSuchProfile,
                message: error.to_string(),
            },
            StoreError::NotLoggedIn { .. } => Self::needs_login(format!(
                "{error}: sign in with `codex-router login`, or choose a profile with `codex-router use`"
            )),
            _ => Self::failed(with_causes(&error)),
        }
    }
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        match &error {
            SignInError::DeviceCodesDisabled => Self::because(format!(
                "{error}: sign in with a browser, with `codex-router login` or `login --paste`"
            )),
            _ => Self::failed(with_causes(&error)),
        }
    }
}

impl From<SignOutError> for Failure {
    fn from(error: SignOutError) -> Self {
        match error {
            SignOutError::Store(error) => error.into(),
            SignOutError::NothingToRevoke { .. } => Self::because(format!(
                "{error}. An API key is revoked at https://platform.openai.com/api-keys"
            )),
            error => Self::failed(with_causes(&error)),
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::failed(with_causes(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            kind: match error.kind() {
                io::ErrorKind::BrokenPipe => Kind::NotRead,
                _ => Kind::Failed,
            },
            message: with_causes(&error),
        }
    }
}

/// The error and what it comes from, unless its own text says that already.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}
