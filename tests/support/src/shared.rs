//! What all handlers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::accounts::{Lifetimes, Minter};
use crate::faults::Faults;
use crate::issuer::Ledger;
use crate::openai::Stored;
use crate::record::RecordedRequest;
use crate::settings::Settings;

/// The state of one fake. No lock is taken while a stream runs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// `http://ADDRESS`, the issuer.
    pub(crate) origin: String,
    ledger: Mutex<Ledger>,
    faults: Mutex<Faults>,
    /// Whether a fault may be waiting, so that a fake without any takes no lock.
    faulty: AtomicBool,
    requests: Mutex<Vec<RecordedRequest>>,
    /// The responses of the public API that can be continued, by their ids.
    stored: Mutex<HashMap<String, Stored>>,
    pub(crate) connections: AtomicUsize,
    pub(crate) cancelled_streams: AtomicUsize,
    pub(crate) open_streams: AtomicUsize,
    pub(crate) open_sockets: AtomicUsize,
    pub(crate) pongs: AtomicUsize,
    pub(crate) socket_bytes_received: AtomicUsize,
    pub(crate) socket_bytes_sent: AtomicUsize,
    pub(crate) events: AtomicUsize,
    serial: AtomicU64,
}

impl Shared {
    pub(crate) fn new(settings: Settings, origin: String) -> Self {
        let minter = Minter {
            issuer: origin.clone(),
        };
        let lifetimes = Lifetimes {
            access: settings.access_lifetime,
        };
        Self {
            settings,
            origin,
            ledger: Mutex::new(Ledger::new(minter, lifetimes)),
            faults: Mutex::default(),
            faulty: AtomicBool::new(false),
            requests: Mutex::default(),
            stored: Mutex::default(),
            connections: AtomicUsize::new(0),
            cancelled_streams: AtomicUsize::new(0),
            open_streams: AtomicUsize::new(0),
            open_sockets: AtomicUsize::new(0),
            pongs: AtomicUsize::new(0),
            socket_bytes_received: AtomicUsize::new(0),
            socket_bytes_sent: AtomicUsize::new(0),
            events: AtomicUsize::new(0),
            serial: AtomicU64::new(0),
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<RecordedRequest>> {
        lock(&self.requests)
    }

    /// The faults, if there may be any.
    pub(crate) fn faults(&self) -> Option<MutexGuard<'_, Faults>> {
        self.faulty
            .load(Ordering::Acquire)
            .then(|| lock(&self.faults))
    }

    pub(crate) fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut lock(&self.faults));
        self.faulty.store(true, Ordering::Release);
    }

    pub(crate) fn store(&self, response_id: String, response: Stored) {
        lock(&self.stored).insert(response_id, response);
    }

    pub(crate) fn stored(&self, response_id: &str) -> Option<Stored> {
        lock(&self.stored).get(response_id).cloned()
    }

    /// The first thing that is found in what is stored.
    pub(crate) fn find_stored<T>(&self, find: impl Fn(&Stored) -> Option<T>) -> Option<T> {
        lock(&self.stored).values().find_map(find)
    }

    pub(crate) fn forget(&self, response_id: &str) {
        lock(&self.stored).remove(response_id);
    }

    /// A number never given out before.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A panic in another test's handler does not make the state unreadable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
