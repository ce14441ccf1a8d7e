use codex_auth::{LoginReason, ProfileRef};
use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

use crate::{
    audit::{Action, Deed},
    profile::LIVE,
};

/// Notices that somebody may be behind with; after that the oldest are dropped.
const MAX_WAITING: usize = 64;

/// Something that happened to the logins and that a person may want to know. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Codex, or another program, refreshed the live login, and the profile has the new tokens.
    Adopted {
        /// The profile of that login.
        profile: ProfileRef,
    },
    /// The live login belongs to no profile: offer to save it.
    UnsavedLogin,
    /// The live login of this profile is gone, and not by a switch of ours. `codex login` and
    /// `codex logout` revoke the login they find (wire reference 4.6).
    SignedOutElsewhere {
        /// The profile that held the same login.
        profile: ProfileRef,
    },
    /// Only signing in again helps this profile.
    LoginRequired {
        /// The profile concerned.
        profile: ProfileRef,
        /// Why its login ended.
        reason: LoginReason,
    },
    /// Most of a limit is used.
    LimitNear(Limit),
    /// A limit is used up: requests fail until it is reset.
    LimitReached(Limit),
    /// A limit that was near or reached has begun anew.
    LimitReset(Limit),
    /// A request was served by another profile, since the current one could not, as the settings
    /// have it.
    FallbackUsed {
        /// The current profile.
        from: ProfileRef,
        /// The profile that served.
        to: ProfileRef,
    },
    /// Another profile is the current one.
    Switched {
        /// The current profile now.
        to: ProfileRef,
    },
}

/// One limit of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The profile.
    pub profile: ProfileRef,
    /// The window's name, such as `5h`.
    pub window: String,
    /// How much of it is used, in whole percent.
    pub used_percent: Option<u8>,
    /// When it begins anew.
    pub resets_at: Option<Timestamp>,
}

impl Notice {
    /// What another program did to a login.
    pub(super) fn deed(&self) -> Option<Deed> {
        match self {
            Self::Adopted { profile } => {
                Some(Deed::new(Action::Adopt).with_profile(profile.as_str()))
            }
            Self::UnsavedLogin => Some(Deed::new(Action::UnsavedLogin)),
            Self::SignedOutElsewhere { profile } => {
                let deed = Deed::new(Action::SignedOutElsewhere);
                Some(deed.with_profile(profile.as_str()))
            }
            _ => None,
        }
    }
}

impl Limit {
    /// The window of this name of a profile, of which nothing else is known.
    #[must_use]
    pub fn new(profile: ProfileRef, window: impl Into<String>) -> Self {
        Self {
            profile,
            window: window.into(),
            used_percent: None,
            resets_at: None,
        }
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Adopted { profile } => write!(
                f,
                "the live login was refreshed by another program; profile `{profile}` has it too"
            ),
            Self::UnsavedLogin => write!(
                f,
                "the login that Codex uses now is in no profile: `codex-router save` keeps it"
            ),
            Self::SignedOutElsewhere { profile } => write!(
                f,
                "Codex no longer uses the login of profile `{profile}`. If `codex login` or `codex \
                 logout` did that, OpenAI has ended that login: {}",
                LogIn(profile)
            ),
            Self::LoginRequired { profile, reason } => write!(
                f,
                "profile `{profile}` must log in again: {reason}. {}",
                LogIn(profile)
            ),
            Self::LimitNear(limit) => {
                let Limit {
                    profile, window, ..
                } = limit;
                let percent = limit.used_percent.unwrap_or_default();
                write!(
                    f,
                    "profile `{profile}` has used {percent}% of its {window} limit"
                )
            }
            Self::LimitReached(Limit {
                profile, window, ..
            }) => {
                write!(f, "profile `{profile}` has reached its {window} limit")
            }
            Self::LimitReset(Limit {
                profile, window, ..
            }) => {
                write!(
                    f,
                    "the {window} limit of profile `{profile}` has begun anew"
                )
            }
            Self::FallbackUsed { from, to } => write!(
                f,
                "a request was served by `{to}`, since `{from}` could not serve it"
            ),
            Self::Switched { to } => write!(f, "now using `{to}`"),
        }
    }
}

/// The command that renews a profile; the live login has no name that could be given.
struct LogIn<'a>(&'a ProfileRef);

impl std::fmt::Display for LogIn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_str() {
            LIVE => f.write_str("`codex-router login`"),
            name => write!(f, "`codex-router login {name}`"),
        }
    }
}

/// Where notices and changes are told of.
#[derive(Debug)]
pub(crate) struct Notices {
    told: broadcast::Sender<Notice>,
    changes: watch::Sender<u64>,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            told: broadcast::Sender::new(MAX_WAITING),
            changes: watch::Sender::new(0),
        }
    }
}

impl Notices {
    pub(crate) fn tell(&self, notice: Notice) {
        if let Notice::Adopted { .. } | Notice::Switched { .. } | Notice::LimitReset(_) = &notice {
            tracing::info!("{notice}");
        } else {
            tracing::warn!("{notice}");
        }
        // Nobody may be listening.
        let _ = self.told.send(notice);
        self.changed();
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.told.subscribe()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
