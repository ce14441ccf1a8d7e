use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::broadcast;

use super::{RequestEntry, handle::Slot};

/// How many requests a list holds; older ones leave it.
pub const MOST_REQUESTS: usize = 200;
/// How many changes a listener may be behind with.
const MOST_WAITING: usize = 256;

/// The last requests. Clones are handles to the same list.
#[derive(Clone)]
pub struct RequestLog {
    inner: Arc<Inner>,
}

struct Inner {
    slots: Mutex<VecDeque<Arc<Slot>>>,
    told: broadcast::Sender<RequestEntry>,
    /// Tells apart what came with one id.
    serial: AtomicU64,
}

impl RequestLog {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner {
            slots: Mutex::new(VecDeque::with_capacity(MOST_REQUESTS)),
            told: broadcast::Sender::new(MOST_WAITING),
            serial: AtomicU64::new(1),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The last requests, the newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<RequestEntry> {
        let slots: Vec<_> = self.slots().iter().rev().cloned().collect();
        slots.iter().map(|slot| slot.entry().clone()).collect()
    }

    /// Entries as they are made and as they change, from now on. Whoever falls behind by 256
    /// changes misses the oldest, and can read [`recent`](Self::recent) anew.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<RequestEntry> {
        self.inner.told.subscribe()
    }

    /// This id, or one like it that no entry of the list has.
    pub(super) fn free_id(&self, id: String) -> String {
        if !self.slots().iter().any(|slot| slot.has_id(&id)) {
            return id;
        }
        let serial = self.inner.serial.fetch_add(1, Ordering::Relaxed);
        format!("{id}.{serial}")
    }

    pub(super) fn add(&self, slot: Arc<Slot>) {
        let mut slots = self.slots();
        if slots.len() >= MOST_REQUESTS {
            slots.pop_front();
        }
        slots.push_back(slot);
    }

    /// Whether anybody would hear of a change.
    pub(super) fn is_heard(&self) -> bool {
        self.inner.told.receiver_count() > 0
    }

    pub(super) fn tell(&self, entry: RequestEntry) {
        // The last listener may have left just now.
        let _ = self.inner.told.send(entry);
    }

    fn slots(&self) -> MutexGuard<'_, VecDeque<Arc<Slot>>> {
        // Nothing panics while holding it.
        let slots = self.inner.slots.lock();
        slots.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for RequestLog {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLog")
            .field("requests", &self.slots().len())
            .finish_non_exhaustive()
    }
}
