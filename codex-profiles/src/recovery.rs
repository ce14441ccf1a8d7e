//! What an earlier run left half done is finished or undone, before anything else happens.

use std::time::Duration;

use tracing::{info, warn};

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::lock::{FileLock, LockError},
    journal::RefreshJournal,
    profile::ProfileName,
};

impl Disk {
    /// Resolves every left-over. What cannot be resolved now stays as it is, and is met again by
    /// the next refresh or switch that it concerns.
    pub(crate) fn recover(&self) {
        if let Err(error) = self.recover_switch() {
            warn!(%error, "a switch that was cut short could not be resolved");
        }
        if let Err(error) = self.recover_refreshes() {
            warn!(%error, "the refresh journal could not be read");
        }
    }

    fn recover_switch(&self) -> Result<(), StoreError> {
        match self.switch_intent()? {
            Some(_) => self.settle_switch(&self.lock_profiles()?),
            None => Ok(()),
        }
    }

    fn recover_refreshes(&self) -> Result<(), StoreError> {
        for token in self.begun_refreshes()? {
            if let Err(error) = self.recover_refresh(&token) {
                warn!(%error, "a refresh that was cut short could not be resolved");
            }
        }
        Ok(())
    }

    fn recover_refresh(&self, token: &str) -> Result<(), StoreError> {
        let lock = self.home.refresh_lock(token);
        match FileLock::acquire(&lock, 0o600, Duration::ZERO) {
            Ok(_lock) => self.settle(&RefreshJournal::new(self, token)),
            // Not a left-over: another process is at it.
            Err(LockError::Busy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A switch that had published its target is finished; one that had not is undone, by
    /// forgetting it: all it did before was to keep a copy of the live login.
    pub(crate) fn settle_switch(&self, _lock: &ProfilesLock) -> Result<(), StoreError> {
        let Some(intent) = self.switch_intent()? else {
            return Ok(());
        };
        if let Ok(target) = ProfileName::parse(&intent.to)
            && self.is_published(&target)
        {
            self.set_current(&target)?;
            info!(profile = %target, "a switch that was cut short is finished");
        }
        self.end_switch()
    }

    fn is_published(&self, target: &ProfileName) -> bool {
        match (self.profile(target), self.live()) {
            (Ok(target), Ok(live)) => target.identity() == live.identity(),
            _ => false,
        }
    }
}
