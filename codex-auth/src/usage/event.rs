//! Messages of a WebSocket, in minutes. *Source:* wire reference 7.3 and 9.2.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    UsageSource, headers,
    reading::{LimitId, LimitReading, RawNumbers, Reading, Told, credits, number, plan},
};

pub(super) fn reading(message: &str, now: Timestamp) -> Option<Reading> {
    let message: Value = serde_json::from_str(message).ok()?;
    match message["type"].as_str()? {
        "codex.rate_limits" => Some(of_limits(&message, now)),
        "error" => of_error(&message, now),
        _ => None,
    }
}

fn of_limits(event: &Value, now: Timestamp) -> Reading {
    Reading {
        limits: vec![limit(event, now)],
        credits: credits(&event["credits"]),
        plan: event["plan_type"].as_str().and_then(plan),
        source: UsageSource::Event,
        read_at: now,
    }
}

fn limit(event: &Value, now: Timestamp) -> LimitReading {
    let name = |field: &str| event[field].as_str();
    let id = name("metered_limit_name").or(name("limit_name"));
    let limit = LimitReading {
        primary: window(&event["rate_limits"]["primary"], now),
        secondary: window(&event["rate_limits"]["secondary"], now),
        ..LimitReading::new(id.and_then(LimitId::new).unwrap_or_else(LimitId::main))
    };
    limit.called(name("limit_name"))
}

fn window(window: &Value, now: Timestamp) -> Told {
    let used_percent = number(&window["used_percent"]);
    if used_percent.is_none() {
        return Told::Nothing;
    }
    let numbers = RawNumbers {
        used_percent,
        duration_seconds: number(&window["window_minutes"]).map(|minutes| minutes * 60.0),
        reset_at: number(&window["reset_at"]),
        reset_after_seconds: number(&window["reset_after_seconds"]),
    };
    numbers.told(now)
}

/// A refusal brings along the headers that it would have over HTTP.
fn of_error(event: &Value, now: Timestamp) -> Option<Reading> {
    let headers = header_map(event["headers"].as_object()?);
    let reading = headers::reading(status(event), &headers, now)?;
    Some(Reading {
        source: UsageSource::Event,
        ..reading
    })
}

/// That of the refusal over HTTP; one that is not told proves nothing.
fn status(event: &Value) -> StatusCode {
    let told = ["status", "status_code"].map(|field| event[field].as_u64());
    let told = told.into_iter().flatten().next();
    let status = told.and_then(|status| StatusCode::from_u16(status.try_into().ok()?).ok());
    status.unwrap_or_default()
}

fn header_map(headers: &Map<String, Value>) -> HeaderMap {
    let header = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => HeaderValue::from_str(text),
            Value::Number(number) => HeaderValue::from_str(&number.to_string()),
            Value::Bool(flag) => HeaderValue::from_str(&flag.to_string()),
            _ => return None,
        };
        Some((name.parse::<HeaderName>().ok()?, value.ok()?))
    };
    headers.iter().filter_map(header).collect()
}
