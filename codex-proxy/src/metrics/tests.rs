use std::{convert::Infallible, time::Duration};

use codex_auth::ProfileRef;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;
use crate::{
    ApiError, Origin,
    requests::{EndedRequest, RequestEntry, RequestObserver as _, RequestState},
    route::RouteReason,
};

fn entry(profile: &str, route: &str) -> RequestEntry {
    let mut entry = RequestEntry::begun("id".to_owned(), "POST", route.to_owned());
    entry.profile = Some(profile.to_owned());
    entry.reason = Some(RouteReason::Current);
    entry.status = Some(200);
    entry.state = RequestState::Done;
    entry
}

fn end(metrics: &Metrics, entry: &RequestEntry) {
    metrics.began();
    metrics.ended(&EndedRequest::new(entry, Duration::from_secs(1)));
}

async fn value(metrics: &Metrics, series: &str) -> Option<String> {
    let text = metrics.render(MetricsFormat::Text).await;
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map(|value| value.trim().to_owned())
}

#[tokio::test]
async fn a_request_is_counted_with_its_error_its_tokens_and_its_times() {
    let metrics = Metrics::new();
    let mut entry = entry("work", "/v1/responses");
    entry.error_by = Some(Origin::Upstream);
    entry.error_code = Some("server_is_overloaded".to_owned());
    entry.status = Some(503);
    entry.input_tokens = Some(7);
    entry.cached_tokens = Some(3);
    end(&metrics, &entry);
    for (series, expected) in [
        (
            r#"requests_total{profile="work",route="responses",status="5xx",reason="current"}"#,
            Some("1"),
        ),
        (
            r#"errors_total{profile="work",route="responses",origin="upstream",status="503"}"#,
            Some("1"),
        ),
        (r#"tokens_total{profile="work",kind="input"}"#, Some("7")),
        (r#"tokens_total{profile="work",kind="cached"}"#, Some("3")),
        (r#"tokens_total{profile="work",kind="output"}"#, None),
        (
            r#"request_duration_seconds_bucket{le="1.0",profile="work",route="responses"}"#,
            Some("1"),
        ),
        ("requests_in_progress", Some("0")),
    ] {
        let found = value(&metrics, &format!("codex_router_{series}")).await;
        assert_eq!(found.as_deref(), expected, "{series}");
    }
}

#[tokio::test]
async fn however_many_names_there_are_the_labels_stay_few() {
    let metrics = Metrics::new();
    for name in 0..1000 {
        end(
            &metrics,
            &entry(&format!("profile-{name}"), &format!("/v1/{name}")),
        );
    }
    let text = metrics.render(MetricsFormat::Text).await;
    let series = text
        .lines()
        .filter(|line| line.starts_with("codex_router_requests_total"));
    assert_eq!(series.count(), 129);
    let others = r#"codex_router_requests_total{profile="(other)",route="other_api",status="2xx",reason="current"}"#;
    assert_eq!(value(&metrics, others).await.as_deref(), Some("872"));
}

#[tokio::test]
async fn what_a_gate_refuses_is_counted_though_it_is_never_listed() {
    let metrics = Metrics::new();
    let refusing = service_fn(async |_: Request<()>| {
        let error = ApiError::invalid_request("foreign_origin", "no");
        let error = error.with_status(StatusCode::FORBIDDEN);
        Ok::<Response<bytes::Bytes>, Infallible>(error.into_response())
    });
    let service = MetricsLayer::new(metrics.clone()).layer(refusing);
    let request = Request::get("/v1/models/gpt").body(()).unwrap();
    service.oneshot(request).await.unwrap();
    let series =
        r#"codex_router_errors_total{profile="",route="models",origin="client",status="403"}"#;
    assert_eq!(value(&metrics, series).await.as_deref(), Some("1"));
}

struct Two;

impl MetricsSource for Two {
    fn facts(&self) -> BoxFuture<'_, Facts> {
        let window = WindowFacts {
            name: "a \"limit\"\n".to_owned(),
            used_percent: Some(42.0),
            resets_at: None,
        };
        let profile = ProfileFacts {
            name: ProfileRef::new("work"),
            state: "ok",
            is_current: true,
            windows: vec![window],
        };
        let facts = Facts {
            profiles: vec![profile],
            refreshes: vec![("refreshed", 5)],
        };
        Box::pin(async { facts })
    }
}

#[tokio::test]
async fn states_are_those_of_the_scrape() {
    let metrics = Metrics::new();
    metrics.follow(Two);
    metrics.set_websockets(2);
    for _ in 0..2 {
        for (series, expected) in [
            (
                r#"quota_used_ratio{profile="work",window="a \"limit\"\n"}"#,
                "0.42",
            ),
            (r#"profiles{state="ok"}"#, "1"),
            (r#"refreshes_total{result="refreshed"}"#, "5"),
            ("websockets", "2"),
        ] {
            let found = value(&metrics, &format!("codex_router_{series}")).await;
            assert_eq!(found.as_deref(), Some(expected), "{series}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_open_until_it_is_dropped() {
    let metrics = Metrics::new();
    let open = metrics.connection();
    let series = "codex_router_connections ";
    assert_eq!(value(&metrics, series).await.as_deref(), Some("1"));
    drop(open);
    assert_eq!(value(&metrics, series).await.as_deref(), Some("0"));
}
