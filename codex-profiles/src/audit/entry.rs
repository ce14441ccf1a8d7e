use std::{fmt, process};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::profile::ProfileName;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// When it was made.
    pub at: Timestamp,
    /// What was done.
    pub action: Action,
    /// The profile that it was done to, by the name that it had then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The name that it has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The client key, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// More of it, in a few words: which settings, or why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who did it.
    pub by: Actor,
    /// The process that did it, or that noticed.
    pub pid: u32,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// A sign-in, or an API key, was kept as a profile.
    Login,
    /// The live login was saved as a profile.
    Save,
    /// A profile was made the current one.
    Switch,
    /// A profile got another name.
    Rename,
    /// What a profile is shown as was changed.
    Describe,
    /// A profile was taken out of the list.
    Remove,
    /// A profile was brought back.
    Restore,
    /// A profile, or what was removed under its name, was deleted for good.
    Purge,
    /// A login was ended at the issuer.
    SignOut,
    /// A login has new tokens.
    Refresh,
    /// Another program had refreshed a login, and its profile has the new tokens.
    Adopt,
    /// The issuer refused a login for good.
    NeedsLogin,
    /// Another program put a login in the place of a profile's, or logged out of it.
    SignedOutElsewhere,
    /// Another program signed in with a login that is in no profile.
    UnsavedLogin,
    /// A login of a file was taken over.
    Import,
    /// A login was taken out, to be used elsewhere.
    Export,
    /// A client key was made.
    KeyCreated,
    /// A client key was taken back.
    KeyRevoked,
    /// Codex was pointed at the router.
    Attach,
    /// Codex was pointed at what it was pointed at before.
    Detach,
    /// Settings were changed.
    Settings,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Action {
    /// The word that the log has for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Save => "save",
            Self::Switch => "switch",
            Self::Rename => "rename",
            Self::Describe => "describe",
            Self::Remove => "remove",
            Self::Restore => "restore",
            Self::Purge => "purge",
            Self::SignOut => "sign_out",
            Self::Refresh => "refresh",
            Self::Adopt => "adopt",
            Self::NeedsLogin => "needs_login",
            Self::SignedOutElsewhere => "signed_out_elsewhere",
            Self::UnsavedLogin => "unsaved_login",
            Self::Import => "import",
            Self::Export => "export",
            Self::KeyCreated => "key_created",
            Self::KeyRevoked => "key_revoked",
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::Settings => "settings",
            Self::Unknown => "unknown",
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Actor {
    /// A person, or a script, by the command line or with the control token.
    Command,
    /// A person at the page.
    Page,
    /// A person at the tray.
    Tray,
    /// The router by itself: what keeps logins alive, or a request that needed it.
    Keeper,
    /// Codex, or another program that writes its files.
    Codex,
    /// A program that has not said what it is.
    #[default]
    Program,
    /// Somebody that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Actor {
    /// The word that the log has for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Page => "page",
            Self::Tray => "tray",
            Self::Keeper => "keeper",
            Self::Codex => "codex",
            Self::Program => "program",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change, before it is known who makes it and when.
#[derive(Debug, Clone)]
pub(crate) struct Deed(AuditEntry);

impl Deed {
    pub(crate) fn new(action: Action) -> Self {
        Self(AuditEntry {
            at: Timestamp::UNIX_EPOCH,
            action,
            profile: None,
            to: None,
            key: None,
            detail: None,
            by: Actor::default(),
            pid: process::id(),
        })
    }

    /// One that is done to a profile.
    pub(crate) fn of(action: Action, profile: &ProfileName) -> Self {
        Self::new(action).with_profile(profile.as_str())
    }

    /// The same by a name that may be that of the live login.
    pub(crate) fn with_profile(mut self, profile: &str) -> Self {
        self.0.profile = Some(profile.to_owned());
        self
    }

    pub(crate) fn to(mut self, name: &ProfileName) -> Self {
        self.0.to = Some(name.to_string());
        self
    }

    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.0.key = Some(key.to_owned());
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.0.detail = Some(detail.to_string());
        self
    }

    pub(super) fn by(self, actor: Actor) -> AuditEntry {
        let at = Timestamp::now().as_millisecond();
        AuditEntry {
            // No reader needs more than milliseconds.
            at: Timestamp::from_millisecond(at).unwrap_or_default(),
            by: actor,
            ..self.0
        }
    }
}
