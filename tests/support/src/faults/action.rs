//! What goes wrong, and the answers of those faults that are one.

use axum::body::Body;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answers::{answer, html_answer, set, token_expired};

/// What goes wrong. Each has a constructor on [`Fault`](super::Fault).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// An answer of this status instead of the real one.
    Status {
        /// The status code.
        status: u16,
        /// A JSON body; `null` is none.
        #[serde(default)]
        body: Value,
        /// A page instead of JSON.
        #[serde(default)]
        html: Option<String>,
        /// More headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// 401 as for an expired access token.
    Unauthorized,
    /// 403 with the page of a Cloudflare challenge.
    Cloudflare,
    /// 429 `usage_limit_reached`.
    UsageLimitReached {
        /// The plan named in the body.
        plan_type: String,
        /// When the limit ends.
        resets_in_seconds: u32,
    },
    /// 429 `rate_limit_exceeded` with `Retry-After`.
    RateLimitExceeded {
        /// The value of `Retry-After`.
        retry_after_seconds: u32,
    },
    /// The connection is cut after so many events of the stream.
    CutAfter {
        /// How many events still arrive.
        events: usize,
    },
    /// A WebSocket is closed with this code after so many events.
    CloseAfter {
        /// How many events still arrive.
        events: usize,
        /// The code of the close frame.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The stream pauses after so many events, and then goes on.
    StallAfter {
        /// How many events arrive before.
        events: usize,
        /// How long nothing arrives.
        milliseconds: u64,
    },
    /// The stream ends with `response.failed`.
    ResponseFailed {
        /// `response.error.code`.
        code: String,
        /// `response.error.message`.
        #[serde(default)]
        message: String,
    },
    /// The request is looked at only after this time.
    SlowHead {
        /// The time.
        milliseconds: u64,
    },
    /// The connection is closed before anything is done.
    Refused,
    /// Everything is done (a refresh is committed), then the connection is closed unanswered.
    AnswerLost,
    /// Everything is done (a refresh is committed), and answered after this time.
    AnswerDelayed {
        /// The time.
        milliseconds: u64,
    },
}

impl Action {
    /// The answer of those faults that are one.
    pub(crate) fn answer(&self) -> Option<Response<Body>> {
        match self {
            Self::Status {
                status,
                body,
                html,
                headers,
            } => Some(status_answer(*status, body, html.as_deref(), headers)),
            Self::Unauthorized => Some(answer(StatusCode::UNAUTHORIZED, &token_expired())),
            Self::Cloudflare => Some(cloudflare()),
            Self::UsageLimitReached {
                plan_type,
                resets_in_seconds,
            } => Some(usage_limit(plan_type, *resets_in_seconds)),
            Self::RateLimitExceeded {
                retry_after_seconds,
            } => Some(rate_limit(*retry_after_seconds)),
            _ => None,
        }
    }
}

fn status_answer(
    status: u16,
    body: &Value,
    html: Option<&str>,
    headers: &[(String, String)],
) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match html {
        Some(page) => html_answer(status, page),
        None if body.is_null() => html_answer(status, ""),
        None => answer(status, body),
    };
    for (name, value) in headers {
        set(&mut response, name, value);
    }
    response
}

fn cloudflare() -> Response<Body> {
    let page = "<!DOCTYPE html><html><title>Just a moment...</title>Cloudflare</html>";
    let mut response = html_answer(StatusCode::FORBIDDEN, page);
    set(&mut response, "cf-ray", "fake-ray");
    set(&mut response, "cf-mitigated", "challenge");
    response
}

fn usage_limit(plan_type: &str, resets_in_seconds: u32) -> Response<Body> {
    let resets_at = jiff::Timestamp::now().as_second() + i64::from(resets_in_seconds);
    let body = json!({"error": {
        "type": "usage_limit_reached", "message": "The usage limit has been reached",
        "plan_type": plan_type, "resets_at": resets_at,
        "resets_in_seconds": resets_in_seconds, "eligible_promo": null,
    }});
    let mut response = answer(StatusCode::TOO_MANY_REQUESTS, &body);
    set(&mut response, "x-codex-primary-used-percent", "100");
    set(&mut response, "x-codex-primary-window-minutes", "300");
    set(
        &mut response,
        "x-codex-primary-reset-at",
        &resets_at.to_string(),
    );
    set(&mut response, "x-codex-active-limit", "codex");
    response
}

fn rate_limit(retry_after_seconds: u32) -> Response<Body> {
    let body = json!({"error": {
        "message": format!("Rate limit reached. Please try again in {retry_after_seconds}s."),
        "type": "tokens", "param": null, "code": "rate_limit_exceeded",
    }});
    let mut response = answer(StatusCode::TOO_MANY_REQUESTS, &body);
    set(
        &mut response,
        "retry-after",
        &retry_after_seconds.to_string(),
    );
    response
}
