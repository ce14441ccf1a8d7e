//! Pauses between attempts that fail for a passing reason.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::provider::SharedError;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How long nothing is posted, and why: a second after the first failure, twice as long after each
/// further one, and five minutes at most.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    pause: Option<(Instant, SharedError)>,
    /// The token, by its fingerprint, that the pause is about: another one need not wait.
    token: Option<String>,
}

impl Backoff {
    /// Why this token, by its fingerprint, may not be posted now.
    #[must_use]
    pub fn blocked(&self, token: Option<&str>) -> Option<SharedError> {
        let (until, reason) = self.pause.as_ref()?;
        let same = self.token.as_deref() == token;
        (same && Instant::now() < *until).then(|| reason.clone())
    }

    /// Says which token failed, or has to wait, by its fingerprint.
    pub fn of_token(&mut self, token: Option<String>) -> &mut Self {
        if self.token != token {
            self.failures = 0;
            self.token = token;
        }
        self
    }

    /// Begins a pause, twice as long as the one before, with jitter so that several identities do
    /// not come back in one burst.
    pub fn failed(&mut self, reason: SharedError) {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        self.failures += 1;
        self.pause = Some((Instant::now() + with_jitter(pause), reason));
    }

    /// Begins a pause of this length, for a reason that is no failure.
    pub fn pause(&mut self, length: Duration, reason: SharedError) {
        self.pause = Some((Instant::now() + length, reason));
    }

    /// Forgets all failures.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Between three quarters and five quarters of `pause`.
fn with_jitter(pause: Duration) -> Duration {
    // `RandomState` has fresh keys each time: randomness enough to spread requests.
    let part = u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or(500);
    pause * 3 / 4 + pause / 2 * part / 1000
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pause_after(failures: u32) -> Duration {
        let mut backoff = Backoff::default();
        for _ in 0..failures {
            backoff.failed(Arc::new(std::io::Error::other("x")));
        }
        backoff
            .pause
            .map_or(Duration::ZERO, |(until, _)| until - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_five_minutes() {
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0), (40, 300.0)] {
            let pause = pause_after(failures).as_secs_f64();
            assert!(
                (0.75 * seconds..=1.25 * seconds).contains(&pause),
                "{pause}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends() {
        let mut backoff = Backoff::default();
        assert!(backoff.blocked(None).is_none());
        backoff.failed(Arc::new(std::io::Error::other("x")));
        assert!(backoff.blocked(None).is_some());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(backoff.blocked(None).is_none());
    }
}
