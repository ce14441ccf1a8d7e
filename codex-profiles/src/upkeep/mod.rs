//! What a program does for the logins as long as it runs: outside changes are taken in as they
//! happen, and logins that nobody uses are kept alive.
//!
//! ```no_run
//! # async fn run(store: codex_profiles::ProfileStore) {
//! let mut notices = store.notices();
//! let upkeep = tokio::spawn(store.upkeep().run());
//! while let Ok(notice) = notices.recv().await {
//!     println!("{notice}");
//! }
//! # upkeep.abort();
//! # }
//! ```

mod notice;
mod reconcile;
mod schedule;
mod watch;

use std::time::Duration;

use codex_auth::refresh::RefreshReason;
use jiff::Timestamp;
use tokio::{
    sync::{broadcast, watch as changes},
    time::{self, Instant},
};
use tracing::{debug, warn};

pub(crate) use notice::Notices;
pub use notice::{Limit, Notice};

use crate::{
    audit::Actor,
    profile::ProfileName,
    store::{ProfileStore, blocking},
    upkeep::{schedule::Due, watch::HomeWatch},
};

/// Several files change together as a rule; they are looked at once.
const SETTLE: Duration = Duration::from_millis(150);
/// The longest pause between two looks at the clock. The machine may sleep meanwhile, and the wall
/// clock, which tokens go by, may jump.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often files are looked at where the system does not tell of changes.
const LOOK: Duration = Duration::from_secs(2);
/// Between two idle logins, so that they never come in a burst.
const SPACING: Duration = Duration::from_secs(20);

/// The upkeep of one home, to be run as long as the program does.
#[derive(Debug)]
#[must_use = "nothing is kept until it is run"]
pub struct Upkeep {
    store: ProfileStore,
    spacing: Duration,
}

impl ProfileStore {
    /// Everything that keeps the logins in step and alive while the program runs.
    pub fn upkeep(&self) -> Upkeep {
        Upkeep {
            store: self.clone(),
            spacing: SPACING,
        }
    }

    /// What happens to the logins from now on. Whoever falls behind by 64 notices misses the oldest.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Changes its value whenever a login, the choice or the settings may have changed, by whatever
    /// program, while an [`Upkeep`] runs.
    #[must_use]
    pub fn changes(&self) -> changes::Receiver<u64> {
        self.notices.changes()
    }

    /// Says that something changed, to whoever waits for [`changes`](Self::changes): an
    /// [`Upkeep`] finds out by itself, a moment later.
    pub fn touch(&self) {
        self.notices.changed();
    }

    /// Takes in what other programs did to the live login: a newer copy goes to the profile of its
    /// identity. An [`Upkeep`] does this by itself.
    ///
    /// # Errors
    /// A [`StoreError`](crate::StoreError): nothing was changed.
    pub async fn reconcile(&self) -> Result<Vec<Notice>, crate::StoreError> {
        let (disk, auditor) = (self.disk.clone(), self.auditor());
        let notices = blocking(move || {
            let notices = disk.reconcile()?;
            for deed in notices.iter().filter_map(Notice::deed) {
                auditor.note_by(Actor::Codex, deed);
            }
            Ok(notices)
        });
        let notices = notices.await?;
        for notice in &notices {
            self.notices.tell(notice.clone());
        }
        Ok(notices)
    }
}

impl Upkeep {
    /// Sets the pause between the refreshes of two idle logins, 20 s by default.
    pub fn spacing(self, spacing: Duration) -> Self {
        Self { spacing, ..self }
    }

    /// Runs until it is dropped or aborted.
    ///
    /// # Cancellation
    /// It may be dropped at any time: a refresh under way goes on to its end.
    pub async fn run(self) {
        self.store.quota.tell_from_now_on();
        let home = self.store.home().clone();
        let started = tokio::task::spawn_blocking(move || HomeWatch::start(&home)).await;
        // Only a runtime that shuts down does not come to it.
        let Ok(mut watch) = started else { return };
        let mut chosen = self.chosen().await;
        self.take_in().await;
        let mut next = Instant::now();
        let mut look = Instant::now() + LONGEST_PAUSE;
        loop {
            if next <= Instant::now() {
                next = Instant::now() + self.keep_alive().await;
            }
            tokio::select! {
                () = watch.changed() => {
                    time::sleep(SETTLE).await;
                    watch.follow();
                    self.take_in().await;
                    self.tell_of_switch(&mut chosen).await;
                }
                () = time::sleep_until(look.min(next)) => {
                    self.look_again().await;
                    let pause = if watch.is_told() { LONGEST_PAUSE } else { LOOK };
                    look = Instant::now() + pause;
                }
            }
        }
    }

    async fn take_in(&self) {
        if let Err(error) = self.store.reconcile().await {
            warn!(%error, "a change of the live login could not be looked at");
        }
        self.store.notices.changed();
    }

    /// Tells of a switch, whoever made it. A current profile that only has another name now, or was
    /// removed, is none.
    async fn tell_of_switch(&self, chosen: &mut Option<ProfileName>) {
        let now = self.chosen().await;
        let before = std::mem::replace(chosen, now.clone());
        let (Some(before), Some(now)) = (before, now) else {
            return;
        };
        let is_there = self.store.home().profile(&before).is_dir();
        if before != now && is_there {
            let to = now.reference();
            self.store.notices.tell(Notice::Switched { to });
        }
    }

    async fn chosen(&self) -> Option<ProfileName> {
        self.store.current().await.ok().flatten()
    }

    /// What other programs of ours left behind, and what no system told us of.
    async fn look_again(&self) {
        let disk = self.store.disk.clone();
        let _ = blocking(move || {
            disk.recover();
            Ok(())
        })
        .await;
        if let Err(error) = self.store.reconcile().await {
            debug!(%error, "the live login could not be looked at");
        }
    }

    /// Refreshes what is due, one idle login at a time, and says how long nothing more is.
    async fn keep_alive(&self) -> Duration {
        match self.plan().await {
            Ok(plan) => {
                let now = Timestamp::now();
                let (due, later): (Vec<Due>, Vec<Due>) =
                    plan.into_iter().partition(|due| due.at <= now);
                self.refresh_first(&due).await.unwrap_or_else(|| {
                    let next = later.iter().map(|due| due.at.duration_since(now)).min();
                    let next = next.and_then(|pause| Duration::try_from(pause).ok());
                    next.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
                })
            }
            Err(error) => {
                warn!(%error, "logins cannot be kept alive just now");
                LONGEST_PAUSE
            }
        }
    }

    async fn plan(&self) -> Result<Vec<Due>, crate::StoreError> {
        if !self.store.state().await?.auto_refresh_enabled() {
            return Ok(Vec::new());
        }
        Ok(schedule::plan(&self.store.list().await?))
    }

    /// Refreshes the first of `due`, and says how long to wait for the next; `None` when none is
    /// left that can be refreshed now.
    async fn refresh_first(&self, due: &[Due]) -> Option<Duration> {
        for due in due {
            let reason = if due.current {
                RefreshReason::ProactiveExpiry
            } else {
                RefreshReason::Scheduled
            };
            match self.store.renew(&due.name, reason).await {
                Ok(true) => return Some(self.spacing),
                Ok(false) => {}
                // Its own pause goes on; the others need not wait for it.
                Err(error) => debug!(profile = %due.name, %error, "not kept alive yet"),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
