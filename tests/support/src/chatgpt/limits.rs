//! Limits, in headers and events (minutes) and as `wham/usage` has them (seconds).
//! *Source:* wire reference, section 9.

use axum::response::Response;
use serde_json::{Value, json};

use crate::accounts::{Account, ExtraLimit, Usage};
use crate::answers::set;

const PRIMARY_SECONDS: i64 = 5 * 3600;
const SECONDARY_SECONDS: i64 = 7 * 86_400;

/// One window of a limit.
#[derive(Clone, Copy)]
struct Window {
    percent: f64,
    seconds: i64,
    resets_at: i64,
}

impl Window {
    fn resets_after(self) -> i64 {
        (self.resets_at - jiff::Timestamp::now().as_second()).max(0)
    }

    fn set_headers(self, response: &mut Response, name: &str) {
        let mut number = |what: &str, value: String| {
            set(response, &format!("x-{name}-{what}"), &value);
        };
        number("used-percent", self.percent.to_string());
        number("window-minutes", (self.seconds / 60).to_string());
        number("reset-at", self.resets_at.to_string());
        number("reset-after-seconds", self.resets_after().to_string());
    }

    fn event(self) -> Value {
        json!({"used_percent": self.percent, "window_minutes": self.seconds / 60,
            "reset_at": self.resets_at})
    }

    fn json(self) -> Value {
        json!({"used_percent": self.percent, "limit_window_seconds": self.seconds,
            "reset_after_seconds": self.resets_after(), "reset_at": self.resets_at})
    }
}

fn primary(usage: &Usage) -> Window {
    Window {
        percent: usage.primary_percent,
        seconds: PRIMARY_SECONDS,
        resets_at: usage.primary_resets_at,
    }
}

fn secondary(usage: &Usage) -> Option<Window> {
    usage.secondary_percent.map(|percent| Window {
        percent,
        seconds: SECONDARY_SECONDS,
        resets_at: usage.secondary_resets_at,
    })
}

fn extra(usage: &Usage, limit: &ExtraLimit) -> Window {
    Window {
        percent: limit.percent,
        ..primary(usage)
    }
}

pub(super) fn set_headers(response: &mut Response, account: &Account, usage: &Usage) {
    primary(usage).set_headers(response, "codex-primary");
    if let Some(secondary) = secondary(usage) {
        secondary.set_headers(response, "codex-secondary");
    }
    for limit in &usage.extra {
        let name = limit.feature.replace('_', "-");
        extra(usage, limit).set_headers(response, &format!("{name}-primary"));
        set(response, &format!("x-{name}-limit-name"), &limit.name);
    }
    set(response, "x-codex-plan-type", &account.plan);
    set(response, "x-codex-active-limit", "codex");
    let has_credits = if usage.credits.is_some() {
        "True"
    } else {
        "False"
    };
    set(response, "x-codex-credits-has-credits", has_credits);
    set(response, "x-codex-credits-unlimited", "False");
    let balance = usage.credits.as_deref().unwrap_or_default();
    set(response, "x-codex-credits-balance", balance);
}

/// *Source:* wire reference, section 9.2.
pub(super) fn event(usage: &Usage) -> Value {
    json!({
        "type": "codex.rate_limits", "plan_type": "plus",
        "rate_limits": {
            "primary": primary(usage).event(),
            "secondary": secondary(usage).map(Window::event),
        },
        "credits": {"has_credits": usage.credits.is_some(), "unlimited": false,
            "balance": usage.credits},
        "metered_limit_name": "codex",
    })
}

pub(super) fn usage_json(account: &Account, usage: &Usage) -> Value {
    let windows = [Some(primary(usage)), secondary(usage)];
    let reached = windows
        .iter()
        .flatten()
        .any(|window| window.percent >= 100.0);
    let kind = reached.then(|| json!({"type": "rate_limit_reached"}));
    let more = usage.extra.iter().map(|limit| {
        let window = extra(usage, limit);
        json!({
            "limit_name": limit.name, "metered_feature": limit.feature,
            "rate_limit": {
                "allowed": window.percent < 100.0, "limit_reached": window.percent >= 100.0,
                "primary_window": window.json(), "secondary_window": null,
            },
        })
    });
    let more: Vec<Value> = more.collect();
    json!({
        "plan_type": account.plan, "user_id": account.user_id,
        "account_id": account.account_id, "email": account.email,
        "rate_limit": {
            "allowed": !reached, "limit_reached": reached,
            "primary_window": primary(usage).json(),
            "secondary_window": secondary(usage).map(Window::json),
        },
        "credits": {
            "has_credits": usage.credits.is_some(), "unlimited": false, "balance": usage.credits,
            "approx_local_messages": null, "approx_cloud_messages": null,
        },
        "additional_rate_limits": if more.is_empty() { Value::Null } else { more.into() },
        "rate_limit_reached_type": kind,
        "rate_limit_reset_credits": {"available_count": 0},
    })
}
