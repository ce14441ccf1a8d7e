//! The quota of every login, as it was read last.
//!
//! Readings are kept by the identity of a login, so they stay through a rename, a new sign-in and a
//! switch; in memory, and in `router/usage.json` for the next start and for other programs. A file
//! that is lost or broken costs no more than the next reading.

mod alarms;
mod file;
mod writer;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use codex_auth::{
    AuthDotJson, PlanType, ProfileRef,
    usage::{Limits, Reading, Usage, UsageWindow},
};
use jiff::Timestamp;
use tracing::warn;

use crate::{
    error::StoreError,
    fs::stamp::Stamp,
    memory::lock,
    quota::{
        alarms::{Alarms, Rung},
        file::UsageFile,
        writer::{Pause, Writer},
    },
    store::{ProfileStore, blocking},
    upkeep::{Limit, Notice},
};

/// The readings of one home.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    known: Mutex<Known>,
    writer: Writer,
    /// Whether this program is the one that tells people.
    tells: AtomicBool,
    served: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    accounts: HashMap<String, Account>,
    /// That of the file with the same content.
    stamp: Option<Stamp>,
    /// Whether there is more here than in the file.
    is_ahead: bool,
}

#[derive(Debug, Clone, Default)]
struct Account {
    limits: Limits,
    alarms: Alarms,
}

/// What came of taking in a reading.
#[derive(Debug)]
struct Taken {
    is_news: bool,
    alarms: Vec<(Rung, UsageWindow)>,
}

impl ProfileStore {
    /// Takes in what was read of the limits of the login with this
    /// [fingerprint](codex_auth::Identity::fingerprint), which `profile` holds.
    ///
    /// Returns at once; the file follows within a second, or a minute where nothing but the age of
    /// a reading changed, as long as the Tokio runtime lives in which it was called. While an
    /// [`Upkeep`](crate::Upkeep) runs, a limit that comes near, is reached or begins anew is told
    /// once.
    pub fn record_usage(&self, profile: &ProfileRef, identity: &str, reading: &Reading) {
        let taken = self.quota.take(identity, reading);
        if taken.is_news && taken.alarms.is_empty() {
            self.notices.changed();
        }
        let pause = if taken.is_news {
            Pause::Short
        } else {
            Pause::Long
        };
        self.tell_alarms(profile, taken.alarms);
        self.write_usage_after(pause);
    }

    /// The quota of the login with this fingerprint, if it was ever read.
    #[must_use]
    pub fn usage(&self, identity: &str) -> Option<Usage> {
        self.quota.usage(identity, Timestamp::now())
    }

    /// Takes note that a request was served. See [`requests_served`](Self::requests_served).
    pub fn note_request(&self) {
        self.quota.served.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests were noted since the program started: whether anybody is at work.
    #[must_use]
    pub fn requests_served(&self) -> u64 {
        self.quota.served.load(Ordering::Relaxed)
    }

    /// Takes in what other programs have read, and tells of limits that have begun anew since
    /// anything was read.
    ///
    /// # Errors
    /// As for [`list`](Self::list).
    pub async fn check_limits(&self) -> Result<(), StoreError> {
        self.follow_usage_file().await;
        for profile in self.list().await? {
            if let Some(login) = &profile.login {
                let alarms = self.quota.judge(&fingerprint(login), Timestamp::now());
                self.tell_alarms(&profile.label, alarms);
            }
        }
        Ok(())
    }

    /// When the next limit that somebody was told of begins anew after this moment.
    #[must_use]
    pub fn next_limit_reset(&self, after: Timestamp) -> Option<Timestamp> {
        let known = lock(&self.quota.known);
        let resets = known.accounts.values();
        resets
            .filter_map(|account| account.alarms.next_reset(after))
            .min()
    }

    /// Brings readings to disk that are in memory alone: to be awaited before the program ends.
    pub async fn keep_usage(&self) {
        if lock(&self.quota.known).is_ahead {
            self.write_usage().await;
        }
    }

    /// Reads the file again if another program has written it.
    pub(crate) async fn follow_usage_file(&self) {
        let store = self.clone();
        let followed = blocking(move || {
            store.quota.follow(&store.disk.home);
            Ok(())
        });
        // Only a program that shuts down does not come to it.
        let _ = followed.await;
    }

    pub(crate) fn usage_of(&self, login: &AuthDotJson) -> Option<Usage> {
        self.usage(&fingerprint(login))
    }

    /// The plan, as it was told along with the limits, if that is newer than the tokens.
    pub(crate) fn plan_of(&self, login: &AuthDotJson) -> Option<PlanType> {
        let known = lock(&self.quota.known);
        let account = known.accounts.get(&fingerprint(login))?;
        let (plan, read_at) = account.limits.plan()?;
        let is_newer = login.last_refresh().is_none_or(|tokens| tokens <= read_at);
        is_newer.then(|| plan.clone())
    }

    fn tell_alarms(&self, profile: &ProfileRef, alarms: Vec<(Rung, UsageWindow)>) {
        for (rung, window) in alarms {
            self.notices.tell(notice(profile, rung, &window));
        }
    }

    fn write_usage_after(&self, pause: Pause) {
        let store = self.clone();
        self.quota.writer.after(pause, async move {
            store.write_usage().await;
        });
    }

    async fn write_usage(&self) {
        let store = self.clone();
        if let Err(error) = blocking(move || store.quota.write(&store.disk.home)).await {
            warn!(%error, "the quota is kept in memory alone");
        }
    }
}

impl Quota {
    /// With what was read before this program started.
    pub(crate) fn load(home: &crate::CodexHome) -> Self {
        let quota = Self::default();
        quota.follow(home);
        quota
    }

    /// From now on this program tells people what they want to know.
    pub(crate) fn tell_from_now_on(&self) {
        self.tells.store(true, Ordering::Relaxed);
    }

    fn take(&self, identity: &str, reading: &Reading) -> Taken {
        let now = Timestamp::now();
        let mut known = lock(&self.known);
        known.is_ahead = true;
        let account = known.accounts.entry(identity.to_owned()).or_default();
        let before = account.limits.usage(now);
        account.limits.take(reading);
        let after = account.limits.usage(now);
        Taken {
            is_news: match (&before, &after) {
                (Some(before), Some(after)) => !before.says_the_same(after),
                (before, after) => before.is_some() != after.is_some(),
            },
            alarms: self.alarms_of(account, now),
        }
    }

    fn judge(&self, identity: &str, now: Timestamp) -> Vec<(Rung, UsageWindow)> {
        let mut known = lock(&self.known);
        let account = known.accounts.get_mut(identity);
        let alarms = account.map(|account| self.alarms_of(account, now));
        let alarms = alarms.unwrap_or_default();
        known.is_ahead |= !alarms.is_empty();
        alarms
    }

    fn alarms_of(&self, account: &mut Account, now: Timestamp) -> Vec<(Rung, UsageWindow)> {
        if !self.tells.load(Ordering::Relaxed) {
            return Vec::new();
        }
        account.alarms.judge(&account.limits.windows(now), now)
    }

    fn usage(&self, identity: &str, now: Timestamp) -> Option<Usage> {
        let known = lock(&self.known);
        known.accounts.get(identity)?.limits.usage(now)
    }

    fn follow(&self, home: &crate::CodexHome) {
        let path = home.usage_json();
        let stamp = Stamp::of(&path);
        if stamp.is_none() || lock(&self.known).stamp == stamp {
            return;
        }
        let file = UsageFile::read(&path);
        let mut known = lock(&self.known);
        known.merge(&file, self.tells.load(Ordering::Relaxed));
        known.stamp = stamp;
    }

    fn write(&self, home: &crate::CodexHome) -> Result<(), StoreError> {
        let path = home.usage_json();
        let _lock = UsageFile::lock(home)?;
        self.follow(home);
        let mut file = UsageFile::read(&path);
        {
            let mut known = lock(&self.known);
            known.is_ahead = false;
            let tells = self.tells.load(Ordering::Relaxed);
            for (identity, account) in &known.accounts {
                file.set(identity, account, tells);
            }
        }
        let written = file.write(&path).map_err(StoreError::io(&path));
        let mut known = lock(&self.known);
        known.is_ahead |= written.is_err();
        known.stamp = Stamp::of(&path);
        written
    }
}

impl Known {
    /// Whoever tells people knows best what they were told.
    fn merge(&mut self, file: &UsageFile, tells: bool) {
        for (identity, theirs) in file.accounts() {
            let is_new = !self.accounts.contains_key(&identity);
            let account = self.accounts.entry(identity).or_default();
            account.limits.merge(&theirs.limits);
            if is_new || !tells {
                account.alarms = theirs.alarms;
            }
        }
    }
}

fn notice(profile: &ProfileRef, rung: Rung, window: &UsageWindow) -> Notice {
    let limit = Limit {
        profile: profile.clone(),
        window: window.name.clone(),
        used_percent: window.used_percent.map(whole_percent),
        resets_at: window.resets_at.filter(|_| rung != Rung::Free),
    };
    match rung {
        Rung::Near => Notice::LimitNear(limit),
        Rung::Reached => Notice::LimitReached(limit),
        Rung::Free => Notice::LimitReset(limit),
    }
}

/// Rounded down: a limit is not reached before it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 100"
)]
fn whole_percent(percent: f64) -> u8 {
    percent.clamp(0.0, 100.0).floor() as u8
}

fn fingerprint(login: &AuthDotJson) -> String {
    login.identity().fingerprint()
}

#[cfg(test)]
mod tests;
