use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, Version, response::Parts};
use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind, TraceContextExt as _},
};
use tower::{Layer, Service};

use super::{TracedBody, Traces};
use crate::{
    error::ErrorMark,
    requests::{id_of, route_of},
    route::Routed,
    spans::{Point, Recorded},
};

/// Makes a span of each request; see the [module](super).
#[derive(Debug, Clone)]
pub struct TracesLayer {
    traces: Option<Traces>,
}

impl TracesLayer {
    /// Spans that are made by these.
    #[must_use]
    pub fn new(traces: Traces) -> Self {
        Self::perhaps(Some(traces))
    }

    /// Spans that are made by these, if anybody makes them.
    pub(crate) fn perhaps(traces: Option<Traces>) -> Self {
        Self { traces }
    }
}

impl<S> Layer<S> for TracesLayer {
    type Service = TracesService<S>;

    fn layer(&self, inner: S) -> TracesService<S> {
        TracesService {
            inner,
            traces: self.traces.clone(),
        }
    }
}

/// The service of [`TracesLayer`].
#[derive(Debug, Clone)]
pub struct TracesService<S> {
    inner: S,
    traces: Option<Traces>,
}

impl<S, B, R> Service<Request<B>> for TracesService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<TracedBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let traces = self.traces.as_ref();
        let span = traces.map(|traces| RequestSpan::begin(traces, &mut request));
        let span = span.unwrap_or(RequestSpan(None));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if answer.is_err() {
                span.broke();
                return answer.map(|answer| answer.map(|body| TracedBody::new(body, None)));
            }
            let (head, body) = answer?.into_parts();
            let span = span.answered(&head);
            Ok(Response::from_parts(head, TracedBody::new(body, span)))
        })
    }
}

/// That of a whole request. It ends when it is dropped.
pub(super) struct RequestSpan(Option<Arc<Recorded>>);

impl RequestSpan {
    /// One whose steps hang on `request`, if it is recorded.
    fn begin<B>(traces: &Traces, request: &mut Request<B>) -> Self {
        let parent = traces.parent(request.headers());
        let span = traces.start(builder(request), &parent);
        if !span.span().is_recording() {
            return Self(None);
        }
        let root = Arc::new(Recorded::new(span));
        let point = Point::new(traces.clone(), root.clone());
        request.extensions_mut().insert(point);
        Self(Some(root))
    }

    /// What is left to its body; a connection that is upgraded has it to its end.
    fn answered(mut self, head: &Parts) -> Option<Self> {
        let root = self.0.as_ref()?;
        tell(root, head);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // Whoever goes on with the connection holds it.
            self.0.take();
        }
        Some(self)
    }

    /// There is no answer, or no end of it.
    pub(super) fn broke(self) {
        if let Some(root) = &self.0 {
            root.fail("_OTHER".to_owned());
        }
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if let Some(root) = &self.0 {
            root.end();
        }
    }
}

/// Paths may hold names, and so stand here only where nothing in them does.
fn builder<B>(request: &Request<B>) -> SpanBuilder {
    let method = method_of(request.method());
    let path = request.uri().path();
    let route = route_of(path);
    let shown = method.unwrap_or("HTTP");
    let mut attributes = vec![
        KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("network.protocol.version", version_of(request.version())),
    ];
    if route == path {
        attributes.push(KeyValue::new("url.path", route.clone()));
    }
    if let Some(id) = id_of(request.headers()) {
        attributes.push(KeyValue::new("codex_router.request_id", id.to_owned()));
    }
    let name = format!("{shown} {route}");
    attributes.push(KeyValue::new("http.route", route));
    SpanBuilder::from_name(name)
        .with_kind(SpanKind::Server)
        .with_attributes(attributes)
}

/// A client may make up any other.
pub(crate) fn method_of(method: &Method) -> Option<&'static str> {
    let known = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
    ];
    known.into_iter().find(|known| method == known)
}

fn version_of(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

fn tell(root: &Recorded, head: &Parts) {
    let status = i64::from(head.status.as_u16());
    root.set(KeyValue::new("http.response.status_code", status));
    if let Some(Routed { profile, reason }) = head.extensions.get() {
        root.set(KeyValue::new("codex_router.profile", profile.to_string()));
        root.set(KeyValue::new("codex_router.reason", reason.as_str()));
    }
    let mark = head.extensions.get::<ErrorMark>();
    let code = mark.and_then(|mark| mark.code.as_deref());
    if let Some(mark) = mark {
        root.set(KeyValue::new("codex_router.error_by", mark.origin.as_str()));
    }
    if let Some(code) = code {
        root.set(KeyValue::new("codex_router.error_code", code.to_owned()));
    }
    if head.status.is_server_error() {
        root.fail(code.unwrap_or(head.status.as_str()).to_owned());
    }
}
