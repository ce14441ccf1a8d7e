//! Whether the clock is right, by those of OpenAI.

use codex_profiles::doctor::{Check, Finding};
use jiff::{SignedDuration, Timestamp};

/// A `Date` counts in seconds, and caches may be some behind.
const SLIGHT: SignedDuration = SignedDuration::from_mins(1);
/// Codex refreshes five minutes before a token ends (wire reference 3.1): further off, it uses
/// tokens that have ended.
const GREAT: SignedDuration = SignedDuration::from_mins(5);

/// Of pairs of their clock and ours; the closest one counts, since others may come from a cache.
pub(super) fn finding(clocks: impl Iterator<Item = (Timestamp, Timestamp)>) -> Finding {
    let skews = clocks.map(|(theirs, ours)| ours.duration_since(theirs));
    let Some(skew) = skews.min_by_key(|skew| skew.unsigned_abs()) else {
        let message = "Nobody was reached who could say whether the clock is right.";
        return Finding::info(Check::Clock, message);
    };
    if skew.abs() < SLIGHT {
        return Finding::ok(Check::Clock, "The clock is right.");
    }
    let direction = if skew.is_negative() {
        "behind"
    } else {
        "ahead"
    };
    let message = format!("The clock is {} {direction}.", span(skew));
    if skew.abs() < GREAT {
        return Finding::warning(Check::Clock, message, SET_CLOCK);
    }
    let message =
        format!("{message} Tokens that have ended look as if they lived, or the reverse.");
    Finding::problem(Check::Clock, message, SET_CLOCK)
}

fn span(skew: SignedDuration) -> String {
    let seconds = skew.unsigned_abs().as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

const SET_CLOCK: &str = if cfg!(target_os = "macos") {
    "`sudo sntp -sS time.apple.com`"
} else if cfg!(windows) {
    "`w32tm /resync`"
} else {
    "`sudo timedatectl set-ntp true`"
};

#[cfg(test)]
mod tests {
    use codex_profiles::doctor::Severity;

    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off_in_either_direction() {
        let theirs = Timestamp::from_second(1_795_400_000).unwrap();
        for (skew, state) in [
            (0, Severity::Ok),
            (59, Severity::Ok),
            (-61, Severity::Warning),
            (299, Severity::Warning),
            (300, Severity::Problem),
            (-86_400, Severity::Problem),
        ] {
            let ours = theirs + SignedDuration::from_secs(skew);
            let one = finding(std::iter::once((theirs, ours)));
            assert_eq!(one.state(), state, "{skew}: {}", one.message());
        }
        assert_eq!(finding(std::iter::empty()).state(), Severity::Info);
    }

    #[test]
    fn a_stale_date_of_a_cache_does_not_outweigh_a_right_one() {
        let now = Timestamp::from_second(1_795_400_000).unwrap();
        let stale = now - SignedDuration::from_hours(1);
        let found = finding([(stale, now), (now, now)].into_iter());
        assert_eq!(found.state(), Severity::Ok);
    }
}
