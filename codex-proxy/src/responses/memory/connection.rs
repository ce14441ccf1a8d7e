//! What only one connection goes on from.

use std::{fmt, sync::Arc, time::Duration};

use super::{MemoryLimits, ResponseMemory};

/// 64 MiB, as much as for all answers that are stored.
const TOTAL_BYTES: usize = 64 << 20;
/// Longer than any connection lives.
const AGE: Duration = Duration::from_hours(24);

/// The memories of all connections of a server, within one bound. Clones share them.
///
/// ```
/// use codex_proxy::responses::memory::ConnectionMemories;
///
/// let memories = ConnectionMemories::new();
/// let mut request = http::Request::new(());
/// // The same one with every request of a connection.
/// request.extensions_mut().insert(memories.begin());
/// ```
#[derive(Debug, Clone)]
pub struct ConnectionMemories(ResponseMemory);

impl ConnectionMemories {
    /// Up to 64 MiB for all connections together.
    #[must_use]
    pub fn new() -> Self {
        Self::with_total_bytes(TOTAL_BYTES)
    }

    /// Up to another bound.
    #[must_use]
    pub fn with_total_bytes(total_bytes: usize) -> Self {
        let limits = MemoryLimits {
            total_bytes,
            age: AGE,
            ..MemoryLimits::default()
        };
        Self(ResponseMemory::with_limits(limits))
    }

    /// The memory of a connection that has just begun.
    #[must_use]
    pub fn begin(&self) -> ConnectionMemory {
        let number = self.0.shelf().connect();
        ConnectionMemory(Arc::new(Connection {
            memory: self.0.clone(),
            number,
        }))
    }

    /// About how much is held now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }
}

impl Default for ConnectionMemories {
    fn default() -> Self {
        Self::new()
    }
}

/// The answers of one connection whose requests say `"store": false`, or that nothing else keeps.
/// They are let go with its last clone.
///
/// Whoever serves a connection puts it into the extensions of each request that comes over it. It
/// is looked at before any other memory, and with it `"generate": false` is answered without
/// asking the upstream: the input waits under a new id.
///
/// *Source:* wire reference 7.2.
#[derive(Clone)]
pub struct ConnectionMemory(Arc<Connection>);

struct Connection {
    memory: ResponseMemory,
    number: u64,
}

impl ConnectionMemory {
    /// Of a connection that shares with no other: up to 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        ConnectionMemories::new().begin()
    }

    pub(in crate::responses) fn memory(&self) -> &ResponseMemory {
        &self.0.memory
    }

    /// What tells it from others in the same memory.
    pub(in crate::responses) fn number(&self) -> u64 {
        self.0.number
    }
}

impl Default for ConnectionMemory {
    fn default() -> Self {
        Self::new()
    }
}

/// What is kept is never shown.
impl fmt::Debug for ConnectionMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionMemory").finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.memory.shelf().disconnect(self.number);
    }
}
