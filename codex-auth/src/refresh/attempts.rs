//! How often a token may be posted whose answer never came.

use std::time::Duration;

/// After the first post without an answer, the second, and so on.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

/// How long a token that was posted so many times without an answer is not posted again. The first
/// time it is at once: most answers are lost to a crash or a connection. Then ever more rarely, and
/// without an end: where the issuer did use it, posting it again ends a login that nobody holds any
/// more; and where it did not, as in an outage of a gateway, giving up would lose a living one.
#[must_use]
pub fn pause_after_unanswered(attempts: u32) -> Duration {
    let unanswered = usize::try_from(attempts).unwrap_or(usize::MAX);
    PAUSES[unanswered.saturating_sub(1).min(PAUSES.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_attempt_is_at_once_and_the_later_ones_ever_more_rarely() {
        let seconds = [0, 1, 2, 3, 4, 5, u32::MAX].map(|n| pause_after_unanswered(n).as_secs());
        assert_eq!(seconds, [0, 0, 60, 600, 3600, 3600, 3600]);
    }
}
