//! What windows are called.

use super::{
    limits::{Limit, Slot, Window},
    reading::LimitId,
};

const FIVE_HOURS: u64 = 5 * 3600;
const WEEK: u64 = 7 * 86_400;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// The windows of all limits, the main one's first, each with a name that is its own.
pub(super) fn named(limits: &[Limit]) -> Vec<(String, &Limit, &Window)> {
    let (main, others): (Vec<_>, Vec<_>) = limits.iter().partition(|limit| limit.is_main());
    let windows = main
        .into_iter()
        .chain(others)
        .flat_map(|limit| limit.windows.iter().map(move |window| (limit, window)));
    let windows: Vec<_> = windows
        .map(|(limit, window)| (plain_name(limit, window), limit, window))
        .collect();
    let plain: Vec<String> = windows.iter().map(|(name, ..)| name.clone()).collect();
    let mut taken: Vec<String> = Vec::new();
    windows
        .into_iter()
        .map(|(name, limit, window)| {
            let is_unique = plain.iter().filter(|other| **other == name).count() == 1;
            let name = if is_unique || limit.is_main() {
                name
            } else {
                format!("{name} ({})", window.span_name())
            };
            let name = first_free(name, &taken);
            taken.push(name.clone());
            (name, limit, window)
        })
        .collect()
}

/// The main limit's windows go by their length, those of others by the limit.
fn plain_name(limit: &Limit, window: &Window) -> String {
    let says_more = |name: &&String| LimitId::new(name).is_some_and(|id| id.0 != limit.id);
    let own_name = limit.name.as_ref().filter(says_more);
    let alone = own_name.filter(|_| limit.windows.len() == 1);
    match (limit.is_main(), window.duration_seconds) {
        (true, None) => alone.cloned().unwrap_or_else(|| window.span_name()),
        (true, Some(_)) => window.span_name(),
        (false, _) => limit.name.as_ref().unwrap_or(&limit.id).clone(),
    }
}

fn first_free(name: String, taken: &[String]) -> String {
    let is_free = |name: &String| !taken.contains(name);
    if is_free(&name) {
        return name;
    }
    let mut numbered = (2..).map(|n| format!("{name} {n}"));
    numbered.find(is_free).unwrap_or(name)
}

impl Window {
    /// How long it is, else which of the two it is.
    fn span_name(&self) -> String {
        match (self.duration_seconds, self.slot) {
            (Some(seconds), _) => span_name(seconds),
            (None, Slot::Primary) => "primary".to_owned(),
            (None, Slot::Secondary) => "secondary".to_owned(),
        }
    }
}

/// `5h`, `weekly`, `3h`, `30d`. The upstream rounds: 299 minutes are five hours.
pub(super) fn span_name(seconds: u64) -> String {
    let is_about = |length: u64| seconds.abs_diff(length) <= length / 50;
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    match seconds {
        _ if is_about(FIVE_HOURS) => "5h".to_owned(),
        _ if is_about(WEEK) => "weekly".to_owned(),
        129_600.. => format!("{}d", rounded(DAY)),
        3570.. => format!("{}h", rounded(HOUR)),
        60.. => format!("{}m", rounded(60)),
        _ => format!("{seconds}s"),
    }
}
