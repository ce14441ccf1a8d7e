//! Reading the live login, wherever Codex keeps it.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use codex_auth::{AuthDotJson, AuthJsonError, auth_json::MAX_BYTES};
use tracing::warn;

use crate::{
    disk::{Disk, LiveRead},
    fs::{ReadError, read},
    live::{
        CredentialStoreMode, LiveUnknown,
        vault::{SERVICE, SecretBytes, account_of},
    },
};

/// Where a change of the live login goes, so that Codex finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    File,
    Vault,
    /// There is nothing in the vault, and if it takes nothing, Codex uses the file.
    VaultOrFile,
    Nowhere,
}

/// What is live, and where it is.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) seat: Seat,
    pub(super) login: LiveRead,
}

impl Found {
    fn at(seat: Seat, login: LiveRead) -> Self {
        Self { seat, login }
    }
}

impl From<LiveUnknown> for Found {
    fn from(unknown: LiveUnknown) -> Self {
        Self::at(Seat::Nowhere, Err(unknown.into()))
    }
}

impl Disk {
    /// Where Codex keeps its login.
    pub(crate) fn live_mode(&self) -> CredentialStoreMode {
        self.live_store.setting(&self.home).mode
    }

    /// Whether the live login is in `auth.json` and nowhere else.
    pub(crate) fn is_live_a_file(&self) -> bool {
        self.live_mode() == CredentialStoreMode::File
    }

    /// The live login as it is now.
    pub(crate) fn live(&self) -> LiveRead {
        self.find_live().login
    }

    /// The live login, where it is no file, as it was a moment ago.
    pub(crate) fn recent_live(&self) -> LiveRead {
        let recent = || self.live_store.recent();
        recent().unwrap_or_else(|| {
            let _turn = self.live_store.turn();
            recent().unwrap_or_else(|| self.live())
        })
    }

    /// What messages call the place of the live login.
    pub(crate) fn live_label(&self) -> PathBuf {
        match self.live_mode() {
            CredentialStoreMode::File => self.home.auth_json(),
            CredentialStoreMode::Keyring | CredentialStoreMode::Auto => {
                PathBuf::from(format!("keyring:{SERVICE}/{}", self.account()))
            }
            CredentialStoreMode::Ephemeral | CredentialStoreMode::Other(_) => {
                self.home.config_toml()
            }
        }
    }

    pub(super) fn account(&self) -> String {
        account_of(self.home.root())
    }

    pub(super) fn live_file(&self) -> LiveRead {
        read::reading(&self.home.auth_json()).login
    }

    pub(super) fn find_live(&self) -> Found {
        let found = match self.live_mode() {
            // Looked at by its stamp, whoever asks.
            CredentialStoreMode::File => return Found::at(Seat::File, self.live_file()),
            CredentialStoreMode::Keyring => self.find_in_vault(),
            CredentialStoreMode::Auto => self.find_in_either(),
            CredentialStoreMode::Ephemeral => LiveUnknown::Ephemeral.into(),
            CredentialStoreMode::Other(value) => LiveUnknown::UnknownSetting(value).into(),
        };
        self.live_store.keep(&found.login);
        self.note_shared(&found.login);
        found
    }

    fn find_in_vault(&self) -> Found {
        self.warn_of_a_file_that_nobody_reads();
        match self.ask_vault() {
            Ok(login) => Found::at(Seat::Vault, login),
            Err(unknown) => unknown.into(),
        }
    }

    /// Codex asks the keyring first, and looks at the file when that has or gives nothing. It may
    /// reach a keyring that we cannot, and removes the file whenever it writes there; so where
    /// neither is to be seen, nothing is known.
    fn find_in_either(&self) -> Found {
        let is_file = self.home.auth_json().symlink_metadata().is_ok();
        match self.ask_vault() {
            Ok(Err(ReadError::Missing)) if !is_file => {
                Found::at(Seat::VaultOrFile, Err(ReadError::Missing))
            }
            Ok(Err(ReadError::Missing)) | Err(_) if is_file => {
                Found::at(Seat::File, self.live_file())
            }
            // What is no login there is passed over by Codex, until something else is.
            Ok(Err(_)) if is_file => Found::at(Seat::Vault, self.live_file()),
            Ok(login) => Found::at(Seat::Vault, login),
            Err(unknown) => unknown.into(),
        }
    }

    fn ask_vault(&self) -> Result<LiveRead, LiveUnknown> {
        Ok(match self.vault_entry()? {
            Some(bytes) => parse(&bytes).map(Arc::new),
            None => Err(ReadError::Missing),
        })
    }

    pub(super) fn vault_entry(&self) -> Result<Option<SecretBytes>, LiveUnknown> {
        if self.live_store.setting(&self.home).is_encrypted() {
            return Err(LiveUnknown::Encrypted);
        }
        Ok(self.live_store.vault.read(&self.account())?)
    }

    fn warn_of_a_file_that_nobody_reads(&self) {
        let path = self.home.auth_json();
        if path.symlink_metadata().is_ok() && !self.live_store.warned.swap(true, Ordering::Relaxed)
        {
            warn!(
                path = %path.display(),
                "Codex uses the keyring and does not read this file, nor does the router"
            );
        }
    }
}

fn parse(bytes: &SecretBytes) -> Result<AuthDotJson, ReadError> {
    let bytes = bytes.expose();
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(AuthJsonError::TooLarge.into());
    }
    Ok(AuthDotJson::parse(bytes)?)
}
