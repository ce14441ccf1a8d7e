use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Credits, Reading, Usage, UsageSource, UsageWindow, WindowId,
    names::{self, span_name},
    reading::{LimitReading, MAIN, MOST_LIMITS, Numbers, Told},
};
use crate::claims::PlanType;

/// A window that nobody has spoken of for so long is no window of this account any more.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(45 * 24);

/// All that was read of one account's limits, the newest of each window. Nothing, by default.
///
/// It is JSON for a file; fields that this version does not know survive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    #[serde(default, rename = "limits")]
    each: Vec<Limit>,
    #[serde(default)]
    credits: Option<Credits>,
    #[serde(default)]
    plan: Option<PlanType>,
    /// Most readings tell no plan.
    #[serde(default)]
    plan_read_at: Option<Timestamp>,
    #[serde(default)]
    last: Option<Last>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// The newest reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Last {
    source: UsageSource,
    read_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Limit {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) windows: Vec<Window>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) slot: Slot,
    #[serde(default)]
    pub(super) duration_seconds: Option<u64>,
    #[serde(default)]
    used_percent: Option<f64>,
    #[serde(default)]
    resets_at: Option<Timestamp>,
    read_at: Timestamp,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Which of a limit's two windows it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Slot {
    Primary,
    Secondary,
}

impl Limits {
    /// Takes in a reading. What it does not mention stays as it was read before, with its age.
    pub fn take(&mut self, reading: &Reading) {
        for told in &reading.limits {
            if let Some(limit) = self.limit_of(told) {
                limit.take(told, reading.read_at);
            }
        }
        self.take_plan(reading.plan.as_ref(), Some(reading.read_at));
        if self.is_older_than(reading.read_at) {
            if let Some(credits) = &reading.credits {
                self.credits = Some(credits.clone());
            }
            self.last = Some(Last {
                source: reading.source,
                read_at: reading.read_at,
            });
        }
        self.forget(reading.read_at);
    }

    /// Takes in what somebody else has read: of each window, the newer reading stays.
    pub fn merge(&mut self, other: &Self) {
        for theirs in &other.each {
            match self.each.iter_mut().find(|limit| limit.id == theirs.id) {
                Some(limit) => limit.merge(theirs),
                None => self.each.push(theirs.clone()),
            }
        }
        self.each.truncate(MOST_LIMITS);
        self.take_plan(other.plan.as_ref(), other.plan_read_at);
        if let Some(last) = other.last
            && self.is_older_than(last.read_at)
        {
            self.credits = other.credits.clone().or(self.credits.take());
            self.last = other.last;
        }
        for (name, value) in &other.unknown {
            self.unknown.entry(name).or_insert_with(|| value.clone());
        }
    }

    /// All of it as it is shown at this moment; nothing if nothing was read yet. What was used of a
    /// window that has begun anew since is not known.
    #[must_use]
    pub fn usage(&self, now: Timestamp) -> Option<Usage> {
        let last = self.last?;
        let named = names::named(&self.each);
        let binding = named
            .iter()
            .filter(|(_, limit, _)| limit.is_main())
            .filter_map(|(name, _, window)| Some((name, window.used_at(now)?, window.resets_at)))
            .max_by(|(_, one, one_resets), (_, other, other_resets)| {
                one.total_cmp(other).then(one_resets.cmp(other_resets))
            });
        Some(Usage {
            binding: binding.map(|(name, ..)| name.clone()),
            windows: named
                .into_iter()
                .map(|(name, _, window)| window.shown(name, now))
                .collect(),
            credits: self.credits.clone(),
            source: last.source,
            read_at: last.read_at,
        })
    }

    /// Every window as [`usage`](Self::usage) shows it, with what it stays known by.
    #[must_use]
    pub fn windows(&self, now: Timestamp) -> Vec<(WindowId, UsageWindow)> {
        let named = names::named(&self.each).into_iter();
        named
            .map(|(name, limit, window)| (limit.id_of(window), window.shown(name, now)))
            .collect()
    }

    /// The plan as it was told along with the limits, and when that was.
    #[must_use]
    pub fn plan(&self) -> Option<(&PlanType, Timestamp)> {
        Some((self.plan.as_ref()?, self.plan_read_at?))
    }

    /// When anything was read last.
    #[must_use]
    pub fn read_at(&self) -> Option<Timestamp> {
        Some(self.last?.read_at)
    }

    fn take_plan(&mut self, plan: Option<&PlanType>, read_at: Option<Timestamp>) {
        if plan.is_some() && self.plan_read_at <= read_at {
            self.plan = plan.cloned();
            self.plan_read_at = read_at;
        }
    }

    fn is_older_than(&self, read_at: Timestamp) -> bool {
        self.last.is_none_or(|last| last.read_at <= read_at)
    }

    fn limit_of(&mut self, told: &LimitReading) -> Option<&mut Limit> {
        let known = self.each.iter().position(|limit| limit.id == told.id.0);
        if known.is_none() {
            if self.each.len() >= MOST_LIMITS {
                return None;
            }
            self.each.push(Limit {
                id: told.id.0.clone(),
                name: None,
                windows: Vec::new(),
                unknown: Map::new(),
            });
        }
        let index = known.unwrap_or(self.each.len() - 1);
        self.each.get_mut(index)
    }

    fn forget(&mut self, now: Timestamp) {
        for limit in &mut self.each {
            limit
                .windows
                .retain(|window| now.duration_since(window.read_at) < FORGOTTEN_AFTER);
        }
        self.each.retain(|limit| !limit.windows.is_empty());
    }
}

impl Limit {
    pub(super) fn is_main(&self) -> bool {
        self.id == MAIN
    }

    fn id_of(&self, window: &Window) -> WindowId {
        let slot = match window.slot {
            Slot::Primary => "primary",
            Slot::Secondary => "secondary",
        };
        WindowId(format!("{} {slot}", self.id))
    }

    fn take(&mut self, told: &LimitReading, at: Timestamp) {
        if told.name.is_some() {
            self.name.clone_from(&told.name);
        }
        for (slot, told) in [
            (Slot::Primary, &told.primary),
            (Slot::Secondary, &told.secondary),
        ] {
            match told {
                Told::Nothing => {}
                Told::Absent => self.windows.retain(|it| it.slot != slot || it.read_at > at),
                Told::Window(numbers) => self.take_window(slot, numbers, at),
            }
        }
        self.leave_out_doubles();
        if told.reached {
            self.mark_reached(at);
        }
    }

    fn take_window(&mut self, slot: Slot, numbers: &Numbers, at: Timestamp) {
        if let Some(window) = self.windows.iter_mut().find(|it| it.slot == slot) {
            return window.take(numbers, at);
        }
        self.windows.push(Window::new(slot, numbers, at));
        self.windows.sort_by_key(|window| window.slot);
    }

    /// With another plan a window may have changed its place: it is not there twice.
    fn leave_out_doubles(&mut self) {
        let spans: Vec<_> = self.windows.iter().map(Window::span).collect();
        self.windows.retain(|window| {
            let (span, read_at) = window.span();
            let is_outdone = |(other, later): &(Option<String>, Timestamp)| {
                *other == span && span.is_some() && *later > read_at
            };
            !spans.iter().any(is_outdone)
        });
    }

    /// A request was refused for this limit: its most used window is used up.
    fn mark_reached(&mut self, at: Timestamp) {
        let used = |window: &Window| window.used_at(at).unwrap_or(-1.0);
        let most = self
            .windows
            .iter_mut()
            .max_by(|one, other| used(one).total_cmp(&used(other)));
        if let Some(window) = most
            && window.read_at <= at
        {
            window.used_percent = Some(100.0);
            window.read_at = at;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.name = self.name.take().or_else(|| other.name.clone());
        for theirs in &other.windows {
            match self.windows.iter_mut().find(|it| it.slot == theirs.slot) {
                Some(window) if window.read_at < theirs.read_at => *window = theirs.clone(),
                Some(_) => {}
                None => self.windows.push(theirs.clone()),
            }
        }
        self.windows.sort_by_key(|window| window.slot);
        self.leave_out_doubles();
    }
}

impl Window {
    fn new(slot: Slot, numbers: &Numbers, read_at: Timestamp) -> Self {
        Self {
            slot,
            duration_seconds: numbers.duration_seconds,
            used_percent: numbers.used_percent,
            resets_at: numbers.resets_at,
            read_at,
            unknown: Map::new(),
        }
    }

    fn take(&mut self, numbers: &Numbers, at: Timestamp) {
        if at < self.read_at || numbers.used_percent.is_none() {
            return;
        }
        // A message may leave out what another has told.
        let is_same = numbers.duration_seconds.is_none()
            || self.duration_seconds.is_none()
            || numbers.duration_seconds == self.duration_seconds;
        let known_reset = self.resets_at.filter(|reset| is_same && *reset > at);
        *self = Self {
            duration_seconds: numbers.duration_seconds.or(self.duration_seconds),
            used_percent: numbers.used_percent,
            resets_at: numbers.resets_at.or(known_reset),
            read_at: at,
            slot: self.slot,
            unknown: std::mem::take(&mut self.unknown),
        };
    }

    /// How long it is, as people say it, and when that was read.
    fn span(&self) -> (Option<String>, Timestamp) {
        (self.duration_seconds.map(span_name), self.read_at)
    }

    fn used_at(&self, now: Timestamp) -> Option<f64> {
        let has_ended = self.resets_at.is_some_and(|reset| reset <= now);
        self.used_percent.filter(|_| !has_ended)
    }

    fn shown(&self, name: String, now: Timestamp) -> UsageWindow {
        UsageWindow {
            name,
            duration_seconds: self.duration_seconds,
            used_percent: self.used_at(now),
            resets_at: self.resets_at,
            read_at: self.read_at,
        }
    }
}
