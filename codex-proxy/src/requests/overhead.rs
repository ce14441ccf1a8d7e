use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// What of the time to a first byte was our own: all that passed while the upstream was not asked,
/// and what passed between its last word and the first byte that came of it.
///
/// Times are those since the request began. The layers that note them run one after the other, so
/// that nothing here need be ordered.
#[derive(Debug, Default)]
pub(super) struct Overhead {
    sent_ns: AtomicU64,
    waited_ns: AtomicU64,
    heard_ns: AtomicU64,
    was_asked: AtomicBool,
}

impl Overhead {
    /// The upstream is asked, perhaps once more.
    pub(super) fn sent(&self, at: Duration) {
        self.sent_ns.store(nanoseconds(at), Ordering::Relaxed);
        self.was_asked.store(true, Ordering::Relaxed);
    }

    /// The head of its answer is there, or its failure.
    pub(super) fn answered(&self, at: Duration) {
        let at = nanoseconds(at);
        let waited = at.saturating_sub(self.sent_ns.load(Ordering::Relaxed));
        self.waited_ns.fetch_add(waited, Ordering::Relaxed);
        self.heard_ns.store(at, Ordering::Relaxed);
    }

    /// Nobody sees when its body comes, so that our part is not known.
    pub(super) fn unread(&self) {
        self.was_asked.store(false, Ordering::Relaxed);
    }

    /// A piece of its body is there.
    pub(super) fn heard(&self, at: Duration) {
        let at = nanoseconds(at);
        let before = self.heard_ns.swap(at, Ordering::Relaxed);
        let waited = at.saturating_sub(before);
        self.waited_ns.fetch_add(waited, Ordering::Relaxed);
    }

    /// Our own part of the time to a first byte that went out at this point.
    pub(super) fn of(&self, first_byte: Duration) -> Option<Duration> {
        let waited = Duration::from_nanos(self.waited_ns.load(Ordering::Relaxed));
        let was_asked = self.was_asked.load(Ordering::Relaxed);
        was_asked.then(|| first_byte.saturating_sub(waited))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_the_upstream_takes_is_not_ours() {
        let overhead = Overhead::default();
        assert_eq!(overhead.of(ms(5)), None, "nobody was asked");
        overhead.sent(ms(2));
        overhead.answered(ms(10));
        overhead.heard(ms(50));
        assert_eq!(overhead.of(ms(51)), Some(ms(3)));
    }

    #[test]
    fn what_lies_between_two_attempts_is_ours() {
        let overhead = Overhead::default();
        overhead.sent(ms(1));
        overhead.answered(ms(11));
        // A refresh, for instance.
        overhead.sent(ms(31));
        overhead.answered(ms(41));
        assert_eq!(overhead.of(ms(42)), Some(ms(22)));
    }
}
