//! Answers that are kept, so that a request can go on from one by its id.
//!
//! The ChatGPT backend keeps no answers; the public API keeps them all unless told otherwise. With
//! a [`ResponseMemory`], [`ResponsesLayer`](super::ResponsesLayer) does what the public API does:
//! `previous_response_id` puts the conversation so far before the new input;
//! [`StoredResponsesLayer`](super::StoredResponsesLayer) shows what was kept. A [`ConnectionMemory`]
//! in the extensions of a request does the same, for one connection, for the answers that are not
//! stored.
//!
//! ```
//! use std::time::Duration;
//!
//! use codex_proxy::responses::{ResponsesLayer, memory::{MemoryLimits, ResponseMemory}};
//!
//! let limits = MemoryLimits { age: Duration::from_mins(30), ..MemoryLimits::default() };
//! let memory = ResponseMemory::with_limits(limits);
//! let layer = ResponsesLayer::new().with_memory(memory.clone());
//! assert_eq!(memory.held_bytes(), 0);
//! ```
//!
//! # Caveats
//!
//! - Nothing is written to disk: what was kept ends with the process.
//! - What one account was told stays with it: a request that another account serves does not find
//!   it.
//! - Connections share one bound: much that is said over one drives out what another said long
//!   ago, whose client is told `previous_response_not_found` and sends everything again.
//! - Conversations are forgotten as a whole, the longest unused first. Those past their age are
//!   let go when the memory is next used, not at the hour.

mod connection;
mod shelf;
mod turn;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use connection::{ConnectionMemories, ConnectionMemory};
use shelf::Shelf;
use turn::Item;
pub(super) use turn::{Draft, KeptItem, Key, Owner, Turn, in_brackets};

/// How much is kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Of all conversations together. Default: 64 MiB.
    pub total_bytes: usize,
    /// Of one answer with its new input; a larger one is not kept. Default: 16 MiB.
    pub answer_bytes: usize,
    /// Since the conversation was last looked at. Default: 12 hours, a day at work.
    pub age: Duration,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            total_bytes: 64 << 20,
            answer_bytes: 16 << 20,
            age: Duration::from_hours(12),
        }
    }
}

/// Answers kept in memory. Clones share them.
#[derive(Clone)]
pub struct ResponseMemory(Arc<Mutex<Shelf>>);

impl ResponseMemory {
    /// With the limits that are the default.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(MemoryLimits::default())
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(limits: MemoryLimits) -> Self {
        Self(Arc::new(Mutex::new(Shelf::new(limits))))
    }

    /// About how much is held now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.shelf().held_bytes()
    }

    /// Says whether it is kept.
    pub(super) fn keep(&self, turn: &Arc<Turn>) -> bool {
        self.shelf().keep(turn)
    }

    pub(super) fn fits(&self, answer_bytes: usize) -> bool {
        self.shelf().fits(answer_bytes)
    }

    pub(super) fn find(&self, key: &Key) -> Option<Arc<Turn>> {
        self.shelf().find(key)
    }

    pub(super) fn find_item(&self, key: &Key) -> Option<KeptItem> {
        self.shelf().find_item(key)
    }

    /// Forgets an answer; says whether there was one.
    pub(super) fn delete(&self, key: &Key) -> bool {
        self.shelf().delete(key)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ResponseMemory {
    fn default() -> Self {
        Self::new()
    }
}

/// What is kept is never shown.
impl fmt::Debug for ResponseMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseMemory").finish_non_exhaustive()
    }
}
