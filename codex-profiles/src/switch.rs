//! Making a profile the current one, without losing the login that was live before.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use codex_auth::{
    AuthDotJson,
    refresh::{CODEX_WINDOW, Freshness, RefreshReason},
    secret::RefreshToken,
};
use jiff::Timestamp;
use tracing::{debug, info, warn};

use crate::{
    audit::{Action, Deed},
    disk::{Disk, LiveRead, MAX_TRIES, ProfilesLock},
    error::StoreError,
    faults::Step,
    fs::{ReadError, atomic, lock::FileLock},
    journal::SwitchIntent,
    keep::{Change, Kept, was_spent},
    live::{LiveUnknown, is_same},
    profile::{Place, ProfileName},
    state::State,
    store::{ProfileStore, blocking},
};

/// A refresh that is under way has ended by then.
const REFRESH_LIMIT: Duration = Duration::from_secs(40);

/// How long a refresh of Codex is waited for. One takes a second, as a rule.
const CODEX_GRACE: Duration = Duration::from_secs(3);
const CODEX_POLL: Duration = Duration::from_millis(50);

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
    /// Why the login that Codex itself uses was left as it is, where it could not be replaced. The
    /// profile serves clients of the router all the same.
    pub live_unknown: Option<LiveUnknown>,
    /// Whether Codex is held to another workspace, and so logs out of this login when it starts:
    /// see [`workspace`](crate::workspace).
    pub codex_refuses: bool,
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
        self.refresh_before_codex_would(name).await;
        let (disk, auditor, name) = (self.disk.clone(), self.auditor(), name.clone());
        blocking(move || {
            let begun = auditor.begin(Deed::of(Action::Switch, &name));
            let switched = disk.switch_to(&name)?;
            begun.done_as(|deed| switched.tell(deed));
            Ok(switched)
        })
        .await
    }

    /// A login in its last minutes is refreshed before Codex gets to see it, which would do so at
    /// once, and without a lock. That it cannot be refreshed is no reason not to switch.
    async fn refresh_before_codex_would(&self, name: &ProfileName) {
        let login = self.login_at(&Place::Profile(name.clone())).await;
        let expiring = login.is_ok_and(|login| {
            login.is_ok_and(|login| {
                Freshness::of(&login, Timestamp::now()) == Freshness::Expiring
                    && login.refresh_token().is_some()
            })
        });
        if expiring
            && let Err(error) = self
                .refresh_profile(name, RefreshReason::ProactiveExpiry)
                .await
        {
            debug!(profile = %name, %error, "not refreshed before the switch");
        }
    }
}

impl Switched {
    fn tell(&self, deed: Deed) -> Deed {
        match &self.kept_as {
            Some(kept) => deed.with_detail(format_args!("the live login was kept as {kept}")),
            None => deed,
        }
    }
}

/// What became of the two logins of a switch.
struct InPlace {
    kept: Option<Kept>,
    published: bool,
    unknown: Option<LiveUnknown>,
}

impl Disk {
    fn switch_to(&self, target: &ProfileName) -> Result<Switched, StoreError> {
        self.let_codex_finish();
        let ours = self.home.router();
        atomic::create_folder(&ours).map_err(StoreError::io(&ours))?;
        // Taken first, as a refresh does it too.
        let _token = self.lock_token_of(target)?;
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
                self.note_live_as_ours();
                info!(profile = %target, "current profile");
                Ok(switched)
            }
            Err(error) => {
                self.settle_switch(&lock)?;
                self.end_switch()?;
                Err(error)
            }
        }
    }

    /// A Codex that refreshes the live login throws away what it gets when it finds another one in its
    /// place (wire reference 1.4). In the minutes in which it does so, it is given a moment.
    fn let_codex_finish(&self) {
        let Ok(live) = self.live() else { return };
        let ends = live.access_token_expires_at();
        let near = ends.is_some_and(|at| at.duration_since(Timestamp::now()) <= CODEX_WINDOW);
        if !near || live.refresh_token().is_none() || !self.neighbours.may_include_codex(&self.home)
        {
            return;
        }
        let began = Instant::now();
        while began.elapsed() < CODEX_GRACE
            && self.live().is_ok_and(|now| now.holds_same_secrets(&live))
        {
            thread::sleep(CODEX_POLL);
        }
    }

    /// That the live login is another one now is nobody else's doing.
    fn note_live_as_ours(&self) {
        let Ok(live) = self.live() else { return };
        let identity = live.identity().fingerprint();
        let noted = State::update(&self.home, |state| {
            state.set_live_identity(Some(&identity));
        });
        if let Err(error) = noted {
            warn!(%error, "the live login could not be noted as our own choice");
        }
    }

    /// Waits until nobody spends the token of a login: Codex must not get to see it meanwhile.
    fn lock_token_of(&self, name: &ProfileName) -> Result<Option<FileLock>, StoreError> {
        for _ in 0..MAX_TRIES {
            let login = self.target(name)?;
            let Some(token) = login.refresh_token().map(RefreshToken::fingerprint) else {
                return Ok(None);
            };
            let path = self.home.refresh_lock(&token);
            let lock = FileLock::acquire(&path, 0o600, REFRESH_LIMIT)?;
            if was_spent(&*self.target(name)?, &token) {
                return Ok(Some(lock));
            }
        }
        let path = self.home.auth_json_of(name);
        Err(StoreError::Contended { path })
    }

    fn publish_target(
        &self,
        lock: &ProfilesLock,
        target: &ProfileName,
        previous: Option<ProfileName>,
    ) -> Result<Switched, StoreError> {
        let InPlace {
            kept,
            published,
            unknown,
        } = self.put_target_in_place(lock, target)?;
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
            live_unknown: unknown,
            // It is made: that it cannot be read just now makes it no failure.
            codex_refuses: self
                .target(target)
                .is_ok_and(|login| self.codex_refuses(&login)),
        })
    }

    /// Saves the live login back and puts the target in its place; again, when the live login
    /// changed between the two.
    fn put_target_in_place(
        &self,
        lock: &ProfilesLock,
        target: &ProfileName,
    ) -> Result<InPlace, StoreError> {
        for _ in 0..MAX_TRIES {
            let live = self.live();
            let kept = match &live {
                Ok(login) => Some(self.save_back(lock, target, login)?),
                Err(_) => None,
            };
            self.step(Step::SavedBack)?;
            // Read after saving back, which may just have renewed it.
            let login = self.target(target)?;
            let (mut is_as_saved, mut unknown) = (true, None);
            let published = self.change_live(|now| {
                is_as_saved = is_same(&live, now);
                unknown = unknown_in(now);
                let there = now.as_ref().is_ok_and(|now| now.holds_same_secrets(&login));
                (is_as_saved && !there).then(|| AuthDotJson::clone(&login))
            });
            let published = match published {
                // A keyring that shows its entry and takes none is as good as one out of reach.
                Err(StoreError::Keyring(error)) => {
                    unknown = Some(error.into());
                    false
                }
                Err(StoreError::LiveUnknown(error)) => {
                    unknown = Some(error);
                    false
                }
                published => published?,
            };
            if is_as_saved {
                return Ok(InPlace {
                    kept,
                    published,
                    unknown,
                });
            }
        }
        let path = self.live_label();
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

fn unknown_in(live: &LiveRead) -> Option<LiveUnknown> {
    match live {
        Err(ReadError::LiveUnknown(unknown)) => Some(unknown.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
