use std::time::Duration;

use super::RequestEntry;

/// Told of each request of a list as it begins and as it ends, such as `metrics::Metrics`: what is
/// counted elsewhere is measured once, here.
///
/// It is called while the request waits, and must neither block nor ask the list.
pub trait RequestObserver: Send + Sync + 'static {
    /// A request is under way.
    fn began(&self);

    /// It is over. Each one that began is told of exactly once.
    fn ended(&self, ended: &EndedRequest<'_>);
}

/// A request that is over.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EndedRequest<'a> {
    /// What is shown of it.
    pub entry: &'a RequestEntry,
    /// From the request to the first byte of the answer's body, if there was one.
    pub first_byte: Option<Duration>,
    /// From the request to the end of the answer.
    pub duration: Duration,
    /// What of `first_byte` was not spent waiting for the upstream, if it was asked.
    pub added: Option<Duration>,
}

impl<'a> EndedRequest<'a> {
    /// A request that took this long, of whose times no more is known.
    #[must_use]
    pub fn new(entry: &'a RequestEntry, duration: Duration) -> Self {
        Self {
            entry,
            first_byte: None,
            duration,
            added: None,
        }
    }
}
