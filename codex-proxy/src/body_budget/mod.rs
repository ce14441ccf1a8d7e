//! How much memory the bodies of requests may take together, whoever sends them.
//!
//! A limit for each body does not bound what many clients send at once. Here a large one waits until
//! others have gone to the upstream, and is refused with a word when that takes too long, so that a
//! crowd costs patience and never the process.

mod layer;
mod release;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::ApiError;

pub use layer::{BodyBudgetLayer, Budgeted, CountedBody};
pub use release::{BodySentLayer, Releasing};

/// Smaller bodies are not counted: how many there can be, connections bound.
const UNCOUNTED_BYTES: u64 = 64 << 10;
/// Of a body whose length nobody has said, so much is claimed at a time.
const STEP_BYTES: u64 = 1 << 20;
/// How long a body waits for others.
const PATIENCE: Duration = Duration::from_secs(20);
/// When it makes sense to ask again, in seconds.
const RETRY_AFTER: u32 = 5;

/// Memory for the bodies of requests. Clones share it.
#[derive(Debug, Clone)]
pub struct BodyBudget {
    free: Arc<Semaphore>,
    whole_kib: u32,
    largest_bytes: u64,
    patience: Duration,
}

impl BodyBudget {
    /// So many bytes. A body that is larger than all of them takes all, so that it is alone.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let whole_kib = kib(bytes as u64).clamp(1, MOST_KIB);
        Self {
            free: Arc::new(Semaphore::new(whole_kib as usize)),
            whole_kib,
            largest_bytes: u64::MAX,
            patience: PATIENCE,
        }
    }

    /// A body that says it is larger than this claims nothing before it comes: somebody within
    /// refuses it. Default: there is none.
    #[must_use]
    pub fn with_largest_body(self, bytes: usize) -> Self {
        let largest_bytes = bytes as u64;
        Self {
            largest_bytes,
            ..self
        }
    }

    /// Bodies wait this long for others. Default: 20 s.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Waits for its turn; whoever came first is first.
    async fn claim(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ApiError> {
        let kib = kib(bytes).min(self.whole_kib);
        let claimed = timeout(self.patience, self.free.clone().acquire_many_owned(kib)).await;
        // It is never closed.
        claimed.ok().and_then(Result::ok).ok_or_else(busy)
    }

    /// Does not wait: two bodies that have come half way would wait for each other.
    fn claim_now(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ApiError> {
        let claimed = self.free.clone().try_acquire_many_owned(kib(bytes));
        claimed.map_err(|_| busy())
    }
}

/// The most that a semaphore counts on every machine.
const MOST_KIB: u32 = 1 << 28;

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(MOST_KIB)
}

fn busy() -> ApiError {
    let message = "the router holds as many large request bodies as it may: try again soon, send less \
                   at once, or allow it more memory";
    ApiError::router(StatusCode::SERVICE_UNAVAILABLE, "router_busy", message)
        .with_retry_after(RETRY_AFTER)
}

/// What one body has claimed. Its request and the body itself share it: a body that was read to its
/// end may still lie in memory.
#[derive(Debug, Clone)]
struct Claim {
    budget: BodyBudget,
    held: Arc<Mutex<Held>>,
    /// What the same request has claimed of another budget.
    before: Option<Box<Claim>>,
}

#[derive(Debug, Default)]
struct Held {
    come_bytes: u64,
    claimed_bytes: u64,
    permit: Option<OwnedSemaphorePermit>,
}

impl Claim {
    fn new(budget: BodyBudget, before: Option<Self>) -> Self {
        Self {
            budget,
            held: Arc::default(),
            before: before.map(Box::new),
        }
    }

    /// All of a body whose length is known.
    async fn whole(&self, bytes: u64) -> Result<(), ApiError> {
        let permit = self.budget.claim(bytes).await?;
        self.lock().permit = Some(permit);
        Ok(())
    }

    /// So much more of one whose length is not.
    fn add(&self, bytes: usize) -> Result<(), ApiError> {
        let mut held = self.lock();
        held.come_bytes += bytes as u64;
        // As for bodies of known length, the one that is larger than everything takes everything.
        let whole_bytes = u64::from(self.budget.whole_kib) << 10;
        while held.come_bytes.min(whole_bytes) > held.claimed_bytes.max(UNCOUNTED_BYTES) {
            let step_bytes = STEP_BYTES.min(whole_bytes - held.claimed_bytes);
            let more = self.budget.claim_now(step_bytes)?;
            held.claimed_bytes += step_bytes;
            match &mut held.permit {
                Some(permit) => permit.merge(more),
                permit => *permit = Some(more),
            }
        }
        Ok(())
    }

    fn release(&self) {
        self.lock().permit = None;
        self.before.iter().for_each(|before| before.release());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Whoever panicked in here has left numbers, each of which is whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
