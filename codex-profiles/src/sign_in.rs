//! Keeping a fresh sign-in: the only copy of a living login, in the memory of this process.

use std::{thread, time::Duration};

use codex_auth::{AuthDotJson, Identity};
use tracing::{info, warn};

use crate::{
    audit::{Action, Deed},
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::{ReadError, atomic},
    profile::ProfileName,
    store::{ProfileStore, blocking},
};

/// Room for a login of any usual size, and then some.
const ROOM_BYTES: usize = 64 << 10;
/// A disk that refuses once may take it a moment later.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
];

/// Where a fresh sign-in is kept now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptSignIn {
    /// The profile that holds it.
    pub name: ProfileName,
    /// Whether the profile is new; else it was renewed, whatever state it was in.
    pub created: bool,
    /// Whether the name that was asked for could not be had: it holds the login of another account,
    /// or cannot be written. That login is as it was.
    pub name_taken: bool,
    /// Whether Codex's own login, being of the same account, was renewed too.
    pub published: bool,
}

/// The place for a sign-in.
struct Chosen {
    name: ProfileName,
    created: bool,
    name_taken: bool,
}

impl ProfileStore {
    /// Whether a sign-in could be kept just now: to be asked before a person begins one.
    ///
    /// # Errors
    /// [`StoreError::Io`]: free some space, or mend the permissions.
    pub async fn probe_room(&self) -> Result<(), StoreError> {
        let disk = self.disk.clone();
        blocking(move || {
            let path = disk.home.profiles().join("new");
            atomic::probe(&path, ROOM_BYTES).map_err(StoreError::io(&path))
        })
        .await
    }

    /// Keeps a login that was made just now. A profile of the same identity is renewed: the one
    /// that is `wanted` if it is, else the current one, else the first. Otherwise a new profile is
    /// made, named as `wanted` or after the e-mail address; when that name holds another account's
    /// login, under the next free one, since nobody can know beforehand who will sign in.
    ///
    /// A fresh sign-in counts as newer than any other copy of its identity, whatever the clocks
    /// say. Where Codex's own login is of the same identity, it is renewed too; one of another
    /// identity is never touched.
    ///
    /// # Errors
    /// Those of writing, after several tries in several places. The login is on no disk then: mend
    /// what the error says, and call this again with the same login.
    ///
    /// # Cancellation
    /// It is kept whether or not anybody still waits.
    pub async fn keep_sign_in(
        &self,
        login: &AuthDotJson,
        wanted: Option<ProfileName>,
    ) -> Result<KeptSignIn, StoreError> {
        let (disk, auditor, login) = (self.disk.clone(), self.auditor(), login.clone());
        blocking(move || {
            let begun = auditor.begin(Deed::new(Action::Login));
            let kept = disk.keep_sign_in(&login, wanted.as_ref())?;
            begun.done_as(|deed| deed.with_profile(kept.name.as_str()));
            Ok(kept)
        })
        .await
    }
}

impl Disk {
    fn keep_sign_in(
        &self,
        login: &AuthDotJson,
        wanted: Option<&ProfileName>,
    ) -> Result<KeptSignIn, StoreError> {
        let (chosen, published) = self.keep_persistently(login, wanted)?;
        info!(profile = %chosen.name, created = chosen.created, "a sign-in was kept");
        Ok(KeptSignIn {
            name: chosen.name,
            created: chosen.created,
            name_taken: chosen.name_taken,
            published,
        })
    }

    fn keep_persistently(
        &self,
        login: &AuthDotJson,
        wanted: Option<&ProfileName>,
    ) -> Result<(Chosen, bool), StoreError> {
        let mut failed = StoreError::Interrupted;
        for pause in PAUSES {
            thread::sleep(pause);
            match self.keep_at(login, |lock| self.place_for(lock, login, wanted)) {
                Ok(kept) => return Ok(kept),
                Err(error) => failed = error,
            }
        }
        warn!(error = %failed, "a sign-in could not be kept where it belongs");
        let elsewhere = |_: &ProfilesLock| Ok(self.new_place(login, None, true));
        self.keep_at(login, elsewhere).map_err(|_| failed)
    }

    fn keep_at(
        &self,
        login: &AuthDotJson,
        choose: impl FnOnce(&ProfilesLock) -> Result<Chosen, StoreError>,
    ) -> Result<(Chosen, bool), StoreError> {
        let lock = self.lock_profiles()?;
        let chosen = choose(&lock)?;
        let mut renewed = login.clone();
        if let Ok(old) = self.profile(&chosen.name) {
            renewed.carry_unknown_from(&old);
        }
        self.write_profile(&lock, &chosen.name, &renewed)?;
        // Under the same lock: nobody may take the older live login for the newer one in between.
        let published = self.publish_sign_in(login).unwrap_or_else(|error| {
            // The next request that needs it tries again: the newest copy wins.
            warn!(%error, "a sign-in could not be published to the live login");
            false
        });
        Ok((chosen, published))
    }

    fn place_for(
        &self,
        _lock: &ProfilesLock,
        login: &AuthDotJson,
        wanted: Option<&ProfileName>,
    ) -> Result<Chosen, StoreError> {
        if let Some(name) = self.profile_of(&login.identity(), wanted)? {
            return Ok(Chosen {
                name,
                created: false,
                name_taken: false,
            });
        }
        let free = wanted.filter(|name| self.is_free_or_broken(name));
        Ok(match free {
            Some(name) => Chosen {
                name: name.clone(),
                created: true,
                name_taken: false,
            },
            None => self.new_place(login, wanted, wanted.is_some()),
        })
    }

    /// The profile to renew.
    fn profile_of(
        &self,
        identity: &Identity,
        wanted: Option<&ProfileName>,
    ) -> Result<Option<ProfileName>, StoreError> {
        let copies = self.of_identity(identity)?;
        let current = self.current().ok().flatten();
        let holds = |name: &&ProfileName| copies.iter().any(|(copy, _)| copy == *name);
        let preferred = wanted.into_iter().chain(&current).find(holds).cloned();
        Ok(preferred.or_else(|| copies.into_iter().next().map(|(name, _)| name)))
    }

    /// A file that holds no login that could be read is set aside by whoever writes there, and
    /// signing in again is how a person mends it.
    fn is_free_or_broken(&self, name: &ProfileName) -> bool {
        !self.is_taken(name) || matches!(self.profile(name), Err(ReadError::Content(_)))
    }

    fn new_place(
        &self,
        login: &AuthDotJson,
        wanted: Option<&ProfileName>,
        name_taken: bool,
    ) -> Chosen {
        let name = match wanted {
            Some(wanted) => self.free_name((2..).map(|n| wanted.numbered(n))),
            None => self.default_name(login),
        };
        Chosen {
            name,
            created: true,
            name_taken,
        }
    }

    /// Renews the live login if it is of the same identity.
    fn publish_sign_in(&self, login: &AuthDotJson) -> Result<bool, StoreError> {
        self.change_live(|live| {
            let live = live.as_ref().ok()?;
            let due = live.identity() == login.identity() && !live.holds_same_secrets(login);
            due.then(|| {
                let mut login = login.clone();
                login.carry_unknown_from(live);
                login
            })
        })
    }
}

#[cfg(test)]
mod tests;
