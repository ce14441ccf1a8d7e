use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Credits, UnreadableAnswer, UsageSource, answer, event, headers};
use crate::{claims::PlanType, text::printable};

/// The limit of Codex itself; others are for single models or features.
pub(super) const MAIN: &str = "codex";
/// As a point in time, the year 5000: nothing that is told of a limit lies beyond.
const MOST_SECONDS: f64 = 95_617_584_000.0;
const LONGEST_NAME_CHARS: usize = 60;
/// OpenAI has a handful of limits; a server that names more is not listened to for ever.
pub(super) const MOST_LIMITS: usize = 24;

/// What one message told of an account's limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub(super) limits: Vec<LimitReading>,
    pub(super) credits: Option<Credits>,
    pub(super) plan: Option<PlanType>,
    pub(super) source: UsageSource,
    pub(super) read_at: Timestamp,
}

/// What was told of one limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LimitReading {
    pub(super) id: LimitId,
    /// What people call it.
    pub(super) name: Option<String>,
    pub(super) primary: Told,
    pub(super) secondary: Told,
    /// That a request was, or would be, refused for it.
    pub(super) reached: bool,
}

/// What was told of one window.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Nothing,
    /// That there is none.
    Absent,
    Window(Numbers),
}

/// The numbers of one window, each of which may be unknown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    pub(super) used_percent: Option<f64>,
    pub(super) duration_seconds: Option<u64>,
    pub(super) resets_at: Option<Timestamp>,
}

/// A limit's name among programs: lower case, `_` between its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LimitId(pub(super) String);

impl Reading {
    /// What the headers of an answer with this status tell, if anything: to a model call, a
    /// refusal, or a handshake.
    #[must_use]
    pub fn of_headers(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        headers::reading(status, headers, now).filter(Self::tells_something)
    }

    /// What a message of a WebSocket tells, if anything: an event `codex.rate_limits`, or an
    /// `error` with headers in it.
    #[must_use]
    pub fn of_event(message: &str, now: Timestamp) -> Option<Self> {
        event::reading(message, now).filter(Self::tells_something)
    }

    /// What was answered to the question for the usage, `…/wham/usage`. An account without limits
    /// is an answer too.
    ///
    /// # Errors
    /// [`UnreadableAnswer`] when it is the answer to something else.
    pub fn of_answer(body: &[u8], now: Timestamp) -> Result<Self, UnreadableAnswer> {
        answer::reading(body, now)
    }

    /// When it was read.
    #[must_use]
    pub fn read_at(&self) -> Timestamp {
        self.read_at
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> UsageSource {
        self.source
    }

    fn tells_something(&self) -> bool {
        self.credits.is_some() || self.limits.iter().any(LimitReading::tells_something)
    }
}

impl LimitReading {
    pub(super) fn new(id: LimitId) -> Self {
        Self {
            id,
            name: None,
            primary: Told::Nothing,
            secondary: Told::Nothing,
            reached: false,
        }
    }

    /// With the name that people know it by. Its identifier in that place is none.
    pub(super) fn called(self, name: Option<&str>) -> Self {
        let name = name.and_then(display_name);
        Self {
            name: name.filter(|name| name.replace('-', "_") != self.id.0),
            ..self
        }
    }

    pub(super) fn tells_something(&self) -> bool {
        self.reached || self.primary != Told::Nothing || self.secondary != Told::Nothing
    }
}

impl LimitId {
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = printable(text.trim(), LONGEST_NAME_CHARS);
        let id = text.to_lowercase().replace(['-', ' '], "_");
        (!id.is_empty()).then_some(Self(id))
    }

    pub(super) fn main() -> Self {
        Self(MAIN.to_owned())
    }

    pub(super) fn is_main(&self) -> bool {
        self.0 == MAIN
    }

    /// Whether it is the main limit or, by its name, one beside it.
    pub(super) fn is_of_codex(&self) -> bool {
        let rest = self.0.strip_prefix(MAIN);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    }
}

/// Numbers as they were told, in seconds, of a window that somebody may have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RawNumbers {
    pub(super) used_percent: Option<f64>,
    pub(super) duration_seconds: Option<f64>,
    pub(super) reset_at: Option<f64>,
    pub(super) reset_after_seconds: Option<f64>,
}

impl RawNumbers {
    /// The window, unless all that was told is nothing or zero, which stands for no window.
    pub(super) fn told(self, now: Timestamp) -> Told {
        let numbers = Numbers {
            used_percent: self.used_percent.map(percent),
            duration_seconds: self.duration_seconds.and_then(whole_seconds),
            resets_at: self.resets_at(now),
        };
        let is_none = numbers.used_percent.is_none_or(|percent| percent <= 0.0)
            && numbers.duration_seconds.is_none()
            && numbers.resets_at.is_none();
        if is_none {
            Told::Nothing
        } else {
            Told::Window(numbers)
        }
    }

    fn resets_at(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.reset_at.and_then(whole_seconds);
        let at = at.and_then(|at| Timestamp::from_second(i64::try_from(at).ok()?).ok());
        at.or_else(|| {
            let after = self.reset_after_seconds.and_then(whole_seconds)?;
            let after = SignedDuration::from_secs(i64::try_from(after).ok()?);
            now.checked_add(after).ok()?.round(jiff::Unit::Second).ok()
        })
    }
}

/// 0 to 100, to the hundredth.
fn percent(number: f64) -> f64 {
    (number.clamp(0.0, 100.0) * 100.0).round() / 100.0
}

/// A length, or a point in time. Zero stands for unknown.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the range"
)]
fn whole_seconds(seconds: f64) -> Option<u64> {
    let usual = (1.0..=MOST_SECONDS).contains(&seconds);
    usual.then(|| seconds.round() as u64)
}

/// A number, or a text that is one.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()),
        Value::String(text) => number_in(text),
        _ => None,
    }
}

pub(super) fn number_in(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

/// Something to show, if there is anything.
pub(super) fn display_name(text: &str) -> Option<String> {
    let text = printable(text.trim(), LONGEST_NAME_CHARS);
    (!text.is_empty()).then_some(text)
}

pub(super) fn plan(text: &str) -> Option<PlanType> {
    display_name(text).map(|text| PlanType::new(&text))
}

/// Credits as JSON has them.
pub(super) fn credits(value: &Value) -> Option<Credits> {
    Some(Credits {
        has_credits: value["has_credits"].as_bool()?,
        unlimited: value["unlimited"].as_bool()?,
        balance: match &value["balance"] {
            Value::String(text) => display_name(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        },
    })
}
