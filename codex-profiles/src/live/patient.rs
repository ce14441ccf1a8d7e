//! A vault may hang, for as long as nobody answers what it asks on the screen. Nobody here waits
//! for that, and nobody is asked again and again.

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
/// How long a vault that is of no use is left alone: each question may put a window on the screen.
const REST: Duration = Duration::from_mins(1);

/// A vault whose calls end.
#[derive(Clone)]
pub(super) struct PatientVault {
    vault: Arc<dyn Vault>,
    /// Calls that have not come back; where none was given up, they do.
    hanging: Arc<AtomicUsize>,
    rest: Arc<Mutex<Option<Rest>>>,
}

/// Until when nothing is asked, and what whoever would ask is told.
#[derive(Debug)]
struct Rest {
    until: Instant,
    error: VaultError,
}

impl PatientVault {
    pub(super) fn new(vault: Arc<dyn Vault>) -> Self {
        Self {
            vault,
            hanging: Arc::default(),
            rest: Arc::default(),
        }
    }

    pub(super) fn read(&self, account: &str) -> Result<Option<SecretBytes>, VaultError> {
        let account = account.to_owned();
        let entry = self.ask(move |vault| vault.read(&account));
        entry.inspect_err(|error| self.leave_alone_after(error))
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
        self.is_at_rest()?;
        let (sender, answer) = mpsc::sync_channel(1);
        let asked = Asked::new(&self.hanging);
        let (vault, rest) = (self.vault.clone(), self.rest.clone());
        let thread = thread::Builder::new().name("keyring".to_owned());
        let begun = thread.spawn(move || {
            let _asked = asked;
            let answer = question(&*vault);
            if answer.is_ok() {
                *lock(&rest) = None;
            }
            // Whoever asked may have left.
            let _ = sender.send(answer);
        });
        begun.map_err(|error| VaultError::Refused(error.to_string()))?;
        match answer.recv_timeout(LIMIT) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(VaultError::NoAnswer),
            Err(RecvTimeoutError::Disconnected) => {
                Err(VaultError::Refused("its library failed".to_owned()))
            }
        }
    }

    /// While a call hangs, another would hang as well.
    fn is_at_rest(&self) -> Result<(), VaultError> {
        let mut rest = lock(&self.rest);
        let hangs = self.hanging.load(Ordering::Acquire) > 0;
        match rest.take_if(|rest| !hangs && rest.until <= Instant::now()) {
            None => rest.as_ref().map_or(Ok(()), |rest| Err(rest.error.clone())),
            Some(_over) => Ok(()),
        }
    }

    /// One rest is not made longer by those who are told of it.
    fn leave_alone_after(&self, error: &VaultError) {
        lock(&self.rest).get_or_insert_with(|| Rest {
            until: Instant::now() + REST,
            error: error.clone(),
        });
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
