use std::{error::Error as _, path::PathBuf};

use codex_auth::{AuthJsonError, CredentialError, ProfileRef};
use tokio_postgres::error::SqlState;

use crate::error::storage;

/// What the errors of a [`CredentialProvider`](codex_auth::CredentialProvider) name where others
/// name a file.
pub(super) const TABLE: &str = "the database's table `login`";

/// Why the database could not be used. No text here quotes a row, a parameter or a password.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// Mend the settings.
    #[error("the settings of the database cannot be used: {0}")]
    Settings(String),
    /// Call [`migrate`](super::PostgresLogins::migrate).
    #[error("the database has no tables for logins yet, or older ones than this program needs")]
    NotMigrated,
    /// Try again later; whatever is in memory goes on serving.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// As for `Unreachable`.
    #[error("the database did not answer in time")]
    TimedOut,
    /// The database said no.
    #[error("the database refused ({code}): {message}")]
    Refused {
        /// The five characters of its SQLSTATE.
        code: String,
        /// What it said, without the details, which may quote a row.
        message: String,
    },
    /// Put another login in its place.
    #[error("the stored login of profile `{profile}` cannot be used: {source}")]
    Login {
        /// Whose login it is.
        profile: ProfileRef,
        /// What is wrong with it.
        source: AuthJsonError,
    },
    /// Sign in again: this copy is older than what is stored, or was used up.
    #[error("the refresh token of this login was used already")]
    Spent,
    /// One sign-in belongs to one profile: sign in once more for another.
    #[error("the same login is stored as another profile already")]
    AlreadyStored,
    /// Remove the profile first, if it is to be another account's.
    #[error("profile `{0}` has another account's login")]
    AnotherAccount(ProfileRef),
    /// A name that no profile can have: empty, or longer than 200 bytes.
    #[error("this is no name for a profile")]
    Name,
    /// The file for an answer that the database would not take could not be read or written.
    #[error("the rescue file {path} cannot be used: {reason}")]
    Rescue {
        /// The file concerned.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
}

impl PostgresError {
    /// The same for whoever asked for credentials.
    pub(super) fn for_credentials(self) -> CredentialError {
        storage(PathBuf::from(TABLE), self)
    }

    /// Whether all went well, and the answer is no, or cannot be understood.
    pub(super) fn is_an_answer(&self) -> bool {
        matches!(
            self,
            Self::Login { .. } | Self::Spent | Self::AlreadyStored | Self::AnotherAccount(_)
        )
    }

    pub(super) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == SqlState::UNIQUE_VIOLATION.code())
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    /// The details of a refusal are dropped: they may quote the row, and the row holds tokens.
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            return Self::Unreachable(with_causes(&error));
        };
        match refusal.code() {
            &SqlState::UNDEFINED_TABLE
            | &SqlState::UNDEFINED_COLUMN
            | &SqlState::INVALID_SCHEMA_NAME => Self::NotMigrated,
            code if is_an_end(code.code()) => Self::Unreachable(refusal.message().to_owned()),
            code => Self::Refused {
                code: code.code().to_owned(),
                message: refusal.message().to_owned(),
            },
        }
    }
}

/// Connections that break (class 08), and servers that stop or start (57P…).
fn is_an_end(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("57P")
}

fn with_causes(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
