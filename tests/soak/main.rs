//! What a router must live through: more clients than usual, slow ones, idle ones, an upstream that
//! comes and goes, names that are not found, no file descriptors, little memory, a clock that jumps.
//! It stays up, says clearly what is wrong, recovers by itself, and does not grow.
//!
//! As a usual test each of these is small. `scripts/soak MINUTES` makes them as large as promised,
//! and goes on for that long.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod clock;
mod crowd;
#[path = "../router/harness.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod harness;
mod trouble;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use crate::harness::{Answer, Router, World};

/// How much, and for how long.
struct Scale {
    until: Option<Instant>,
    begun: Instant,
}

impl Scale {
    /// As `CODEX_ROUTER_SOAK_MINUTES` says, else small.
    fn chosen() -> Self {
        let minutes = std::env::var("CODEX_ROUTER_SOAK_MINUTES").ok();
        let minutes = minutes.and_then(|text| text.parse::<u64>().ok());
        let begun = Instant::now();
        Self {
            until: minutes.map(|minutes| begun + Duration::from_mins(minutes)),
            begun,
        }
    }

    fn of(&self, small: usize, large: usize) -> usize {
        if self.until.is_some() { large } else { small }
    }

    /// Whether there is one more round after so many.
    fn goes_on(&self, rounds: usize, small: usize) -> bool {
        match self.until {
            Some(until) => rounds < small || Instant::now() < until,
            None => rounds < small,
        }
    }

    /// A point of the curve.
    fn note(&self, what: &str, router: &Router) -> usize {
        let bytes = router.resident_bytes();
        let seconds = self.begun.elapsed().as_secs();
        let line = format!("{seconds:>6} s  {:>7} KiB  {what}\n", bytes >> 10);
        // Past the test's own capture, so that a long run can be watched.
        let _ = std::io::stderr().write_all(line.as_bytes());
        bytes
    }
}

/// Once warm, it holds no more after a round than after an earlier one, but for what the allocator
/// has not given back.
fn does_not_grow(after_rounds: &[usize]) {
    let [_, warm, .., last] = after_rounds else {
        panic!("three rounds at least can be compared: {after_rounds:?}");
    };
    let allowed = warm + warm / 4 + (8 << 20);
    assert!(
        *last <= allowed,
        "it grew from {warm} to {last} bytes: {after_rounds:?}"
    );
}

async fn is_well(world: &World) {
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.said(), "You said: hello");
}
