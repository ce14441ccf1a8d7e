use codex_auth::ProfileRef;
use http::{Extensions, Method, StatusCode};
use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};

use super::{Point, Recorded, kind_of};
use crate::{ApiError, traces::method_of};

/// One step of a request. It ends when it is dropped.
pub(crate) struct Step(Option<Recorded>);

impl Step {
    /// A step of the request that has these extensions.
    pub(crate) fn begin(of: &Extensions, name: &'static str) -> Self {
        Self::under(of.get(), name)
    }

    pub(super) fn under(point: Option<&Point>, name: &'static str) -> Self {
        Self(point.map(|point| {
            let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal);
            Recorded::new(point.child(builder))
        }))
    }

    /// A call of the upstream. Of its address only the origin is told: the rest may name somebody.
    pub(super) fn call(point: Option<&Point>, method: &Method, url: &reqwest::Url) -> Self {
        Self(point.map(|point| {
            let method = method_of(method);
            let mut attributes = vec![
                KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
                KeyValue::new("url.scheme", url.scheme().to_owned()),
            ];
            let host = url.host_str().map(str::to_owned);
            attributes.extend(host.map(|host| KeyValue::new("server.address", host)));
            let port = url.port_or_known_default().map(i64::from);
            attributes.extend(port.map(|port| KeyValue::new("server.port", port)));
            let builder = SpanBuilder::from_name(method.unwrap_or("HTTP"))
                .with_kind(SpanKind::Client)
                .with_attributes(attributes);
            Recorded::new(point.child(builder))
        }))
    }

    /// It has come to this profile, and is over.
    pub(crate) fn served_by(self, profile: &ProfileRef) {
        if let Some(span) = &self.0 {
            let profile = KeyValue::new("codex_router.profile", profile.to_string());
            span.set(profile);
        }
    }

    /// The head of the answer is there.
    pub(crate) fn answered(&self, status: StatusCode) {
        let Some(span) = &self.0 else { return };
        let code = i64::from(status.as_u16());
        span.set(KeyValue::new("http.response.status_code", code));
        if status.is_client_error() || status.is_server_error() {
            span.fail(status.as_str().to_owned());
        }
        if status == StatusCode::UNAUTHORIZED {
            // It is held while the login is refreshed, and nobody reads more of it.
            span.end();
        }
    }

    /// It failed.
    pub(crate) fn fail(&self, error: impl FnOnce() -> ApiError) {
        if let Some(span) = &self.0 {
            span.fail(kind_of(&error()));
        }
    }

    /// The answer was cut off.
    pub(crate) fn broke(self) {
        if let Some(span) = &self.0 {
            span.fail("connection_lost".to_owned());
        }
    }

    /// Says what this work, if it does, fails at.
    pub(crate) async fn watch<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        error_of: fn(&E) -> ApiError,
    ) -> Result<T, E> {
        let done = work.await;
        if let Err(error) = &done {
            self.fail(|| error_of(error));
        }
        done
    }

    pub(crate) fn end(self) {
        drop(self);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(span) = &self.0 {
            span.end();
        }
    }
}
