//! Making a profile the current one, without losing the login that was live before.

use std::sync::Arc;

use codex_auth::AuthDotJson;
use tracing::{info, warn};

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    faults::Step,
    fs::ReadError,
    journal::SwitchIntent,
    keep::{Change, Kept},
    profile::ProfileName,
    store::{ProfileStore, blocking},
};

/// How often the live login may change under our hands before we give up.
const MAX_TRIES: usize = 5;

/// What a switch did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switched {
    /// The profile that was current before, if it still exists.
    pub previous: Option<ProfileName>,
    /// The profile that is current now.
    pub current: ProfileName,
    /// The profile that the live login was saved back to, when it was newer there.
    pub saved_back: Option<ProfileName>,
    /// The new profile that the live login was kept as, when it was in none.
    pub kept_as: Option<ProfileName>,
    /// Whether the live file was changed; a Codex that has read it keeps its old login in memory.
    pub published: bool,
}

impl ProfileStore {
    /// Makes a profile the current one: saves the live login back to the profile of its identity,
    /// or keeps it as `unsaved-<n>`, then publishes the target to `auth.json` under Codex's own
    /// locks, then notes the choice. One transaction: cut short anywhere, the next
    /// [`open`](Self::open) or switch finishes or undoes it. For the profile that is current
    /// already, only what is amiss is repaired.
    ///
    /// # Errors
    /// A [`StoreError`]; nothing has changed then but perhaps a copy kept of the live login.
    ///
    /// # Cancellation
    /// A switch under way goes on to its end.
    pub async fn use_profile(&self, name: &ProfileName) -> Result<Switched, StoreError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || disk.switch_to(&name)).await
    }
}

impl Disk {
    fn switch_to(&self, target: &ProfileName) -> Result<Switched, StoreError> {
        let lock = self.lock_profiles()?;
        self.settle_switch(&lock)?;
        self.target(target)?;
        // A note that cannot be understood is what this switch is to mend.
        let previous = self.current().unwrap_or_else(|error| {
            warn!(%error, "the profile that was current before is not known");
            None
        });
        let previous = previous.filter(|name| self.is_taken(name));
        self.begin_switch(&SwitchIntent::new(previous.as_ref(), target))?;
        self.step(Step::SwitchNoted)?;
        match self.publish_target(&lock, target, previous) {
            Ok(switched) => {
                self.end_switch()?;
                info!(profile = %target, "current profile");
                Ok(switched)
            }
            Err(error) => {
                self.settle_switch(&lock)?;
                Err(error)
            }
        }
    }

    fn publish_target(
        &self,
        lock: &ProfilesLock,
        target: &ProfileName,
        previous: Option<ProfileName>,
    ) -> Result<Switched, StoreError> {
        let (kept, published) = self.replace_live(lock, target)?;
        self.step(Step::Published)?;
        self.set_current(target)?;
        self.step(Step::CurrentWritten)?;
        let name_if = |change| {
            let kept = kept.as_ref().filter(|kept| kept.change == change);
            kept.map(|kept| kept.name.clone())
        };
        Ok(Switched {
            previous,
            current: target.clone(),
            saved_back: name_if(Change::Renewed),
            kept_as: name_if(Change::Created),
            published,
        })
    }

    /// Saves the live login back and puts the target in its place; again, when the live login
    /// changed between the two. Says what was kept, and whether anything was published.
    fn replace_live(
        &self,
        lock: &ProfilesLock,
        target: &ProfileName,
    ) -> Result<(Option<Kept>, bool), StoreError> {
        for _ in 0..MAX_TRIES {
            let live = self.live();
            let kept = match &live {
                Ok(login) => Some(self.save_back(lock, target, login)?),
                Err(_) => None,
            };
            self.step(Step::SavedBack)?;
            // Read after saving back, which may just have renewed it.
            let login = self.target(target)?;
            let mut is_as_saved = true;
            let published = self.change_live(|now| {
                is_as_saved = is_same(&live, now);
                let there = now.as_ref().is_ok_and(|now| now.holds_same_secrets(&login));
                (is_as_saved && !there).then(|| AuthDotJson::clone(&login))
            })?;
            if is_as_saved {
                return Ok((kept, published));
            }
        }
        let path = self.home.auth_json();
        Err(StoreError::Contended { path })
    }

    fn save_back(
        &self,
        lock: &ProfilesLock,
        target: &ProfileName,
        live: &AuthDotJson,
    ) -> Result<Kept, StoreError> {
        if self.adopt_locked(lock, target, live)? {
            return Ok(Kept {
                name: target.clone(),
                change: Change::Renewed,
            });
        }
        self.keep(lock, live, None)
    }

    fn target(&self, name: &ProfileName) -> Result<Arc<AuthDotJson>, StoreError> {
        let login = self.profile(name).map_err(|error| match error {
            ReadError::Missing => StoreError::UnknownProfile(name.clone()),
            error => StoreError::unusable(&self.home.auth_json_of(name))(error),
        })?;
        if login.codex_can_read() {
            Ok(login)
        } else {
            Err(StoreError::CodexCannotRead(name.clone()))
        }
    }

    fn step(&self, step: Step) -> Result<(), StoreError> {
        self.faults
            .at(step)
            .map_err(StoreError::io(self.home.root()))
    }
}

type Read = Result<Arc<AuthDotJson>, ReadError>;

/// Whether the live file still holds what was saved back. What cannot be read is set aside by
/// whoever replaces it.
fn is_same(before: &Read, now: &Read) -> bool {
    match (before, now) {
        (Ok(before), Ok(now)) => {
            before.identity() == now.identity() && before.holds_same_secrets(now)
        }
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
