//! Limits, in headers (minutes) and as `wham/usage` has them (seconds).
//! *Source:* wire reference, section 9.

use axum::response::Response;
use serde_json::{Value, json};

use crate::accounts::{Account, Usage};
use crate::answers::set;

const PRIMARY_SECONDS: i64 = 5 * 3600;
const SECONDARY_SECONDS: i64 = 7 * 86_400;

pub(super) fn set_headers(response: &mut Response, account: &Account, usage: Usage) {
    for (window, percent, seconds, resets_at) in [
        (
            "primary",
            usage.primary_percent,
            PRIMARY_SECONDS,
            usage.primary_resets_at,
        ),
        (
            "secondary",
            usage.secondary_percent,
            SECONDARY_SECONDS,
            usage.secondary_resets_at,
        ),
    ] {
        let name = |what: &str| format!("x-codex-{window}-{what}");
        set(response, &name("used-percent"), &percent.to_string());
        set(
            response,
            &name("window-minutes"),
            &(seconds / 60).to_string(),
        );
        set(response, &name("reset-at"), &resets_at.to_string());
        let after = (resets_at - now()).max(0);
        set(response, &name("reset-after-seconds"), &after.to_string());
    }
    set(response, "x-codex-plan-type", &account.plan);
    set(response, "x-codex-credits-has-credits", "False");
    set(response, "x-codex-credits-unlimited", "False");
    set(response, "x-codex-credits-balance", "");
}

pub(super) fn usage_json(account: &Account, usage: Usage) -> Value {
    let reached = usage.primary_percent >= 100.0 || usage.secondary_percent >= 100.0;
    let window = |percent: f64, seconds: i64, resets_at: i64| {
        json!({
            "used_percent": percent, "limit_window_seconds": seconds,
            "reset_after_seconds": (resets_at - now()).max(0), "reset_at": resets_at,
        })
    };
    let kind = reached.then(|| json!({"type": "rate_limit_reached"}));
    json!({
        "plan_type": account.plan, "user_id": account.user_id,
        "account_id": account.account_id, "email": account.email,
        "rate_limit": {
            "allowed": !reached, "limit_reached": reached,
            "primary_window":
                window(usage.primary_percent, PRIMARY_SECONDS, usage.primary_resets_at),
            "secondary_window":
                window(usage.secondary_percent, SECONDARY_SECONDS, usage.secondary_resets_at),
        },
        "credits": {
            "has_credits": false, "unlimited": false, "balance": null,
            "approx_local_messages": null, "approx_cloud_messages": null,
        },
        "additional_rate_limits": null,
        "rate_limit_reached_type": kind,
        "rate_limit_reset_credits": {"available_count": 0},
    })
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
