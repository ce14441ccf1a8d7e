use std::io;

use codex_auth::{CredentialError, login::PasteError};
use codex_profiles::{
    ProfileNameError, SignOutError, StoreError,
    attach::AttachError,
    keys::{KeyError, KeyNameError},
};
use http::StatusCode;

use crate::{ApiError, usage::UsageError};

/// Why something that was asked of a running router was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Something about the files of logins; nothing was lost.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A profile was not signed out, or only in part.
    #[error(transparent)]
    SignOut(#[from] SignOutError),
    /// A login that needed to be refreshed could not be.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Choose another name.
    #[error(transparent)]
    Name(#[from] ProfileNameError),
    /// Correct this part of the request.
    #[error("{message}")]
    Invalid {
        /// The field concerned.
        param: String,
        /// What is wrong with it.
        message: String,
    },
    /// Something about the keys of clients.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Choose another name for a key.
    #[error(transparent)]
    KeyName(#[from] KeyNameError),
    /// Codex's settings were not changed.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The quota could not be asked for.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Nobody has said where this router serves.
    #[error("this router has no address yet")]
    NoAddress,
    /// The page is for browsers, which open neither Unix sockets nor pipes. Use the command line, or
    /// listen at an IP address.
    #[error(
        "a browser cannot open {0}: the page is there where the router listens at an IP address, \
         such as 127.0.0.1:9876"
    )]
    NotForBrowsers(String),
    /// There is no such sign-in, or no longer.
    #[error("there is no such sign-in: begin a new one")]
    NoSuchSignIn,
    /// That is not what the browser ended at; the sign-in goes on waiting.
    #[error(transparent)]
    Paste(#[from] PasteError),
    /// This kind of sign-in takes nothing that is pasted.
    #[error("nothing is pasted into this kind of sign-in")]
    NothingToPaste,
    /// No client for the issuer was given to this router.
    #[error("this router does not sign anybody in")]
    NoSignIns,
    /// The router runs without a desktop.
    #[error("the router runs without a desktop")]
    NoDesktop,
    /// The desktop refused.
    #[error("the desktop did not do it: {0}")]
    Desktop(#[source] io::Error),
    /// The system has no randomness to give, without which no secret is safe.
    #[error("no random numbers: {0}")]
    NoRandomness(#[source] io::Error),
}

impl ControlError {
    pub(super) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        let (param, message) = (param.into(), message.into());
        Self::Invalid { param, message }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        match &error {
            ControlError::Store(error) | ControlError::SignOut(SignOutError::Store(error)) => {
                of_store(error)
            }
            ControlError::SignOut(error) => of_sign_out(error),
            ControlError::Credential(error) => Self::from(error),
            ControlError::Name(error) => {
                refused(400, "invalid_profile_name", error.to_string()).with_param("name")
            }
            ControlError::Invalid { param, message } => {
                refused(400, "invalid_value", message).with_param(param)
            }
            ControlError::Key(error) => of_key(error),
            ControlError::KeyName(error) => {
                refused(400, "invalid_key_name", error.to_string()).with_param("name")
            }
            ControlError::Attach(AttachError::Store(error)) => of_store(error),
            ControlError::Attach(error) => refused(409, "not_attached", error.to_string()),
            ControlError::Usage(error) => of_usage(error),
            ControlError::NoAddress => failed(503, "no_address", error.to_string()),
            ControlError::NotForBrowsers(_) => refused(409, "not_for_browsers", error.to_string()),
            ControlError::NoSuchSignIn => refused(404, "no_such_sign_in", error.to_string()),
            ControlError::Paste(PasteError::Ended) => {
                refused(409, "sign_in_ended", error.to_string())
            }
            ControlError::Paste(_) => {
                refused(400, "not_the_address", error.to_string()).with_param("text")
            }
            ControlError::NothingToPaste => refused(409, "nothing_to_paste", error.to_string()),
            ControlError::NoSignIns => refused(409, "no_sign_ins", error.to_string()),
            ControlError::NoDesktop => refused(409, "no_desktop", error.to_string()),
            ControlError::Desktop(_) => failed(500, "desktop_failed", error.to_string()),
            ControlError::NoRandomness(_) => failed(500, "no_randomness", error.to_string()),
        }
    }
}

fn of_store(error: &StoreError) -> ApiError {
    let text = error.to_string();
    match error {
        StoreError::UnknownProfile(_) => refused(404, "no_such_profile", text),
        StoreError::NothingRemoved(_) => refused(404, "nothing_removed", text),
        StoreError::NotLoggedIn { .. } => refused(409, "not_logged_in", text),
        StoreError::NameTaken(_) => refused(409, "name_taken", text),
        StoreError::OtherIdentity(_) => refused(409, "other_identity", text),
        StoreError::IsCurrent(_) => {
            let text = format!("{text}: choose another one first");
            refused(409, "profile_is_current", text)
        }
        StoreError::MoreThanALogin { .. } => refused(409, "more_than_a_login", text),
        StoreError::CodexCannotRead(_) => refused(409, "codex_cannot_read", text),
        StoreError::Unusable { .. } => refused(409, "login_unusable", text),
        StoreError::LiveUnknown(_) => refused(409, "live_unknown", text),
        StoreError::Import(_) | StoreError::FromTheFuture { .. } => {
            refused(409, "not_imported", text)
        }
        StoreError::Contended { .. } | StoreError::Lock(_) => {
            failed(503, "busy", text).with_retry_after(1)
        }
        StoreError::Keyring(_) => failed(503, "keyring_refused", text),
        StoreError::Interrupted => failed(503, "stopping", text),
        _ => failed(500, "storage_failed", text),
    }
}

fn of_key(error: &KeyError) -> ApiError {
    let text = error.to_string();
    match error {
        KeyError::NameTaken(_) => refused(409, "name_taken", text),
        KeyError::Unknown(_) => refused(404, "no_such_key", text),
        KeyError::Store(error) => of_store(error),
        _ => failed(500, "no_randomness", text),
    }
}

fn of_usage(error: &UsageError) -> ApiError {
    let text = error.to_string();
    match error {
        UsageError::Login(error) => ApiError::from(error),
        UsageError::NoQuota => refused(409, "no_quota", text),
        _ => failed(502, "quota_unknown", text),
    }
}

fn of_sign_out(error: &SignOutError) -> ApiError {
    let text = error.to_string();
    match error {
        SignOutError::NothingToRevoke { .. } => refused(409, "nothing_to_sign_out", text),
        SignOutError::InPart { .. } => failed(502, "signed_out_in_part", text),
        _ => failed(502, "not_signed_out", text),
    }
}

fn refused(status: u16, code: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid_request(code, message).with_status(status_of(status))
}

fn failed(status: u16, code: &str, message: impl Into<String>) -> ApiError {
    ApiError::router(status_of(status), code, message)
}

fn status_of(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
