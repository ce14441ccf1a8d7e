//! A vault may hang, for as long as nobody answers what it asks on the screen. Nobody here waits
//! for that.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    live::vault::{SecretBytes, Vault, VaultError},
    memory::lock,
};

/// An open keyring answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(2);
/// How long a vault that did not answer is left alone.
const REST: Duration = Duration::from_secs(15);

/// A vault whose calls end.
#[derive(Clone)]
pub(super) struct PatientVault {
    vault: Arc<dyn Vault>,
    /// Calls that have not come back; where none was given up, they do.
    hanging: Arc<AtomicUsize>,
    resting: Arc<Mutex<Option<Instant>>>,
}

impl PatientVault {
    pub(super) fn new(vault: Arc<dyn Vault>) -> Self {
        Self {
            vault,
            hanging: Arc::default(),
            resting: Arc::default(),
        }
    }

    pub(super) fn read(&self, account: &str) -> Result<Option<SecretBytes>, VaultError> {
        let account = account.to_owned();
        self.ask(move |vault| vault.read(&account))
    }

    /// A write that does not answer may still come about: never begin one without a reading that
    /// came right before it.
    pub(super) fn write(&self, account: &str, value: SecretBytes) -> Result<(), VaultError> {
        let account = account.to_owned();
        self.ask(move |vault| vault.write(&account, &value))
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Vault) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        if self.is_left_alone() {
            return Err(VaultError::NoAnswer);
        }
        let (sender, answer) = mpsc::sync_channel(1);
        let asked = Asked::new(&self.hanging);
        let vault = self.vault.clone();
        let thread = thread::Builder::new().name("keyring".to_owned());
        let begun = thread.spawn(move || {
            let _asked = asked;
            // Whoever asked may have left.
            let _ = sender.send(question(&*vault));
        });
        begun.map_err(|error| VaultError::Refused(error.to_string()))?;
        match answer.recv_timeout(LIMIT) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                *lock(&self.resting) = Some(Instant::now() + REST);
                Err(VaultError::NoAnswer)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(VaultError::Refused("its library failed".to_owned()))
            }
        }
    }

    /// While a call hangs, another would hang as well.
    fn is_left_alone(&self) -> bool {
        let mut resting = lock(&self.resting);
        let hangs = self.hanging.load(Ordering::Acquire) > 0;
        *resting = resting.filter(|until| hangs || Instant::now() < *until);
        resting.is_some()
    }

    #[cfg(test)]
    pub(super) fn end_rest(&self) {
        lock(&self.resting).replace(Instant::now());
    }
}

impl fmt::Debug for PatientVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientVault")
    }
}

/// Counts one call for as long as it lives.
struct Asked(Arc<AtomicUsize>);

impl Asked {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count.clone())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
