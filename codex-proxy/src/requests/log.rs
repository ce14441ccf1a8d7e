use std::{
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::broadcast;

use super::{RequestEntry, RequestObserver, handle::Slot};

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
    slots: Mutex<VecDeque<Listed>>,
    told: broadcast::Sender<RequestEntry>,
    observer: Option<Arc<dyn RequestObserver>>,
    /// Tells apart what came with one id.
    serial: AtomicU64,
}

/// An entry, and a digest of its id: ids are compared at each request, and lie far apart.
struct Listed {
    id_digest: u64,
    slot: Arc<Slot>,
}

fn digest(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl RequestLog {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// An empty list, of whose requests `observer` is told.
    #[must_use]
    pub fn observed_by(observer: impl RequestObserver) -> Self {
        Self::with(Some(Arc::new(observer)))
    }

    fn with(observer: Option<Arc<dyn RequestObserver>>) -> Self {
        let inner = Inner {
            slots: Mutex::new(VecDeque::with_capacity(MOST_REQUESTS)),
            told: broadcast::Sender::new(MOST_WAITING),
            observer,
            serial: AtomicU64::new(1),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The last requests, the newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<RequestEntry> {
        let slots = self.slots();
        let newest_first = slots.iter().rev().map(|listed| listed.slot.clone());
        let newest_first: Vec<_> = newest_first.collect();
        drop(slots);
        newest_first
            .iter()
            .map(|slot| slot.entry().clone())
            .collect()
    }

    /// Entries as they are made and as they change, from now on. Whoever falls behind by 256
    /// changes misses the oldest, and can read [`recent`](Self::recent) anew.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<RequestEntry> {
        self.inner.told.subscribe()
    }

    /// This id, or one like it that no entry of the list has.
    pub(super) fn free_id(&self, id: String) -> String {
        let id_digest = digest(&id);
        if !self.slots().iter().any(|it| it.id_digest == id_digest) {
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
        let id_digest = digest(slot.id());
        slots.push_back(Listed { id_digest, slot });
    }

    pub(super) fn observer(&self) -> Option<&dyn RequestObserver> {
        self.inner.observer.as_deref()
    }

    /// Whether anybody would hear of a change.
    pub(super) fn is_heard(&self) -> bool {
        self.inner.told.receiver_count() > 0
    }

    pub(super) fn tell(&self, entry: RequestEntry) {
        // The last listener may have left just now.
        let _ = self.inner.told.send(entry);
    }

    fn slots(&self) -> MutexGuard<'_, VecDeque<Listed>> {
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
