//! Replacing the live login, where Codex reads it and under Codex's own locks.

use std::path::PathBuf;

use codex_auth::{AuthDotJson, AuthJsonError};
use jiff::Timestamp;
use tracing::warn;

use crate::{
    disk::{Disk, LiveRead, MAX_TRIES, holds_something, lock_codex_file, set_aside_unreadable},
    error::StoreError,
    faults::Step,
    fs::{ReadError, atomic},
    live::{VaultError, find::Seat, sharing::token_of, vault::SecretBytes},
};

impl Disk {
    /// Reads the live login under Codex's own locks and writes what `decide` makes of it, if
    /// anything, and if it is known where. Says whether it wrote. `decide` is asked again when the
    /// login changes meanwhile.
    pub(crate) fn change_live(
        &self,
        mut decide: impl FnMut(&LiveRead) -> Option<AuthDotJson>,
    ) -> Result<bool, StoreError> {
        let _commit = self.lock_codex()?;
        for _ in 0..MAX_TRIES {
            let seen = self.find_live();
            let Some(login) = decide(&seen.login) else {
                return Ok(false);
            };
            let replaced = match seen.seat {
                Seat::File => self.replace_file(&seen.login, &login)?,
                Seat::Vault => self.replace_in_vault(&seen.login, &login)?,
                Seat::VaultOrFile => self.replace_in_either(&seen.login, &login)?,
                // Nobody would read it.
                Seat::Nowhere => return Ok(false),
            };
            if replaced {
                return Ok(true);
            }
        }
        let path = self.live_label();
        Err(StoreError::Contended { path })
    }

    /// Puts `login` in the place of what was `seen` there, if it still is. Codex gives up on a
    /// commit of its own, and posts a spent token, when its second lock is held for long (wire
    /// reference 1.4); so all that is slow is done before it is taken.
    fn replace_file(&self, seen: &LiveRead, login: &AuthDotJson) -> Result<bool, StoreError> {
        let real = self.live_target()?;
        let failed = || StoreError::io(&real);
        set_aside_unreadable(&self.home.auth_json())?;
        self.faults.at(Step::BeforeLiveWritten).map_err(failed())?;
        let prepared = atomic::prepare(&real, &login.to_bytes()).map_err(failed())?;
        {
            let _file = lock_codex_file(&real)?;
            if !is_same(seen, &self.live_file()) {
                return Ok(false);
            }
            prepared.put_in_place().map_err(failed())?;
        }
        atomic::sync_folder_of(&real).map_err(failed())?;
        Ok(true)
    }

    /// The same in the keyring, whose entry is replaced as a whole or not at all. Codex takes its
    /// second lock here as well; a keyring that hangs holds it for four seconds at the most, and
    /// Codex waits for five.
    fn replace_in_vault(&self, seen: &LiveRead, login: &AuthDotJson) -> Result<bool, StoreError> {
        let path = self.home.auth_json();
        self.set_entry_aside_unreadable()?;
        let failed = StoreError::io(self.home.root());
        self.faults.at(Step::BeforeLiveWritten).map_err(failed)?;
        let value = SecretBytes::new(login.to_compact_bytes());
        let _file = lock_codex_file(&path)?;
        if !is_same(seen, &self.live()) {
            return Ok(false);
        }
        let written = self.live_store.vault.write(&self.account(), value);
        self.live_store.forget();
        written.map_err(StoreError::Keyring)?;
        self.note_shared_token(&token_of(login));
        Ok(true)
    }

    fn replace_in_either(&self, seen: &LiveRead, login: &AuthDotJson) -> Result<bool, StoreError> {
        match self.replace_in_vault(seen, login) {
            Err(StoreError::Keyring(error @ VaultError::Refused(_))) => {
                warn!(%error, "the login goes to auth.json, as Codex does it");
                self.replace_file(seen, login)
            }
            replaced => replaced,
        }
    }

    /// Keeps a copy of an entry that is about to be replaced and cannot be understood, in a file
    /// beside the place of the live one.
    fn set_entry_aside_unreadable(&self) -> Result<(), StoreError> {
        let entry = self.vault_entry().map_err(StoreError::LiveUnknown)?;
        let Some(entry) = entry.filter(|entry| is_unknown_treasure(entry.expose())) else {
            return Ok(());
        };
        let name = format!("auth.json.broken-{}", Timestamp::now().as_nanosecond());
        let aside = self.home.root().join(name);
        atomic::write(&aside, entry.expose()).map_err(StoreError::io(&aside))?;
        warn!(aside = %aside.display(), "an unreadable login in the keyring was set aside");
        Ok(())
    }

    /// The file that a write of the live login replaces: what a symlink leads to, as Codex does it;
    /// but a symlink to a saved login is replaced itself, or a switch would write one profile over
    /// another.
    fn live_target(&self) -> Result<PathBuf, StoreError> {
        let path = self.home.auth_json();
        let real = atomic::real_path(&path).map_err(StoreError::io(&path))?;
        let of_a_profile = match (real.canonicalize(), self.home.profiles().canonicalize()) {
            (Ok(real), Ok(profiles)) => real.starts_with(profiles),
            _ => false,
        };
        Ok(if of_a_profile { path } else { real })
    }
}

/// Whether the live login still is what was read before. What cannot be read is set aside by
/// whoever replaces it.
pub(crate) fn is_same(before: &LiveRead, now: &LiveRead) -> bool {
    match (before, now) {
        (Ok(before), Ok(now)) => {
            before.identity() == now.identity() && before.holds_same_secrets(now)
        }
        (Err(before), Err(now)) => is_unknown(before) == is_unknown(now),
        _ => false,
    }
}

fn is_unknown(error: &ReadError) -> bool {
    matches!(error, ReadError::LiveUnknown(_))
}

fn is_unknown_treasure(bytes: &[u8]) -> bool {
    match AuthDotJson::parse(bytes) {
        Ok(_) => false,
        Err(AuthJsonError::NoLogin) => holds_something(bytes),
        Err(_) => true,
    }
}
