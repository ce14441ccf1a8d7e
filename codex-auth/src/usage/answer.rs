//! The answer of `…/wham/usage`, in seconds. *Source:* wire reference 9.3.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    UsageSource,
    reading::{
        LimitId, LimitReading, MOST_LIMITS, RawNumbers, Reading, Told, credits, number, plan,
    },
};

/// The other kinds of `rate_limit_reached_type` are about money.
const LIMIT_OF_TIME: &str = "rate_limit_reached";
/// What one person of a workspace may spend.
const SPENDING: &str = "spend_control";
const SPENDING_NAME: &str = "spend limit";

/// The answer is none to the question for the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer tells nothing of the account's limits")]
pub struct UnreadableAnswer;

pub(super) fn reading(body: &[u8], now: Timestamp) -> Result<Reading, UnreadableAnswer> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| UnreadableAnswer)?;
    if answer.get("plan_type").is_none() && answer.get("rate_limit").is_none() {
        return Err(UnreadableAnswer);
    }
    let main = main_limit(&answer, now);
    let more = answer["additional_rate_limits"].as_array();
    let more = more.into_iter().flatten();
    let limits = std::iter::once(main)
        .chain(more.filter_map(|more| additional(more, now)))
        .chain(spending(&answer["spend_control"], now));
    Ok(Reading {
        limits: limits
            .filter(LimitReading::tells_something)
            .take(MOST_LIMITS)
            .collect(),
        credits: credits(&answer["credits"]),
        plan: answer["plan_type"].as_str().and_then(plan),
        source: UsageSource::Poll,
        read_at: now,
    })
}

fn main_limit(answer: &Value, now: Timestamp) -> LimitReading {
    let kind = answer["rate_limit_reached_type"]["type"].as_str();
    let limit = limit(LimitId::main(), &answer["rate_limit"], now);
    LimitReading {
        reached: limit.reached && kind.is_none_or(|kind| kind == LIMIT_OF_TIME),
        ..limit
    }
}

fn additional(more: &Value, now: Timestamp) -> Option<LimitReading> {
    let name = more["limit_name"].as_str();
    let id = more["metered_feature"].as_str().or(name);
    let limit = limit(id.and_then(LimitId::new)?, &more["rate_limit"], now);
    Some(limit.called(name))
}

fn limit(id: LimitId, limit: &Value, now: Timestamp) -> LimitReading {
    let told = |field: &str| limit.get(field).map_or(Told::Nothing, |it| window(it, now));
    LimitReading {
        primary: told("primary_window"),
        secondary: told("secondary_window"),
        reached: limit["limit_reached"] == true,
        ..LimitReading::new(id)
    }
}

fn window(window: &Value, now: Timestamp) -> Told {
    if window.is_null() {
        return Told::Absent;
    }
    let numbers = RawNumbers {
        used_percent: number(&window["used_percent"]),
        duration_seconds: number(&window["limit_window_seconds"]),
        reset_at: number(&window["reset_at"]),
        reset_after_seconds: number(&window["reset_after_seconds"]),
    };
    numbers.told(now)
}

fn spending(control: &Value, now: Timestamp) -> Option<LimitReading> {
    let numbers = &control["individual_limit"];
    let numbers = RawNumbers {
        used_percent: Some(number(&numbers["used_percent"])?),
        duration_seconds: None,
        reset_at: number(&numbers["reset_at"]),
        reset_after_seconds: number(&numbers["reset_after_seconds"]),
    };
    Some(LimitReading {
        name: Some(SPENDING_NAME.to_owned()),
        primary: numbers.told(now),
        reached: control["reached"] == true,
        ..LimitReading::new(LimitId(SPENDING.to_owned()))
    })
}
