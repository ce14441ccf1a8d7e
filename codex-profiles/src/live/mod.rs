//! Where Codex keeps the login it uses: in `auth.json`, in the keyring of the operating system, or
//! where nobody else can look.
//!
//! Codex's own `config.toml` says which (`cli_auth_credentials_store`). A keyring is read and
//! written as Codex does it, through a [`Vault`]. Where the live login cannot be known, nothing is
//! guessed: [`LiveUnknown`] says why, clients of the router are served all the same, and
//! `auth.json`, which nobody would read, is neither made nor changed.
//!
//! No event tells of a change in a keyring. It is looked at when a login is asked for, at most every
//! two seconds, and once a minute by an [`Upkeep`](crate::Upkeep).
//!
//! Not seen from here: the setting in a `codex -c …` command line, or in the administrator's
//! managed configuration.

mod change;
#[cfg(test)]
pub(crate) mod fake;
mod find;
#[cfg(feature = "keyring")]
mod keyring;
mod patient;
mod setting;
mod sharing;
mod vault;

use std::{
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool},
    time::{Duration, Instant},
};

pub(crate) use change::is_same;
#[cfg(feature = "keyring")]
pub use keyring::KeyringVault;
use patient::PatientVault;
pub use setting::CredentialStoreMode;
pub(crate) use setting::Setting;
use setting::SettingCache;
pub use vault::{SERVICE, SecretBytes, Vault, VaultError, account_of};

use crate::{disk::LiveRead, home::CodexHome, memory::lock};

/// How long a reading of the keyring serves requests.
const RECENT: Duration = Duration::from_secs(2);

/// Why nobody here can say which login Codex uses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveUnknown {
    /// Only Codex itself can see it.
    #[error(
        "Codex keeps its login in its own memory alone (`cli_auth_credentials_store = \
         \"ephemeral\"` in config.toml)"
    )]
    Ephemeral,
    /// A newer Codex may know it.
    #[error("`cli_auth_credentials_store` in config.toml is set to `{0}`, which is not known here")]
    UnknownSetting(String),
    /// Only the key to it is in the keyring.
    #[error(
        "Codex keeps its login in an encrypted file of its own (the feature \
         `secret_auth_storage`)"
    )]
    Encrypted,
    /// The keyring was of no use.
    #[error("Codex looks for its login in the system's keyring, and {0}")]
    Keyring(#[from] VaultError),
}

impl LiveUnknown {
    /// Whether it may be known again without anybody changing a setting or a program.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Keyring(VaultError::NoAnswer | VaultError::Refused(_))
        )
    }

    /// Whether Codex may still hold what it held when that could be seen.
    pub(crate) fn may_hide_a_login(&self) -> bool {
        *self != Self::Ephemeral
    }

    /// What to do about it.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Keyring(VaultError::NoAnswer) => {
                "unlock the keyring, or allow the access it asks about, and try again"
            }
            Self::Keyring(VaultError::Refused(_)) => {
                "start or unlock the keyring and try again; or set cli_auth_credentials_store = \
                 \"file\" in config.toml, then `codex-router use NAME`"
            }
            Self::Keyring(VaultError::NotBuiltIn) => {
                "take a build with keyring support; or set cli_auth_credentials_store = \"file\" in \
                 config.toml, then `codex-router use NAME`"
            }
            Self::Encrypted => {
                "set secret_auth_storage = false under [features] in config.toml, then \
                 `codex-router use NAME`; or point Codex at the router"
            }
            Self::Ephemeral | Self::UnknownSetting(_) => {
                "point Codex at the router; or set cli_auth_credentials_store = \"file\" in \
                 config.toml, then `codex-router use NAME`"
            }
        }
    }
}

/// The place of one home's live login.
#[derive(Debug)]
pub(crate) struct LiveStore {
    vault: PatientVault,
    setting: SettingCache,
    recent: Mutex<Option<(Instant, LiveRead)>>,
    turn: Mutex<()>,
    warned: AtomicBool,
    /// The token noted last as the one that Codex has, by its fingerprint; empty for none.
    noted: Mutex<Option<String>>,
    /// Whether nothing is noted, since whoever looks is to change nothing.
    is_only_looked_at: bool,
}

impl LiveStore {
    pub(crate) fn new(vault: Arc<dyn Vault>) -> Self {
        Self {
            vault: PatientVault::new(vault),
            setting: SettingCache::default(),
            recent: Mutex::default(),
            turn: Mutex::default(),
            warned: AtomicBool::default(),
            noted: Mutex::default(),
            is_only_looked_at: false,
        }
    }

    /// The same, for whoever is to change nothing by looking.
    pub(crate) fn only_looked_at(self) -> Self {
        Self {
            is_only_looked_at: true,
            ..self
        }
    }

    /// With the keyring of this system, if this build can reach it.
    pub(crate) fn of_this_machine() -> Self {
        #[cfg(feature = "keyring")]
        let vault = KeyringVault;
        #[cfg(not(feature = "keyring"))]
        let vault = vault::NoVault;
        Self::new(Arc::new(vault))
    }

    /// What Codex is told about it now; one `stat`.
    pub(crate) fn setting(&self, home: &CodexHome) -> Setting {
        self.setting.of(home)
    }

    /// What was found last, if that was a moment ago.
    pub(crate) fn recent(&self) -> Option<LiveRead> {
        let recent = lock(&self.recent);
        let (at, login) = recent.as_ref()?;
        (at.elapsed() < RECENT).then(|| login.clone())
    }

    fn keep(&self, login: &LiveRead) {
        *lock(&self.recent) = Some((Instant::now(), login.clone()));
    }

    /// What was found does not hold any more.
    pub(crate) fn forget(&self) {
        *lock(&self.recent) = None;
    }

    /// Of many that find nothing recent, one looks.
    fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }
}

#[cfg(test)]
mod tests;
