//! The profile store as what is asked at each scrape, and the route of it.

use axum::{Router, body::Body, routing::get};
use codex_auth::ProfileRef;
use codex_profiles::{
    ProfileStore, Report, StoreError,
    report::{LoginState, ProfileReport},
};
use futures_util::future::BoxFuture;
use http::HeaderMap;

use crate::{
    metrics::{Facts, Metrics, MetricsSource, ProfileFacts, WindowFacts},
    ws::Connections,
};

/// `GET /metrics`, where there is anything to count.
pub(super) fn route(metrics: Option<Metrics>, connections: Connections) -> Router {
    let Some(metrics) = metrics else {
        return Router::new();
    };
    let scrape = async move |headers: HeaderMap| {
        metrics.set_websockets(connections.open());
        metrics.answer::<Body>(&headers).await
    };
    Router::new().route("/metrics", get(scrape))
}

impl MetricsSource for ProfileStore {
    fn facts(&self) -> BoxFuture<'_, Facts> {
        Box::pin(async {
            let profiles = self
                .report()
                .await
                .map_or_else(|error| without_profiles(&error), facts_of);
            Facts {
                profiles,
                refreshes: self.refresh_counts().by_result().to_vec(),
            }
        })
    }
}

fn without_profiles(error: &StoreError) -> Vec<ProfileFacts> {
    tracing::warn!(%error, "the numbers are without those of profiles");
    Vec::new()
}

fn facts_of(report: Report) -> Vec<ProfileFacts> {
    report.profiles.into_iter().map(facts_of_profile).collect()
}

fn facts_of_profile(report: ProfileReport) -> ProfileFacts {
    let windows = report.usage.map(|usage| usage.windows).unwrap_or_default();
    let windows = windows.into_iter().map(|window| WindowFacts {
        name: window.name,
        used_percent: window.used_percent,
        resets_at: window.resets_at,
    });
    ProfileFacts {
        name: ProfileRef::new(&report.name),
        state: word(report.state),
        is_current: report.current,
        windows: windows.collect(),
    }
}

fn word(state: LoginState) -> &'static str {
    match state {
        LoginState::Ok => "ok",
        LoginState::Expired => "expired",
        LoginState::NeedsLogin => "needs_login",
        LoginState::Unreadable => "unreadable",
        _ => "none",
    }
}
