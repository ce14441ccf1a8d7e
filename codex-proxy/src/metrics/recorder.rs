use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use http::StatusCode;
use prometheus_client::{
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use tokio::sync::Mutex;

use super::{
    facts::{Facts, MetricsSource, ProfileFacts},
    labels::{
        Answered, Build, Counts, Failed, InState, OfProfile, OfRoute, OfWindow, ProfileLabel,
        ProfileNames, Served, Status, WithResult, Word, class_of, route_of_entry,
    },
    process::ProcessCollector,
};
use crate::{
    ApiError,
    requests::{EndedRequest, RequestEntry, RequestObserver, RequestState},
    route::{RouteReason, Routed},
};

/// How many windows of one profile are told apart; OpenAI has a handful.
const MOST_WINDOWS: usize = 16;

/// What is counted. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    names: ProfileNames,
    requests: Family<Answered, Counter>,
    cancelled: Family<Served, Counter>,
    errors: Family<Failed, Counter>,
    in_progress: Gauge,
    first_byte: Family<Served, Histogram, Buckets>,
    added: Family<OfRoute, Histogram, Buckets>,
    duration: Family<Served, Histogram, Buckets>,
    tokens: Family<Counts, Counter>,
    fallbacks: Family<OfProfile, Counter>,
    connections: Gauge,
    states: States,
    source: OnceLock<Box<dyn MetricsSource>>,
    /// One scrape at a time: what was found out for one is not mixed with what was for another.
    scraping: Mutex<()>,
}

/// What is set at each scrape.
#[derive(Debug, Default)]
struct States {
    refreshes: Family<WithResult, Counter>,
    quota_used: Family<OfWindow, Gauge<f64, AtomicU64>>,
    quota_reset: Family<OfWindow, Gauge<i64, AtomicI64>>,
    profiles: Family<InState, Gauge>,
    current: Family<OfProfile, Gauge>,
    websockets: Gauge,
}

/// From a minimum, each bucket twice or five times as wide as the one before.
#[derive(Debug, Clone, Copy)]
enum Buckets {
    /// To the first byte, or the last: a model thinks for milliseconds or for minutes.
    Answer,
    /// Of our own: a hundred microseconds, unless a login must be refreshed.
    Own,
}

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        let bounds: &[f64] = match self {
            Self::Answer => &[
                0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0,
            ],
            Self::Own => &[
                0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0,
            ],
        };
        Histogram::new(bounds.iter().copied())
    }
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let histogram = |buckets| Family::new_with_constructor(buckets);
        let mut inner = Inner {
            registry: Registry::default(),
            names: ProfileNames::default(),
            requests: Family::default(),
            cancelled: Family::default(),
            errors: Family::default(),
            in_progress: Gauge::default(),
            first_byte: histogram(Buckets::Answer),
            added: Family::new_with_constructor(Buckets::Own),
            duration: histogram(Buckets::Answer),
            tokens: Family::default(),
            fallbacks: Family::default(),
            connections: Gauge::default(),
            states: States::default(),
            source: OnceLock::new(),
            scraping: Mutex::default(),
        };
        inner.registry = inner.registered();
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Asks `source` at each scrape; only the first one that is given counts.
    pub fn follow(&self, source: impl MetricsSource) {
        // One program serves one set of profiles.
        let _ = self.inner.source.set(Box::new(source));
    }

    /// A connection that is open until what is returned is dropped.
    #[must_use]
    pub fn connection(&self) -> OpenConnection {
        self.inner.connections.inc();
        OpenConnection(self.inner.connections.clone())
    }

    /// How many WebSocket connections are open just now.
    pub fn set_websockets(&self, open: usize) {
        let open = open.try_into().unwrap_or(i64::MAX);
        self.inner.states.websockets.set(open);
    }

    /// Counts an answer that is in no list.
    pub(super) fn count_unlisted(&self, route: Word, status: u16, answer: &http::Extensions) {
        let routed = answer.get::<Routed>();
        let profile = routed.map(|it| it.profile.as_str());
        let profile = self.inner.names.label(profile);
        self.inner
            .count(&profile, route, Some(status), routed.map(|it| it.reason));
        if let Some(mark) = answer.get::<crate::error::ErrorMark>() {
            self.inner
                .fail(profile, route, mark.origin.into(), Some(status));
        }
    }

    /// Everything registered, with the states as they are now, in the crate's own form.
    pub(super) async fn encoded(&self) -> Result<String, ApiError> {
        let _one = self.inner.scraping.lock().await;
        if let Some(source) = self.inner.source.get() {
            let facts = source.facts().await;
            self.inner.states.set(&self.inner.names, &facts);
        }
        let metrics = self.clone();
        // What is asked of the system about this process reads files, if not from a disk.
        let encoded = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            let encoded =
                prometheus_client::encoding::text::encode(&mut text, &metrics.inner.registry);
            encoded.map(|()| text)
        });
        encoded
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(unwritten)
    }
}

fn unwritten() -> ApiError {
    let message = "the numbers could not be written";
    ApiError::router(
        StatusCode::INTERNAL_SERVER_ERROR,
        "metrics_unwritten",
        message,
    )
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl RequestObserver for Metrics {
    fn began(&self) {
        self.inner.in_progress.inc();
    }

    fn ended(&self, ended: &EndedRequest<'_>) {
        self.inner.in_progress.dec();
        self.inner.ended(ended);
    }
}

impl Inner {
    fn ended(&self, ended: &EndedRequest<'_>) {
        let entry = ended.entry;
        let route = route_of_entry(entry);
        let profile = self.names.label(entry.profile.as_deref());
        self.count(&profile, route, entry.status, entry.reason);
        if let Some(origin) = entry.error_by {
            self.fail(profile.clone(), route, origin.into(), entry.status);
        }
        self.count_tokens(&profile, entry);
        let served = Served { profile, route };
        if entry.state == RequestState::Cancelled {
            self.cancelled.get_or_create(&served).inc();
        }
        self.time(&served, ended);
    }

    fn count(
        &self,
        profile: &ProfileLabel,
        route: Word,
        status: Option<u16>,
        reason: Option<RouteReason>,
    ) {
        let answered = Answered {
            profile: profile.clone(),
            route,
            status: class_of(status),
            reason: reason.into(),
        };
        self.requests.get_or_create(&answered).inc();
        if reason == Some(RouteReason::Fallback) {
            let profile = profile.clone();
            self.fallbacks.get_or_create(&OfProfile { profile }).inc();
        }
    }

    fn fail(&self, profile: ProfileLabel, route: Word, origin: Word, status: Option<u16>) {
        let status = Status::of(status);
        let failed = Failed {
            profile,
            route,
            origin,
            status,
        };
        self.errors.get_or_create(&failed).inc();
    }

    fn count_tokens(&self, profile: &ProfileLabel, entry: &RequestEntry) {
        for (kind, tokens) in [
            ("input", entry.input_tokens),
            ("cached", entry.cached_tokens),
            ("output", entry.output_tokens),
            ("reasoning", entry.reasoning_tokens),
        ] {
            let Some(tokens) = tokens else { continue };
            let counts = Counts {
                profile: profile.clone(),
                kind: Word(kind),
            };
            self.tokens.get_or_create(&counts).inc_by(tokens);
        }
    }

    fn time(&self, served: &Served, ended: &EndedRequest<'_>) {
        let observe = |histogram: &Histogram, time: Duration| histogram.observe(time.as_secs_f64());
        observe(&self.duration.get_or_create(served), ended.duration);
        if let Some(first_byte) = ended.first_byte {
            observe(&self.first_byte.get_or_create(served), first_byte);
        }
        if let Some(added) = ended.added {
            let route = served.route;
            observe(&self.added.get_or_create(&OfRoute { route }), added);
        }
    }

    /// A registry of all of it, by the names that the [module](super) lists.
    fn registered(&self) -> Registry {
        let mut all = Registry::default();
        all.register_collector(Box::new(ProcessCollector::new()));
        let own = all.sub_registry_with_prefix("codex_router");
        own.register(
            "requests",
            "Requests that were answered",
            self.requests.clone(),
        );
        let help = "Requests whose client left before the end of the answer";
        own.register("requests_cancelled", help, self.cancelled.clone());
        let help = "Errors, by whose they are: the router's, the upstream's, the client's";
        own.register("errors", help, self.errors.clone());
        let help = "Streams and WebSocket turns under way";
        own.register("requests_in_progress", help, self.in_progress.clone());
        let help = "From a request to the first byte of its answer's body";
        own.register_with_unit(
            "time_to_first_byte",
            help,
            Unit::Seconds,
            self.first_byte.clone(),
        );
        let help = "What of the time to the first byte was the router's own";
        own.register_with_unit("added_latency", help, Unit::Seconds, self.added.clone());
        let help = "From a request to the end of its answer";
        own.register_with_unit(
            "request_duration",
            help,
            Unit::Seconds,
            self.duration.clone(),
        );
        let help = "Tokens of answers that came to their end; cached are part of input, reasoning of output";
        own.register("tokens", help, self.tokens.clone());
        let help = "Requests that a profile served in the place of the current one";
        own.register("fallbacks", help, self.fallbacks.clone());
        own.register(
            "connections",
            "Open connections of clients",
            self.connections.clone(),
        );
        self.states.register(own);
        own.register("build_info", "The program", build_info());
        all
    }
}

fn build_info() -> Family<Build, Gauge> {
    let family = Family::<Build, Gauge>::default();
    let version = Word(env!("CARGO_PKG_VERSION"));
    family.get_or_create(&Build { version }).set(1);
    family
}

impl States {
    fn register(&self, own: &mut Registry) {
        let help = "Refreshes of logins, by how they ended";
        own.register("refreshes", help, self.refreshes.clone());
        let help = "How much of a limit is used, 1 being all of it";
        own.register_with_unit(
            "quota_used",
            help,
            Unit::Other("ratio".to_owned()),
            self.quota_used.clone(),
        );
        let help = "When a limit begins anew";
        own.register_with_unit(
            "quota_reset_timestamp",
            help,
            Unit::Seconds,
            self.quota_reset.clone(),
        );
        own.register(
            "profiles",
            "Profiles, by whether they can serve",
            self.profiles.clone(),
        );
        let help = "1 for the profile that serves by default";
        own.register("profile_current", help, self.current.clone());
        own.register(
            "websockets",
            "Open WebSocket connections",
            self.websockets.clone(),
        );
    }

    fn set(&self, names: &ProfileNames, facts: &Facts) {
        for (result, count) in &facts.refreshes {
            let result = WithResult {
                result: Word(result),
            };
            let counter = self.refreshes.get_or_create(&result);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        self.quota_used.clear();
        self.quota_reset.clear();
        self.profiles.clear();
        self.current.clear();
        for profile in &facts.profiles {
            self.set_profile(names, profile);
        }
    }

    fn set_profile(&self, names: &ProfileNames, facts: &ProfileFacts) {
        let state = Word(facts.state);
        self.profiles.get_or_create(&InState { state }).inc();
        let profile = names.label(Some(facts.name.as_str()));
        let current = OfProfile {
            profile: profile.clone(),
        };
        self.current
            .get_or_create(&current)
            .set(facts.is_current.into());
        for window in facts.windows.iter().take(MOST_WINDOWS) {
            let of_window = OfWindow {
                profile: profile.clone(),
                window: window.name.clone(),
            };
            if let Some(percent) = window.used_percent {
                self.quota_used
                    .get_or_create(&of_window)
                    .set(percent / 100.0);
            }
            if let Some(at) = window.resets_at {
                self.quota_reset
                    .get_or_create(&of_window)
                    .set(at.as_second());
            }
        }
    }
}

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
