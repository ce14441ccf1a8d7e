//! Faults on demand: what goes wrong, for whom, and how often.

mod action;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::action::Action;

/// Something that goes wrong for the next request it fits.
///
/// Without [`Fault::path`] it waits for a model call (`…/responses`, `…/completions`), or, for the
/// faults of the refresh, for `/oauth/token`. It happens once unless told otherwise. Over HTTP the
/// same is posted as JSON to `/fake/faults`: the names of [`Action`] as `kind`, its fields, and
/// any of `path`, `bearer`, `account`, `upgrade`, `times`, `always`.
///
/// ```
/// use fake_openai::Fault;
/// let fault: Fault = serde_json::from_str(
///     r#"{"kind":"usage_limit_reached","plan_type":"plus","resets_in_seconds":60,"always":true}"#,
/// )?;
/// assert!(format!("{fault:?}").contains("UsageLimitReached"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    #[serde(flatten)]
    pub(crate) action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bearer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default)]
    upgrade: bool,
    #[serde(default = "once")]
    times: u32,
    #[serde(default)]
    always: bool,
}

/// The method, as faults see it, of a `GET` that asks for a WebSocket.
pub(crate) const UPGRADE: &str = "UPGRADE";

fn once() -> u32 {
    1
}

impl Fault {
    fn new(action: Action) -> Self {
        let fault = Self {
            action,
            path: None,
            bearer: None,
            account: None,
            upgrade: false,
            times: once(),
            always: false,
        };
        match fault.action {
            Action::AnswerLost | Action::AnswerDelayed { .. } => fault.path("/oauth/token"),
            _ => fault,
        }
    }

    /// An answer of this status; see [`Fault::json`], [`Fault::html`] and [`Fault::header`].
    #[must_use]
    pub fn status(status: u16) -> Self {
        let (body, html, headers) = (Value::Null, None, Vec::new());
        Self::new(Action::Status {
            status,
            body,
            html,
            headers,
        })
    }

    /// 401, as for an expired access token.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(Action::Unauthorized)
    }

    /// 403 with the page of a Cloudflare challenge.
    #[must_use]
    pub fn cloudflare() -> Self {
        Self::new(Action::Cloudflare)
    }

    /// 429 `usage_limit_reached`, with the reset time and the headers of an exhausted plan.
    #[must_use]
    pub fn usage_limit_reached(plan_type: &str, resets_in_seconds: u32) -> Self {
        let plan_type = plan_type.to_owned();
        Self::new(Action::UsageLimitReached {
            plan_type,
            resets_in_seconds,
        })
    }

    /// 429 `rate_limit_exceeded` with `Retry-After`.
    #[must_use]
    pub fn rate_limit_exceeded(retry_after_seconds: u32) -> Self {
        Self::new(Action::RateLimitExceeded {
            retry_after_seconds,
        })
    }

    /// 500 with an error of the type `server_error`.
    #[must_use]
    pub fn server_error() -> Self {
        let error = json!({"error": {"message": "server error", "type": "server_error"}});
        Self::status(500).json(error)
    }

    /// 503 `server_is_overloaded`.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::status(503).json(json!({"error": {
            "message": "overloaded", "type": "server_error", "code": "server_is_overloaded",
        }}))
    }

    /// Cuts the connection after so many events.
    #[must_use]
    pub fn cut_after(events: usize) -> Self {
        Self::new(Action::CutAfter { events })
    }

    /// Closes a WebSocket with this code and reason after so many events.
    #[must_use]
    pub fn close_after(events: usize, code: u16, reason: &str) -> Self {
        let reason = reason.to_owned();
        Self::new(Action::CloseAfter {
            events,
            code,
            reason,
        })
    }

    /// Sends nothing for `pause` after so many events, then goes on.
    #[must_use]
    pub fn stall_after(events: usize, pause: Duration) -> Self {
        Self::new(Action::StallAfter {
            events,
            milliseconds: millis(pause),
        })
    }

    /// Ends the stream with `response.failed` and this code.
    #[must_use]
    pub fn response_failed(code: &str) -> Self {
        let message = "The fake failed as it was told to.".to_owned();
        Self::new(Action::ResponseFailed {
            code: code.to_owned(),
            message,
        })
    }

    /// Waits before it looks at the request.
    #[must_use]
    pub fn slow_head(wait: Duration) -> Self {
        Self::new(Action::SlowHead {
            milliseconds: millis(wait),
        })
    }

    /// Closes the connection before anything is done.
    #[must_use]
    pub fn refused() -> Self {
        Self::new(Action::Refused)
    }

    /// Commits the rotation, then closes the connection without an answer.
    #[must_use]
    pub fn refresh_lost() -> Self {
        Self::new(Action::AnswerLost)
    }

    /// Commits the rotation, then answers after this time.
    #[must_use]
    pub fn refresh_delayed(wait: Duration) -> Self {
        Self::new(Action::AnswerDelayed {
            milliseconds: millis(wait),
        })
    }

    /// The token endpoint answers this status; nothing is rotated.
    #[must_use]
    pub fn refresh_status(status: u16) -> Self {
        Self::status(status)
            .json(json!({"error": {"message": "scripted"}}))
            .path("/oauth/token")
    }

    /// Sets the JSON body of [`Fault::status`].
    #[must_use]
    pub fn json(mut self, json: Value) -> Self {
        if let Action::Status { body, .. } = &mut self.action {
            *body = json;
        }
        self
    }

    /// Sets a page as the body of [`Fault::status`].
    #[must_use]
    pub fn html(mut self, page: &str) -> Self {
        if let Action::Status { html, .. } = &mut self.action {
            *html = Some(page.to_owned());
        }
        self
    }

    /// Adds a header to [`Fault::status`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Action::Status { headers, .. } = &mut self.action {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Only for requests whose path ends so.
    #[must_use]
    pub fn path(mut self, end: &str) -> Self {
        self.path = Some(end.to_owned());
        self
    }

    /// Only for this bearer token.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }

    /// Only for bearer tokens of this account id.
    #[must_use]
    pub fn account(mut self, account_id: &str) -> Self {
        self.account = Some(account_id.to_owned());
        self
    }

    /// For the upgrade to a WebSocket, in place of a model call.
    #[must_use]
    pub fn on_upgrade(mut self) -> Self {
        self.upgrade = true;
        self
    }

    /// So many times instead of once.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Every time, until the faults are cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    fn fits(&self, target: &Target<'_>) -> bool {
        let is = |wanted: &Option<String>, actual: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| Some(wanted) == actual)
        };
        is(&self.bearer, target.bearer) && is(&self.account, target.account) && self.aims(target)
    }

    fn aims(&self, target: &Target<'_>) -> bool {
        if self.upgrade || target.method == UPGRADE {
            return self.upgrade && target.method == UPGRADE;
        }
        match (&self.path, &self.action) {
            (Some(end), _) => target.path.ends_with(end.as_str()),
            (None, Action::AnswerLost | Action::AnswerDelayed { .. }) => {
                target.path.ends_with("/oauth/token")
            }
            (None, _) => target.is_model_call(),
        }
    }
}

/// What a fault is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) bearer: Option<&'a str>,
    pub(crate) account: Option<&'a str>,
}

impl Target<'_> {
    fn is_model_call(&self) -> bool {
        let ends = ["/responses", "/completions", "/responses/compact"];
        ["POST", "MESSAGE"].contains(&self.method)
            && ends.iter().any(|end| self.path.ends_with(end))
    }
}

/// The faults that wait, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first fault that fits, counted as used.
    pub(crate) fn take(&mut self, target: &Target<'_>) -> Option<Action> {
        let index = self.0.iter().position(|fault| fault.fits(target))?;
        let fault = &mut self.0[index];
        let action = fault.action.clone();
        if !fault.always {
            fault.times = fault.times.saturating_sub(1);
        }
        if fault.times == 0 {
            self.0.remove(index);
        }
        Some(action)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(path: &'a str, account: Option<&'a str>) -> Target<'a> {
        Target {
            method: "POST",
            path,
            bearer: Some("token"),
            account,
        }
    }

    #[test]
    fn a_fault_happens_once_for_the_request_it_fits() {
        let mut faults = Faults::default();
        faults.add(Fault::status(500).account("acct-1"));
        assert!(
            faults
                .take(&call("/v1/responses", Some("acct-2")))
                .is_none()
        );
        assert!(faults.take(&call("/v1/models", Some("acct-1"))).is_none());
        assert!(
            faults
                .take(&call("/v1/responses", Some("acct-1")))
                .is_some()
        );
        assert!(
            faults
                .take(&call("/v1/responses", Some("acct-1")))
                .is_none()
        );
    }

    #[test]
    fn always_and_times_are_kept() {
        let mut faults = Faults::default();
        faults.add(Fault::refresh_lost().times(2));
        faults.add(Fault::unauthorized().always());
        for expected in [true, true, false] {
            assert_eq!(faults.take(&call("/oauth/token", None)).is_some(), expected);
            assert!(faults.take(&call("/v1/chat/completions", None)).is_some());
        }
        faults.clear();
        assert!(faults.take(&call("/v1/chat/completions", None)).is_none());
    }

    #[test]
    fn a_fault_can_be_written_as_json() {
        let json = json!({"kind": "cut_after", "events": 3, "times": 2, "path": "/responses"});
        let fault: Fault = serde_json::from_value(json).unwrap();
        assert!(matches!(fault.action, Action::CutAfter { events: 3 }));
        assert_eq!(
            (fault.times, fault.path.as_deref()),
            (2, Some("/responses"))
        );
    }
}
