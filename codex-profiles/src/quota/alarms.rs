//! What a person is told of limits, once for each window and period.

use std::collections::BTreeMap;

use codex_auth::usage::{UsageWindow, WindowId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// From here on a limit is near.
const NEAR_PERCENT: f64 = 80.0;
const REACHED_PERCENT: f64 = 100.0;
/// Below, a limit that was near has begun anew early. Sources round differently; this is no rounding.
const FREE_PERCENT: f64 = 70.0;
/// The same reset is told a little earlier or later each time.
const SAME_RESET: SignedDuration = SignedDuration::from_mins(2);

/// How far a window is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rung {
    Free,
    Near,
    Reached,
}

/// What was told of the windows of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Alarms(BTreeMap<WindowId, Told>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    rung: Rung,
    resets_at: Option<Timestamp>,
}

impl Alarms {
    /// What is to be told now, which from then on was told.
    pub(super) fn judge(
        &mut self,
        windows: &[(WindowId, UsageWindow)],
        now: Timestamp,
    ) -> Vec<(Rung, UsageWindow)> {
        self.0
            .retain(|told, _| windows.iter().any(|(id, _)| id == told));
        let judged = windows.iter().flat_map(|(id, window)| {
            let ended = self.ended(id, window, now).then_some(Rung::Free);
            let risen = self.risen(id, window);
            let rungs = ended.into_iter().chain(risen);
            rungs.map(|rung| (rung, window.clone())).collect::<Vec<_>>()
        });
        judged.collect()
    }

    /// When the first of the windows that were told of begins anew after `now`.
    pub(super) fn next_reset(&self, now: Timestamp) -> Option<Timestamp> {
        let resets = self.0.values().filter_map(|told| told.resets_at);
        resets.filter(|reset| *reset > now).min()
    }

    /// Whether a window that was told of has begun anew.
    fn ended(&mut self, id: &WindowId, window: &UsageWindow, now: Timestamp) -> bool {
        let Some(told) = self.0.get_mut(id) else {
            return false;
        };
        if let Some(resets_at) = window.resets_at
            && told.resets_at.is_none_or(|told| is_same(told, resets_at))
        {
            told.resets_at = Some(resets_at);
        }
        let is_over = told.resets_at.is_some_and(|reset| reset <= now);
        let is_free = window.used_percent.is_some_and(|used| used < FREE_PERCENT);
        if is_over || is_free {
            self.0.remove(id);
        }
        is_over || is_free
    }

    /// What a window has come to since it was last told of.
    fn risen(&mut self, id: &WindowId, window: &UsageWindow) -> Option<Rung> {
        let rung = rung(window.used_percent?);
        let before = self.0.get(id).map(|told| told.rung);
        if rung <= before.unwrap_or(Rung::Free) {
            return None;
        }
        let resets_at = window.resets_at;
        self.0.insert(id.clone(), Told { rung, resets_at });
        Some(rung)
    }
}

fn is_same(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() <= SAME_RESET
}

fn rung(used_percent: f64) -> Rung {
    match used_percent {
        REACHED_PERCENT.. => Rung::Reached,
        NEAR_PERCENT.. => Rung::Near,
        _ => Rung::Free,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_400_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn windows(used_percent: Option<f64>, resets_at: i64) -> Vec<(WindowId, UsageWindow)> {
        let id = serde_json::from_value(json!("codex primary")).unwrap();
        let window = UsageWindow {
            name: "5h".to_owned(),
            duration_seconds: Some(18_000),
            used_percent,
            resets_at: Some(at(resets_at)),
            read_at: at(NOW),
        };
        vec![(id, window)]
    }

    fn told(alarms: &mut Alarms, used: impl Into<Option<f64>>, reset: i64, now: i64) -> Vec<Rung> {
        let alarms = alarms.judge(&windows(used.into(), reset), at(now));
        alarms.into_iter().map(|(rung, _)| rung).collect()
    }

    #[test]
    fn each_rung_is_told_once_in_a_period() {
        let mut alarms = Alarms::default();
        let reset = NOW + 3600;
        for (used, expected) in [
            (79.9, None),
            (80.0, Some(Rung::Near)),
            (80.0, None),
            (99.9, None),
            (100.0, Some(Rung::Reached)),
            (100.0, None),
            (99.0, None),
            (100.0, None),
        ] {
            let expected: Vec<Rung> = expected.into_iter().collect();
            assert_eq!(told(&mut alarms, used, reset, NOW), expected, "{used}");
        }
    }

    #[test]
    fn the_next_period_is_told_of_and_then_counts_anew() {
        let mut alarms = Alarms::default();
        let (reset, next) = (NOW + 3600, NOW + 7200);
        assert_eq!(told(&mut alarms, 90.0, reset, NOW), [Rung::Near]);
        assert_eq!(alarms.next_reset(at(NOW)), Some(at(reset)));
        assert_eq!(alarms.next_reset(at(reset)), None, "not waited for twice");
        assert_eq!(told(&mut alarms, None, reset, reset), [Rung::Free]);
        assert_eq!(alarms.next_reset(at(NOW)), None);
        assert!(told(&mut alarms, None, reset, reset + 1).is_empty());
        assert_eq!(told(&mut alarms, 85.0, next, reset + 2), [Rung::Near]);
    }

    #[test]
    fn a_reading_of_the_next_period_tells_of_both() {
        let mut alarms = Alarms::default();
        let (reset, next) = (NOW + 3600, NOW + 7200);
        assert_eq!(told(&mut alarms, 90.0, reset, NOW), [Rung::Near]);
        let both = told(&mut alarms, 100.0, next, reset + 5);
        assert_eq!(both, [Rung::Free, Rung::Reached]);
    }

    #[test]
    fn a_reset_that_is_told_a_little_later_each_time_is_no_other_period() {
        let mut alarms = Alarms::default();
        let reset = NOW + 3600;
        assert_eq!(told(&mut alarms, 90.0, reset, NOW), [Rung::Near]);
        assert!(told(&mut alarms, 91.0, reset + 1, reset).is_empty());
        assert!(told(&mut alarms, 91.0, reset + 2, NOW).is_empty());
    }

    #[test]
    fn a_limit_that_begins_anew_early_is_told_of() {
        let mut alarms = Alarms::default();
        let reset = NOW + 3600;
        assert_eq!(told(&mut alarms, 100.0, reset, NOW), [Rung::Reached]);
        assert!(told(&mut alarms, 75.0, reset, NOW).is_empty(), "rounding");
        assert_eq!(told(&mut alarms, 3.0, reset, NOW), [Rung::Free]);
        assert!(told(&mut alarms, 3.0, reset, NOW).is_empty());
    }

    #[test]
    fn a_window_that_is_gone_is_not_told_of() {
        let mut alarms = Alarms::default();
        told(&mut alarms, 100.0, NOW + 3600, NOW);
        assert!(alarms.judge(&[], at(NOW)).is_empty());
        assert_eq!(alarms, Alarms::default());
    }
}
