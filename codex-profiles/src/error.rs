//! What can go wrong with the files of logins.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use codex_auth::{CredentialError, ProfileRef};
use jiff::Timestamp;

use crate::{
    fs::{ReadError, lock::LockError},
    import::EntryError,
    live::{LiveUnknown, VaultError},
    profile::ProfileName,
};

/// Why something about the stored logins could not be done. Nothing was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Log in first.
    #[error("not logged in: {looked_at} holds no login")]
    NotLoggedIn {
        /// The file that was looked at.
        looked_at: PathBuf,
    },
    /// Name another profile, or create this one.
    #[error("no profile named `{0}`")]
    UnknownProfile(ProfileName),
    /// Nothing was removed under this name, or it was deleted for good.
    #[error("no removed profile named `{0}` is kept")]
    NothingRemoved(ProfileName),
    /// Choose another name.
    #[error("there is a profile named `{0}` already")]
    NameTaken(ProfileName),
    /// The profile has its new name; change the rest again.
    #[error(
        "the profile is named `{to}` now, but its label and its colour are as before: {source}"
    )]
    OnlyRenamed {
        /// The new name.
        to: ProfileName,
        /// Why the rest was not changed.
        source: Box<Self>,
    },
    /// Move those files elsewhere: only what is ours is deleted.
    #[error("{path} is not deleted: there is more in it than a login, `{name}` for one")]
    MoreThanALogin {
        /// The folder concerned.
        path: PathBuf,
        /// One of the files that are not ours.
        name: String,
    },
    /// Choose another name: that profile is somebody else's login.
    #[error("profile `{0}` holds the login of another account")]
    OtherIdentity(ProfileName),
    /// Make another profile the current one first.
    #[error("profile `{0}` is the current one")]
    IsCurrent(ProfileName),
    /// Sign in anew, or import from elsewhere.
    #[error(transparent)]
    Import(#[from] EntryError),
    /// Mend the clock, here or there; or sign in anew.
    #[error(
        "it is dated {at}, which is yet to come, and so it is not put in the place of the login \
         `{holder}`"
    )]
    FromTheFuture {
        /// The date in the file.
        at: Timestamp,
        /// Who has a login of that identity.
        holder: ProfileRef,
    },
    /// Refresh it once, which brings an id token, or log in to it again.
    #[error("profile `{0}` has no id token, and so Codex could not read it")]
    CodexCannotRead(ProfileName),
    /// Mend or remove the file.
    #[error("the login in {path} cannot be used: {source}")]
    Unusable {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
    /// Do what the sentence says; everything about saved logins works all the same.
    #[error("{}", with_action(.0))]
    LiveUnknown(LiveUnknown),
    /// Make the keyring take it, and try again.
    #[error("the login of Codex in the system's keyring was not replaced: of the keyring, {0}")]
    Keyring(VaultError),
    /// Choose a profile again; until then nobody can say which login should serve.
    #[error("{path} cannot be used: {}", ChooseAgain(source.clone()))]
    ChoiceUnreadable {
        /// The file that names the current profile.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
    /// Another program changed the live login over and over: try again.
    #[error("{path} was changed by another program again and again")]
    Contended {
        /// The file concerned.
        path: PathBuf,
    },
    /// Try again, or find out which program holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system refused; free some space or mend the permissions.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The HTTP client for the issuer could not be made.
    #[error("no HTTPS client: {0}")]
    Client(#[source] reqwest::Error),
    /// The work was cut short: the program is shutting down.
    #[error("the work was cut short")]
    Interrupted,
}

impl StoreError {
    /// For `map_err`: says which file an error of the operating system is about.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }

    pub(crate) fn unusable(path: &Path) -> impl FnOnce(ReadError) -> Self {
        let path = path.to_owned();
        |source| Self::Unusable { path, source }
    }

    /// The same for whoever asked for credentials; `path` when the error names none.
    pub(crate) fn for_credentials(self, path: &Path) -> CredentialError {
        match self {
            Self::UnknownProfile(name) => CredentialError::UnknownProfile(name.reference()),
            Self::NotLoggedIn { looked_at } => CredentialError::NotLoggedIn { looked_at },
            Self::Unusable { path, source } => storage(path, source),
            Self::Io { path, source } => storage(path, source),
            Self::ChoiceUnreadable { path, source } => storage(path, ChooseAgain(source)),
            other => storage(path.to_owned(), other),
        }
    }
}

fn with_action(unknown: &LiveUnknown) -> String {
    format!("{unknown}: {}", unknown.action())
}

/// What is wrong with the note of the current profile, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}; choose a profile with `codex-router use NAME`")]
struct ChooseAgain(ReadError);

pub(crate) fn storage(
    path: PathBuf,
    source: impl Error + Send + Sync + 'static,
) -> CredentialError {
    CredentialError::Storage {
        path,
        source: Arc::new(source),
    }
}
