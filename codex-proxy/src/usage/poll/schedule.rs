use std::{collections::HashMap, sync::Arc, time::Duration};

use codex_auth::{ProfileRef, usage::Usage};
use jiff::{SignedDuration, Timestamp};

use crate::usage::UsageError;

/// A program that has just started has better things to do.
const FIRST: Duration = Duration::from_secs(5);
/// While nobody is at work, and after failures.
const SLOWEST: u32 = 6;
/// What an account is not told now it may be, some day. A login that is refused would be refreshed
/// each time, for nothing.
const REFUSED: Duration = Duration::from_hours(6);
/// From here on people wait for a window's end.
const NEAR_PERCENT: f64 = 80.0;
/// The upstream's clock, and its rounding.
const AFTER_RESET: SignedDuration = SignedDuration::from_secs(2);

/// A login that may be asked for.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) profile: ProfileRef,
    pub(super) identity: Arc<str>,
    /// As it was read last.
    pub(super) usage: Option<Usage>,
}

/// The one whose turn it is next.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) candidate: Candidate,
    pub(super) due: Timestamp,
}

/// When each login is asked for next.
#[derive(Debug)]
pub(super) struct Schedule {
    begun: Timestamp,
    interval: Duration,
    candidates: Vec<Candidate>,
    asked: HashMap<Arc<str>, Asked>,
    /// Ends of windows that were near, each until it was read after it.
    resets: HashMap<Arc<str>, Timestamp>,
    served: u64,
    served_before: u64,
    /// How many times the interval: more while nobody is at work.
    slowness: u32,
    /// When that was considered last.
    considered: Timestamp,
}

/// The last time that a login was asked for.
#[derive(Debug)]
struct Asked {
    at: Timestamp,
    failures: u32,
    /// Longer than the interval, if need be.
    pause: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            begun: now,
            interval: Duration::MAX,
            candidates: Vec::new(),
            asked: HashMap::new(),
            resets: HashMap::new(),
            served: 0,
            served_before: 0,
            slowness: 1,
            considered: now,
        }
    }

    /// Nobody means to ask without a pause.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.max(Duration::from_secs(1));
    }

    /// Takes in how things are now.
    pub(super) fn look_at(&mut self, candidates: Vec<Candidate>, served: u64) {
        self.served = served;
        if served != self.served_before {
            self.slowness = 1;
        }
        let is_there = |identity: &Arc<str>| candidates.iter().any(|it| it.identity == *identity);
        self.asked.retain(|identity, _| is_there(identity));
        self.resets.retain(|identity, _| is_there(identity));
        for candidate in &candidates {
            self.note_reset(candidate);
        }
        self.candidates = candidates;
    }

    pub(super) fn next(&self) -> Option<Next> {
        let due = self.candidates.iter().map(|it| (self.due(it), it));
        let (due, candidate) = due.min_by_key(|(due, _)| *due)?;
        let candidate = candidate.clone();
        Some(Next { candidate, due })
    }

    /// Whether the end of a window is what is waited for.
    pub(super) fn awaits_reset(&self) -> bool {
        !self.resets.is_empty()
    }

    /// Takes note of an answer, or of what went wrong.
    pub(super) fn asked(
        &mut self,
        candidate: &Candidate,
        error: Option<&UsageError>,
        at: Timestamp,
    ) {
        let before = self.asked.get(&candidate.identity);
        let failures = before.map_or(0, |asked| asked.failures);
        let asked = Asked {
            at,
            failures: if error.is_some() {
                failures.saturating_add(1)
            } else {
                0
            },
            pause: error.and_then(pause_after),
        };
        self.asked.insert(candidate.identity.clone(), asked);
        self.resets.remove(&candidate.identity);
        self.consider_slowness(at);
    }

    /// Once for all logins that are asked for in a row.
    fn consider_slowness(&mut self, now: Timestamp) {
        let is_idle = self.served == self.served_before;
        if is_idle && now < later(self.considered, self.interval) {
            return;
        }
        if is_idle {
            self.slowness = (self.slowness * 2).min(SLOWEST);
        }
        self.served_before = self.served;
        self.considered = now;
    }

    fn due(&self, candidate: &Candidate) -> Timestamp {
        let read_at = candidate.usage.as_ref().map(|usage| usage.read_at);
        let asked = self.asked.get(&candidate.identity);
        let last = read_at.max(asked.map(|asked| asked.at));
        let regular = last.map_or(self.begun, |last| later(last, self.pause(asked)));
        let reset = self.resets.get(&candidate.identity);
        let due = reset.map_or(regular, |reset| regular.min(*reset));
        due.max(later(self.begun, FIRST.min(self.interval)))
    }

    fn pause(&self, asked: Option<&Asked>) -> Duration {
        let failures = asked.map_or(0, |asked| asked.failures);
        let slowness = 2_u32.saturating_pow(failures).clamp(self.slowness, SLOWEST);
        let pause = self.interval.saturating_mul(slowness);
        pause.max(asked.and_then(|asked| asked.pause).unwrap_or_default())
    }

    /// The first end of a window that is near its limit.
    fn note_reset(&mut self, candidate: &Candidate) {
        let Some(usage) = &candidate.usage else {
            return;
        };
        let near = usage
            .windows
            .iter()
            .filter(|window| window.used_percent.is_some_and(|used| used >= NEAR_PERCENT));
        let reset = near.filter_map(|window| window.resets_at).min();
        let reset = reset.and_then(|reset| reset.checked_add(AFTER_RESET).ok());
        let known = self.resets.get(&candidate.identity).copied();
        // Once it has passed, what was used is not known any more.
        let known = known.filter(|reset| usage.read_at < *reset);
        match reset.into_iter().chain(known).min() {
            Some(reset) => self.resets.insert(candidate.identity.clone(), reset),
            None => self.resets.remove(&candidate.identity),
        };
    }
}

fn pause_after(error: &UsageError) -> Option<Duration> {
    match error {
        UsageError::NotOffered(_) => Some(REFUSED),
        error if error.needs_login() => Some(REFUSED),
        UsageError::Busy { retry_after } => *retry_after,
        _ => None,
    }
}

fn later(at: Timestamp, pause: Duration) -> Timestamp {
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use codex_auth::{
        CredentialError, LoginReason,
        usage::{UsageSource, UsageWindow},
    };
    use http::StatusCode;

    use super::*;

    const START: i64 = 1_795_400_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(START + seconds).unwrap()
    }

    fn candidate(name: &str, usage: Option<Usage>) -> Candidate {
        Candidate {
            profile: ProfileRef::new(name),
            identity: name.into(),
            usage,
        }
    }

    fn read(seconds: i64, used_percent: f64, resets: i64) -> Usage {
        let window = UsageWindow {
            name: "5h".to_owned(),
            duration_seconds: Some(18_000),
            used_percent: Some(used_percent),
            resets_at: Some(at(resets)),
            read_at: at(seconds),
        };
        Usage {
            windows: vec![window],
            credits: None,
            binding: None,
            source: UsageSource::Headers,
            read_at: at(seconds),
        }
    }

    fn schedule() -> Schedule {
        let mut schedule = Schedule::new(at(0));
        schedule.set_interval(Duration::from_mins(10));
        schedule
    }

    /// Who is next, and so many seconds after the start.
    fn next(schedule: &Schedule) -> (String, i64) {
        let next = schedule.next().unwrap();
        let seconds = next.due.duration_since(at(0)).as_secs();
        (next.candidate.profile.as_str().to_owned(), seconds)
    }

    #[test]
    fn what_was_never_read_is_asked_for_soon_after_the_start() {
        let mut schedule = schedule();
        assert!(schedule.next().is_none());
        schedule.look_at(vec![candidate("a", None)], 0);
        assert_eq!(next(&schedule), ("a".to_owned(), 5));
        schedule.set_interval(Duration::ZERO);
        assert_eq!(
            next(&schedule),
            ("a".to_owned(), 1),
            "never without a pause"
        );
    }

    #[test]
    fn a_fresher_reading_is_waited_for_until_it_is_old() {
        let mut schedule = schedule();
        let fresh = candidate("fresh", Some(read(300, 1.0, 9000)));
        let old = candidate("old", Some(read(-100, 1.0, 9000)));
        schedule.look_at(vec![fresh.clone(), old], 1);
        assert_eq!(next(&schedule), ("old".to_owned(), 500));
        schedule.look_at(vec![fresh], 1);
        assert_eq!(next(&schedule), ("fresh".to_owned(), 900));
    }

    #[test]
    fn while_nobody_is_at_work_the_pause_doubles_up_to_six_times() {
        let mut schedule = schedule();
        let (one, other) = (candidate("a", None), candidate("b", None));
        let mut now = 1000;
        let mut pauses = Vec::new();
        for _ in 0..5 {
            schedule.look_at(vec![one.clone(), other.clone()], 7);
            schedule.asked(&one, None, at(now));
            schedule.asked(&other, None, at(now + 1));
            let due = next(&schedule).1;
            pauses.push((due - now) / 600);
            now = due;
        }
        assert_eq!(pauses, [1, 2, 4, 6, 6], "seven requests before the first");
        let last = now - 6 * 600;
        schedule.look_at(vec![one], 8);
        assert_eq!(next(&schedule).1, last + 600, "a request ends the idleness");
    }

    #[test]
    fn failures_are_tried_less_and_less_often_and_a_refusal_hardly_ever() {
        let mut schedule = schedule();
        let login = candidate("a", None);
        let down = UsageError::Refused(StatusCode::BAD_GATEWAY);
        let mut pauses = Vec::new();
        for served in 1..5 {
            schedule.look_at(vec![login.clone()], served);
            schedule.asked(&login, Some(&down), at(1000));
            pauses.push((next(&schedule).1 - 1000) / 600);
        }
        assert_eq!(pauses, [2, 4, 6, 6]);
        let ended = CredentialError::LoginRequired {
            profile: ProfileRef::new("a"),
            reason: LoginReason::Refused,
        };
        for refused in [
            UsageError::NotOffered(StatusCode::NOT_FOUND),
            UsageError::Login(ended),
        ] {
            schedule.asked(&login, Some(&refused), at(1000));
            assert_eq!(next(&schedule).1, 1000 + 6 * 3600);
        }
        let retry_after = Some(Duration::from_hours(2));
        schedule.asked(&login, Some(&UsageError::Busy { retry_after }), at(1000));
        assert_eq!(next(&schedule).1, 1000 + 2 * 3600);
        schedule.look_at(vec![login.clone()], 9);
        schedule.asked(&login, None, at(1000));
        assert_eq!(next(&schedule).1, 1600, "an answer ends it");
    }

    #[test]
    fn the_end_of_a_window_that_was_near_is_not_waited_out() {
        let mut schedule = schedule();
        schedule.look_at(vec![candidate("a", Some(read(0, 79.0, 60)))], 1);
        assert_eq!(next(&schedule).1, 600);
        assert!(!schedule.awaits_reset());
        schedule.look_at(vec![candidate("a", Some(read(0, 80.0, 60)))], 1);
        assert_eq!(next(&schedule).1, 62);

        // As it is shown after the end.
        let mut ended = read(0, 80.0, 60);
        ended.windows[0].used_percent = None;
        let ended = candidate("a", Some(ended));
        schedule.look_at(vec![ended.clone()], 1);
        assert_eq!(next(&schedule).1, 62);
        assert!(schedule.awaits_reset());
        schedule.asked(&ended, None, at(62));
        assert_eq!(next(&schedule).1, 662, "once");

        schedule.look_at(vec![candidate("a", Some(read(100, 1.0, 9000)))], 1);
        assert!(!schedule.awaits_reset());
    }

    #[test]
    fn the_end_of_one_window_is_not_forgotten_for_that_of_another() {
        let mut schedule = schedule();
        let mut both = read(0, 90.0, 60);
        both.windows.extend(read(0, 85.0, 300).windows);
        schedule.look_at(vec![candidate("a", Some(both.clone()))], 1);
        assert_eq!(next(&schedule).1, 62);
        both.windows[0].used_percent = None;
        let ended = candidate("a", Some(both.clone()));
        schedule.look_at(vec![ended.clone()], 1);
        assert_eq!(next(&schedule).1, 62, "of the first");
        schedule.asked(&ended, None, at(62));
        both.read_at = at(62);
        schedule.look_at(vec![candidate("a", Some(both))], 1);
        assert_eq!(next(&schedule).1, 302, "then of the other");
    }

    #[test]
    fn a_login_that_is_gone_is_forgotten() {
        let mut schedule = schedule();
        let login = candidate("a", Some(read(0, 100.0, 60)));
        schedule.look_at(vec![login.clone()], 1);
        schedule.asked(&login, None, at(10));
        schedule.look_at(Vec::new(), 1);
        assert!(schedule.next().is_none() && !schedule.awaits_reset());
        assert!(schedule.asked.is_empty());
    }
}
