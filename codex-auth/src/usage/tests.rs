mod properties;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_795_400_000;
const RESET: i64 = NOW + 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    pairs.iter().map(header).collect()
}

fn of_headers(pairs: &[(&str, &str)]) -> Option<Reading> {
    Reading::of_headers(StatusCode::OK, &headers(pairs), at(NOW))
}

fn refusal(pairs: &[(&str, &str)]) -> Option<Reading> {
    Reading::of_headers(StatusCode::TOO_MANY_REQUESTS, &headers(pairs), at(NOW))
}

fn of_answer(answer: &Value) -> Reading {
    Reading::of_answer(answer.to_string().as_bytes(), at(NOW)).unwrap()
}

fn shown(readings: &[Reading]) -> Usage {
    let mut limits = Limits::default();
    for reading in readings {
        limits.take(reading);
    }
    limits.usage(at(NOW)).unwrap()
}

fn names(usage: &Usage) -> Vec<&str> {
    usage.windows.iter().map(|it| it.name.as_str()).collect()
}

fn window(percent: f64, seconds: u64, reset: i64) -> Value {
    json!({"used_percent": percent, "limit_window_seconds": seconds,
        "reset_after_seconds": reset - NOW, "reset_at": reset})
}

/// The two windows of the usual plans.
fn both(primary: f64, secondary: f64) -> Value {
    json!({"plan_type": "plus", "rate_limit": {"allowed": true, "limit_reached": false,
        "primary_window": window(primary, 18_000, RESET),
        "secondary_window": window(secondary, 604_800, RESET + 86_400)}})
}

const USUAL: [(&str, &str); 6] = [
    ("x-codex-primary-used-percent", "42.5"),
    ("x-codex-primary-window-minutes", "300"),
    ("x-codex-primary-reset-at", "1795403600"),
    ("x-codex-secondary-used-percent", "7"),
    ("x-codex-secondary-window-minutes", "10080"),
    ("x-codex-secondary-reset-at", "1796009131"),
];

#[test]
fn headers_count_in_minutes() {
    let usage = shown(&[of_headers(&USUAL).unwrap()]);
    assert_eq!(names(&usage), ["5h", "weekly"]);
    assert_eq!(usage.windows[0].duration_seconds, Some(18_000));
    assert_eq!(usage.windows[0].used_percent, Some(42.5));
    assert_eq!(usage.windows[0].resets_at, Some(at(RESET)));
    assert_eq!(usage.windows[1].duration_seconds, Some(604_800));
    assert_eq!(usage.binding.as_deref(), Some("5h"));
    assert_eq!(usage.binding_window(), Some(&usage.windows[0]));
    assert_eq!(
        (usage.source, usage.read_at),
        (UsageSource::Headers, at(NOW))
    );
}

#[test]
fn the_answer_counts_in_seconds_and_says_the_same() {
    let usage = shown(&[of_answer(&both(42.0, 7.0))]);
    assert_eq!(names(&usage), ["5h", "weekly"]);
    assert_eq!(usage.windows[0].duration_seconds, Some(18_000));
    assert_eq!(usage.windows[0].resets_at, Some(at(RESET)));
    assert_eq!(usage.source, UsageSource::Poll);
}

#[test]
fn an_event_counts_in_minutes() {
    let event = json!({"type": "codex.rate_limits", "plan_type": "plus", "rate_limits": {
        "primary": {"used_percent": 42, "window_minutes": 300, "reset_at": RESET},
        "secondary": null},
        "credits": {"has_credits": true, "unlimited": false, "balance": "9.5"},
        "metered_limit_name": "codex", "limit_name": null});
    let usage = shown(&[Reading::of_event(&event.to_string(), at(NOW)).unwrap()]);
    assert_eq!(names(&usage), ["5h"]);
    assert_eq!(usage.windows[0].duration_seconds, Some(18_000));
    let credits = usage.credits.unwrap();
    assert_eq!(
        (credits.has_credits, credits.balance.as_deref()),
        (true, Some("9.5"))
    );
    assert_eq!(usage.source, UsageSource::Event);
}

#[test]
fn what_tells_nothing_is_no_reading() {
    for pairs in [
        &[][..],
        &[("x-codex-plan-type", "plus")],
        &[("x-codex-primary-window-minutes", "300")],
        &[
            ("x-codex-primary-used-percent", "0"),
            ("x-codex-primary-window-minutes", "0"),
            ("x-codex-primary-reset-at", "0"),
        ],
        &[("x-codex-primary-used-percent", "NaN")],
        &[("x-codex-credits-has-credits", "true")],
    ] {
        assert_eq!(of_headers(pairs), None, "{pairs:?}");
    }
    for event in [
        "",
        "[]",
        r#"{"type":"response.completed"}"#,
        r#"{"type":"codex.rate_limits"}"#,
        r#"{"type":"codex.rate_limits","rate_limits":null,"credits":null}"#,
        r#"{"type":"error","status":500}"#,
    ] {
        assert_eq!(Reading::of_event(event, at(NOW)), None, "{event}");
    }
    for answer in ["", "null", "[]", r#"{"detail":"Not Found"}"#] {
        let read = Reading::of_answer(answer.as_bytes(), at(NOW));
        assert_eq!(read, Err(UnreadableAnswer), "{answer}");
    }
}

#[test]
fn an_account_without_limits_is_an_answer() {
    let nothing = json!({"plan_type": "enterprise", "rate_limit": null, "credits": null,
        "additional_rate_limits": null, "spend_control": null, "rate_limit_reached_type": null});
    let usage = shown(&[of_answer(&nothing)]);
    assert!(usage.windows.is_empty() && usage.credits.is_none() && usage.binding.is_none());
}

#[test]
fn a_null_stays_unknown() {
    let answer = json!({"plan_type": "pro", "rate_limit": {"primary_window":
        {"used_percent": null, "limit_window_seconds": 18_000, "reset_at": null}}});
    let usage = shown(&[of_answer(&answer)]);
    assert_eq!(names(&usage), ["5h"]);
    assert_eq!(usage.windows[0].used_percent, None);
    assert_eq!(usage.windows[0].resets_at, None);
    assert_eq!(usage.binding, None);
}

#[test]
fn a_window_that_is_not_mentioned_keeps_its_own_age() {
    let mut limits = Limits::default();
    limits.take(&of_headers(&USUAL).unwrap());
    let later = at(NOW + 60);
    let primary = headers(&[("x-codex-primary-used-percent", "50")]);
    limits.take(&Reading::of_headers(StatusCode::OK, &primary, later).unwrap());
    let usage = limits.usage(later).unwrap();
    assert_eq!(usage.windows[0].used_percent, Some(50.0));
    assert_eq!(usage.windows[0].resets_at, Some(at(RESET)), "still known");
    assert_eq!(usage.windows[0].read_at, later);
    assert_eq!(usage.windows[1].used_percent, Some(7.0));
    assert_eq!(usage.windows[1].read_at, at(NOW));
    assert_eq!(usage.read_at, later);
}

#[test]
fn an_older_reading_changes_nothing() {
    let mut limits = Limits::default();
    limits.take(&of_answer(&both(42.0, 7.0)));
    let before = limits.clone();
    let old = headers(&USUAL);
    limits.take(&Reading::of_headers(StatusCode::OK, &old, at(NOW - 5)).unwrap());
    assert_eq!(limits, before);
}

#[test]
fn a_window_that_is_null_in_the_answer_is_gone_and_one_that_moved_is_not_there_twice() {
    let weekly_alone = |secondary: Option<Value>| {
        let mut answer = both(10.0, 20.0);
        answer["rate_limit"]["primary_window"] = window(20.0, 604_800, RESET);
        let limit = answer["rate_limit"].as_object_mut().unwrap();
        match secondary {
            Some(value) => limit.insert("secondary_window".to_owned(), value),
            None => limit.remove("secondary_window"),
        };
        let mut limits = Limits::default();
        limits.take(&of_answer(&both(10.0, 20.0)));
        let answer = answer.to_string();
        limits.take(&Reading::of_answer(answer.as_bytes(), at(NOW + 1)).unwrap());
        limits.usage(at(NOW + 1)).unwrap()
    };
    assert_eq!(names(&weekly_alone(Some(Value::Null))), ["weekly"]);
    assert_eq!(names(&weekly_alone(None)), ["weekly"]);
}

#[test]
fn after_its_reset_a_window_is_unknown_until_it_is_read_again() {
    let mut limits = Limits::default();
    limits.take(&of_headers(&USUAL).unwrap());
    let usage = limits.usage(at(RESET)).unwrap();
    assert_eq!(usage.windows[0].used_percent, None);
    assert_eq!(usage.windows[0].resets_at, Some(at(RESET)));
    assert_eq!(usage.binding.as_deref(), Some("weekly"));
}

#[test]
fn other_limits_are_found_by_their_suffix_and_named_as_people_call_them() {
    let usage = shown(&[of_headers(&[
        ("x-codex-other-primary-used-percent", "80"),
        ("x-codex-other-primary-window-minutes", "300"),
        ("x-codex-other-secondary-used-percent", "20"),
        ("x-codex-other-secondary-window-minutes", "10080"),
        ("x-codex-other-limit-name", "GPT-Next"),
        ("x-spark-primary-used-percent", "3"),
        ("x-spark-primary-window-minutes", "300"),
        ("x-codex-primary-used-percent", "10"),
        ("x-codex-primary-window-minutes", "300"),
    ])
    .unwrap()]);
    assert_eq!(
        names(&usage),
        ["5h", "GPT-Next (5h)", "GPT-Next (weekly)", "spark"]
    );
    assert_eq!(usage.binding.as_deref(), Some("5h"), "of the main limit");
}

#[test]
fn the_answer_and_the_headers_mean_the_same_limit() {
    let mut answer = both(1.0, 2.0);
    answer["additional_rate_limits"] = json!([{"limit_name": "GPT-Next",
        "metered_feature": "codex_other", "rate_limit": {"allowed": true, "limit_reached": false,
            "primary_window": window(30.0, 18_000, RESET)}}]);
    let header = [("x-codex-other-primary-used-percent", "31")];
    let usage = shown(&[of_answer(&answer), of_headers(&header).unwrap()]);
    assert_eq!(names(&usage), ["5h", "weekly", "GPT-Next"]);
    assert_eq!(usage.windows[2].used_percent, Some(31.0));
    assert_eq!(usage.windows[2].duration_seconds, Some(18_000));
}

#[test]
fn names_are_unique_whatever_a_limit_is_called() {
    let mut answer = both(1.0, 2.0);
    let called = |feature: &str| {
        json!({"limit_name": "5h", "metered_feature": feature,
            "rate_limit": {"primary_window": window(30.0, 18_000, RESET)}})
    };
    answer["additional_rate_limits"] = json!([called("a"), called("b")]);
    let usage = shown(&[of_answer(&answer)]);
    assert_eq!(names(&usage), ["5h", "weekly", "5h (5h)", "5h (5h) 2"]);
}

#[test]
fn without_a_length_a_window_goes_by_its_place() {
    let usage = shown(&[of_headers(&[
        ("x-codex-primary-used-percent", "1"),
        ("x-codex-secondary-used-percent", "2"),
    ])
    .unwrap()]);
    assert_eq!(names(&usage), ["primary", "secondary"]);
    let event = json!({"type": "codex.rate_limits", "limit_name": "Trial", "metered_limit_name":
        "codex", "rate_limits": {"primary": {"used_percent": 1, "window_minutes": null}}});
    let usage = shown(&[Reading::of_event(&event.to_string(), at(NOW)).unwrap()]);
    assert_eq!(names(&usage), ["Trial"]);
}

#[test]
fn lengths_have_short_names_however_they_were_rounded() {
    for (seconds, name) in [
        (18_000, "5h"),
        (299 * 60, "5h"),
        (604_800, "weekly"),
        (10_079 * 60, "weekly"),
        (10_800, "3h"),
        (86_400, "24h"),
        (30 * 86_400, "30d"),
        (43_199 * 60, "30d"),
        (900, "15m"),
        (30, "30s"),
    ] {
        assert_eq!(names::span_name(seconds), name, "{seconds}");
    }
}

#[test]
fn a_refusal_uses_up_the_window_it_is_for() {
    let mut limits = Limits::default();
    limits.take(&of_answer(&both(97.0, 40.0)));
    limits.take(&refusal(&[("x-codex-active-limit", "codex")]).unwrap());
    let usage = limits.usage(at(NOW)).unwrap();
    assert_eq!(usage.windows[0].used_percent, Some(100.0));
    assert_eq!(usage.windows[1].used_percent, Some(40.0));
}

#[test]
fn the_limit_that_is_active_is_not_reached_for_that() {
    let mut told = USUAL.to_vec();
    told.push(("x-codex-active-limit", "codex"));
    let usage = shown(&[of_headers(&told).unwrap()]);
    assert_eq!(usage.windows[0].used_percent, Some(42.5));
    assert_eq!(of_headers(&[("x-codex-active-limit", "codex")]), None);
    told.push(("x-codex-rate-limit-reached-type", "rate_limit_reached"));
    let usage = shown(&[of_headers(&told).unwrap()]);
    assert_eq!(usage.windows[0].used_percent, Some(100.0), "explicitly");

    for (status, used) in [
        (json!({"status": 200}), 42.5),
        (json!({}), 42.5),
        (json!({"status": 429}), 100.0),
        (json!({"status_code": 429}), 100.0),
    ] {
        let mut error = status.clone();
        error["type"] = json!("error");
        error["headers"] = USUAL.into_iter().collect();
        error["headers"]["x-codex-active-limit"] = json!("codex");
        let reading = Reading::of_event(&error.to_string(), at(NOW)).unwrap();
        let usage = shown(&[reading]);
        assert_eq!(usage.windows[0].used_percent, Some(used), "{status}");
    }
}

/// Headers of an answer whose request counted for another limit than the main one.
fn of_another(active: &'static str) -> [(&'static str, &'static str); 7] {
    [
        ("x-codex-active-limit", active),
        ("x-codex-primary-used-percent", "3"),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-limit-name", "GPT-Next"),
        ("x-codex-other-primary-used-percent", "3"),
        ("x-codex-other-primary-window-minutes", "300"),
        ("x-codex-other-limit-name", "GPT-Next"),
    ]
}

#[test]
fn a_copy_of_the_active_limit_is_not_taken_for_the_main_one() {
    let main = of_answer(&both(97.0, 40.0));
    for active in ["codex_other", "codex-other", "Codex-Other"] {
        let usage = shown(&[main.clone(), of_headers(&of_another(active)).unwrap()]);
        assert_eq!(names(&usage), ["5h", "weekly", "GPT-Next"], "{active}");
        assert_eq!(usage.windows[0].used_percent, Some(97.0), "{active}");
        assert_eq!(usage.windows[2].used_percent, Some(3.0), "{active}");
    }
    let refused = refusal(&of_another("codex_other")).unwrap();
    let usage = shown(&[main.clone(), refused]);
    assert_eq!(usage.windows[0].used_percent, Some(97.0));
    assert_eq!(usage.windows[2].used_percent, Some(100.0));
    for active in ["codex", "premium", "codex_unheard_of", "?"] {
        let usage = shown(&[main.clone(), of_headers(&of_another(active)).unwrap()]);
        assert_eq!(usage.windows[0].used_percent, Some(3.0), "{active}");
    }
}

#[test]
fn a_word_that_is_no_limit_changes_nothing() {
    for word in ["premium", "?"] {
        let active = ("x-codex-active-limit", word);
        assert_eq!(refusal(&[active]), None, "{word}");
        let mut told = USUAL.to_vec();
        let without = refusal(&told);
        told.push(active);
        assert_eq!(refusal(&told), without, "{word}");
        told.push(("x-codex-rate-limit-reached-type", "rate_limit_reached"));
        let usage = shown(&[refusal(&told).unwrap()]);
        assert_eq!(usage.windows[0].used_percent, Some(100.0), "the main one");
    }
}

#[test]
fn an_identifier_does_not_take_the_place_of_a_name() {
    let mut answer = both(1.0, 2.0);
    answer["additional_rate_limits"] = json!([{"limit_name": "GPT-Next",
        "metered_feature": "codex_other", "rate_limit": {"primary_window":
            window(30.0, 18_000, RESET)}}]);
    for event in [
        json!({"limit_name": "codex_other"}),
        json!({"metered_limit_name": "codex_other", "limit_name": "codex-other"}),
    ] {
        let mut event = event;
        event["type"] = json!("codex.rate_limits");
        event["rate_limits"] = json!({"primary": {"used_percent": 31}});
        let event = Reading::of_event(&event.to_string(), at(NOW)).unwrap();
        let usage = shown(&[of_answer(&answer), event]);
        assert_eq!(names(&usage), ["5h", "weekly", "GPT-Next"]);
        assert_eq!(usage.windows[2].used_percent, Some(31.0));
    }
}

#[test]
fn a_refusal_for_want_of_credits_is_about_no_window() {
    let told = refusal(&[
        ("x-codex-active-limit", "codex"),
        (
            "x-codex-rate-limit-reached-type",
            "workspace_owner_credits_depleted",
        ),
    ]);
    assert_eq!(told, None);
    let mut answer = both(40.0, 7.0);
    answer["rate_limit"]["limit_reached"] = json!(true);
    answer["rate_limit_reached_type"] = json!({"type": "workspace_member_credits_depleted"});
    assert_eq!(
        shown(&[of_answer(&answer)]).windows[0].used_percent,
        Some(40.0)
    );
    answer["rate_limit_reached_type"] = json!({"type": "rate_limit_reached"});
    assert_eq!(
        shown(&[of_answer(&answer)]).windows[0].used_percent,
        Some(100.0)
    );
}

#[test]
fn an_error_of_a_websocket_brings_its_headers_along() {
    let error = json!({"type": "error", "status": 429, "error": {"type": "usage_limit_reached"},
        "headers": {"X-Codex-Primary-Used-Percent": "100", "x-codex-primary-window-minutes": 300,
            "x-codex-active-limit": "codex", "x-odd": [1]}});
    let reading = Reading::of_event(&error.to_string(), at(NOW)).unwrap();
    assert_eq!(reading.source(), UsageSource::Event);
    assert_eq!(shown(&[reading]).windows[0].used_percent, Some(100.0));
}

#[test]
fn what_a_person_may_spend_is_a_limit_too() {
    let mut answer = both(1.0, 2.0);
    answer["spend_control"] = json!({"reached": false, "individual_limit": {"source": "x",
        "limit": "50", "used": "10", "remaining": "40", "used_percent": 20,
        "remaining_percent": 80, "reset_after_seconds": 60, "reset_at": NOW + 60}});
    let usage = shown(&[of_answer(&answer)]);
    assert_eq!(names(&usage), ["5h", "weekly", "spend limit"]);
    assert_eq!(usage.windows[2].used_percent, Some(20.0));
}

#[test]
fn of_two_memories_the_newer_reading_of_each_window_stays() {
    let mut one = Limits::default();
    one.take(&of_answer(&both(10.0, 20.0)));
    let mut other = one.clone();
    let later = at(NOW + 60);
    let primary = headers(&[("x-codex-primary-used-percent", "50")]);
    other.take(&Reading::of_headers(StatusCode::OK, &primary, later).unwrap());

    let mut merged = one.clone();
    merged.merge(&other);
    assert_eq!(merged, other);
    other.merge(&one);
    assert_eq!(merged, other, "whichever takes in the other");
}

#[test]
fn a_window_that_moved_is_not_there_twice_after_a_merge() {
    let mut old = Limits::default();
    old.take(&of_answer(&both(10.0, 20.0)));
    let mut new = Limits::default();
    let weekly = headers(&[
        ("x-codex-primary-used-percent", "30"),
        ("x-codex-primary-window-minutes", "10079"),
    ]);
    let later = at(NOW + 60);
    new.take(&Reading::of_headers(StatusCode::OK, &weekly, later).unwrap());
    for (mut one, other) in [(old.clone(), new.clone()), (new, old)] {
        one.merge(&other);
        let usage = one.usage(later).unwrap();
        assert_eq!(names(&usage), ["weekly"]);
        assert_eq!(usage.windows[0].used_percent, Some(30.0));
    }
}

#[test]
fn limits_survive_as_json_and_so_do_fields_of_a_newer_version() {
    let mut limits = Limits::default();
    limits.take(&of_headers(&USUAL).unwrap());
    let mut json = serde_json::to_value(&limits).unwrap();
    assert_eq!(
        serde_json::from_value::<Limits>(json.clone()).unwrap(),
        limits
    );
    json["novel"] = json!(1);
    json["limits"][0]["windows"][0]["novel"] = json!([2]);
    let mut limits: Limits = serde_json::from_value(json).unwrap();
    limits.take(&of_answer(&both(1.0, 2.0)));
    let json = serde_json::to_value(&limits).unwrap();
    assert_eq!(json["novel"], 1);
    assert_eq!(json["limits"][0]["windows"][0]["novel"], json!([2]));
}

#[test]
fn a_window_that_nobody_speaks_of_is_forgotten_at_last() {
    let mut limits = Limits::default();
    limits.take(&of_headers(&USUAL).unwrap());
    let later = at(NOW) + SignedDuration::from_hours(50 * 24);
    let primary = headers(&[("x-codex-primary-used-percent", "50")]);
    limits.take(&Reading::of_headers(StatusCode::OK, &primary, later).unwrap());
    assert_eq!(limits.usage(later).unwrap().windows.len(), 1);
}

#[test]
fn the_plan_is_told_along() {
    let mut limits = Limits::default();
    limits.take(&of_answer(&both(1.0, 2.0)));
    assert_eq!(limits.plan().unwrap().0.as_str(), "plus");
}

#[test]
fn a_plan_is_as_old_as_the_reading_that_told_it() {
    let mut limits = Limits::default();
    limits.take(&of_answer(&both(1.0, 2.0)));
    let plus = limits.clone();
    let later = at(NOW + 60);
    let headers_at = |pairs: &[(&str, &str)]| {
        Reading::of_headers(StatusCode::OK, &headers(pairs), later).unwrap()
    };
    limits.take(&headers_at(&USUAL));
    assert_eq!(limits.plan().unwrap().1, at(NOW), "headers without a plan");
    let mut told = USUAL.to_vec();
    told.push(("x-codex-plan-type", "pro"));
    let mut pro = Limits::default();
    pro.take(&headers_at(&told));
    for (mut one, other) in [(plus.clone(), pro.clone()), (pro, plus)] {
        one.merge(&other);
        let (plan, read_at) = one.plan().unwrap();
        assert_eq!((plan.as_str(), read_at), ("pro", later));
    }
}
