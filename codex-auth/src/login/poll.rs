//! What the issuer says while a device waits. *Source:* wire reference 4.4; RFC 8628, section 3.5.

use std::{fmt, time::Duration};

use serde::Deserialize;

use super::{SignInError, device::LIFETIME, error::Denial};
use crate::refresh::code_of;

/// Between two polls, where the issuer says nothing else (RFC 8628, section 3.2).
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
/// What the issuer may ask for.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);
/// Added each time we are told to slow down (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// Seconds, as a text or a number.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(super) struct Interval(Duration);

/// What one poll says.
#[derive(Debug)]
pub(super) enum Poll {
    Granted(Approval),
    Pending,
    /// From now on (RFC 8628, section 3.5).
    SlowDown,
    /// No answer, or none of the issuer's: it may be better the next time.
    Trouble,
    Ended(SignInError),
}

#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    pub(super) authorization_code: CodeText,
    pub(super) code_verifier: CodeText,
}

/// A text that cannot print.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct CodeText(String);

impl Poll {
    pub(super) fn of_answer(status: u16, body: &[u8]) -> Self {
        let code = code_of(body).unwrap_or_default();
        match (status, code.as_str()) {
            (200, _) => match serde_json::from_slice(body) {
                Ok(approval) => Self::Granted(approval),
                Err(_) => Self::Ended(SignInError::UnreadableAnswer),
            },
            (_, "slow_down") => Self::SlowDown,
            (429 | 500.., _) => Self::Trouble,
            (_, "access_denied") => Self::Ended(SignInError::Denied(Denial::AccessDenied)),
            (_, "expired_token") => Self::Ended(SignInError::TimedOut { limit: LIFETIME }),
            (403 | 404, _) | (_, "authorization_pending") => Self::Pending,
            (status, _) => Self::Ended(SignInError::of_answer(status, body)),
        }
    }
}

impl CodeText {
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl Interval {
    pub(super) fn duration(self) -> Duration {
        self.0
    }

    pub(super) fn slower(self) -> Self {
        Self((self.0 + SLOWER).min(LONGEST_INTERVAL))
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self(USUAL_INTERVAL)
    }
}

impl From<serde_json::Value> for Interval {
    fn from(value: serde_json::Value) -> Self {
        let seconds = match &value {
            serde_json::Value::String(text) => text.trim().parse().ok(),
            value => value.as_f64(),
        };
        let interval = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let interval = interval.unwrap_or(USUAL_INTERVAL);
        Self(interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL))
    }
}

impl fmt::Debug for CodeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct WithInterval {
        #[serde(default)]
        interval: Interval,
    }

    fn interval(value: &serde_json::Value) -> u64 {
        let device = json!({"interval": value});
        let device: WithInterval = serde_json::from_value(device).unwrap();
        device.interval.duration().as_secs()
    }

    #[test]
    fn the_interval_may_be_a_text_or_a_number_and_stays_in_bounds() {
        for (value, seconds) in [
            (json!("7"), 7),
            (json!(" 7 "), 7),
            (json!(7), 7),
            (json!(7.9), 7),
            (json!("0"), 1),
            (json!(-3), 5),
            (json!(1e300), 5),
            (json!("soon"), 5),
            (json!(null), 5),
            (json!(9000), 60),
        ] {
            assert_eq!(interval(&value), seconds, "{value}");
        }
        let device: WithInterval = serde_json::from_value(json!({})).unwrap();
        assert_eq!(device.interval.duration(), USUAL_INTERVAL);
        assert_eq!(device.interval.slower().duration(), USUAL_INTERVAL + SLOWER);
    }

    #[test]
    fn each_answer_to_a_poll_is_told_apart() {
        let kind = |status, body: &str| match Poll::of_answer(status, body.as_bytes()) {
            Poll::Granted(_) => "granted",
            Poll::Pending => "pending",
            Poll::SlowDown => "slower",
            Poll::Trouble => "trouble",
            Poll::Ended(_) => "ended",
        };
        let granted = r#"{"authorization_code":"c","code_verifier":"v","code_challenge":"x"}"#;
        for (status, body, expected) in [
            (200, granted, "granted"),
            (200, "{}", "ended"),
            (403, "<html>", "pending"),
            (404, "", "pending"),
            (400, r#"{"error":"authorization_pending"}"#, "pending"),
            (400, r#"{"error":"slow_down"}"#, "slower"),
            (403, r#"{"error":{"code":"slow_down"}}"#, "slower"),
            (429, "", "trouble"),
            (502, "<html>", "trouble"),
            (403, r#"{"error":"access_denied"}"#, "ended"),
            (400, r#"{"error":"expired_token"}"#, "ended"),
            (401, "", "ended"),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
    }
}
