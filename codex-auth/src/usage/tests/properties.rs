//! Whatever the input is.

use proptest::prelude::*;

use super::*;

/// Text as a careless or malicious server might put in the place of a number.
fn odd_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[ -~]{0,12}",
        Just("1e400".to_owned()),
    ]
}

fn odd_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let field = prop_oneof![
        Just("used_percent"),
        Just("limit_window_seconds"),
        Just("window_minutes"),
        Just("reset_at"),
        Just("reset_after_seconds"),
        Just("primary_window"),
        Just("secondary_window"),
        Just("primary"),
        Just("secondary"),
        Just("rate_limit"),
        Just("rate_limits"),
        Just("additional_rate_limits"),
        Just("limit_name"),
        Just("metered_feature"),
        Just("limit_reached"),
        Just("credits"),
        Just("headers"),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(field.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What holds of every usage, whatever was read.
fn check(limits: &Limits) -> Result<(), TestCaseError> {
    let Some(usage) = limits.usage(at(NOW)) else {
        return Ok(());
    };
    let mut names = names(&usage);
    prop_assert!(names.iter().all(|name| !name.is_empty()));
    names.sort_unstable();
    names.dedup();
    prop_assert_eq!(names.len(), usage.windows.len(), "names are unique");
    for window in &usage.windows {
        prop_assert!(
            window
                .used_percent
                .is_none_or(|it| (0.0..=100.0).contains(&it))
        );
    }
    prop_assert_eq!(usage.binding.is_some(), usage.binding_window().is_some());
    let kept = serde_json::to_string(limits).unwrap();
    prop_assert_eq!(&serde_json::from_str::<Limits>(&kept).unwrap(), limits);
    Ok(())
}

proptest! {
    #[test]
    fn any_headers_are_read_without_a_panic(
        numbers in proptest::collection::vec((0..3_usize, 0..2_usize, 0..4_usize, odd_number()), 0..16),
        active in proptest::option::of(prop_oneof!["[ -~]{0,10}", Just("codex-other".to_owned())]),
        status in prop_oneof![Just(StatusCode::OK), Just(StatusCode::TOO_MANY_REQUESTS)],
    ) {
        let mut map = HeaderMap::new();
        for (limit, slot, what, number) in numbers {
            let limit = ["codex", "codex-other", "x"][limit];
            let slot = ["primary", "secondary"][slot];
            let what = ["used-percent", "window-minutes", "reset-at", "reset-after-seconds"][what];
            let name: HeaderName = format!("x-{limit}-{slot}-{what}").parse().unwrap();
            if let Ok(value) = HeaderValue::from_str(&number) {
                map.insert(name, value);
            }
        }
        if let Some(Ok(active)) = active.map(|it| HeaderValue::from_str(&it)) {
            map.insert("x-codex-active-limit", active);
        }
        let mut limits = Limits::default();
        limits.take(&of_headers(&USUAL).unwrap());
        if let Some(reading) = Reading::of_headers(status, &map, at(NOW)) {
            limits.take(&reading);
        }
        check(&limits)?;
    }

    #[test]
    fn any_json_is_read_without_a_panic(json in odd_json(), limit in odd_json()) {
        let mut limits = Limits::default();
        let answer = json!({"plan_type": "x", "rate_limit": limit, "additional_rate_limits": json,
            "spend_control": json, "credits": json});
        if let Ok(reading) = Reading::of_answer(answer.to_string().as_bytes(), at(NOW)) {
            limits.take(&reading);
        }
        let event = json!({"type": "codex.rate_limits", "rate_limits": limit, "credits": json});
        let error = json!({"type": "error", "headers": json});
        for message in [event, error, json] {
            if let Some(reading) = Reading::of_event(&message.to_string(), at(NOW)) {
                limits.take(&reading);
            }
        }
        check(&limits)?;
    }

    #[test]
    fn any_bytes_are_no_reason_to_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Reading::of_answer(&bytes, at(NOW));
        let _ = Reading::of_event(&String::from_utf8_lossy(&bytes), at(NOW));
    }
}
