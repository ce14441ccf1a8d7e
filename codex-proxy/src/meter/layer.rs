use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use codex_auth::RouteHint;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, header::CONTENT_ENCODING, header::CONTENT_TYPE};
use tower::{Layer, Service};

use super::{MeteredBody, Tokens, body::Watched};
use crate::{requests::RequestHandle, route::RouteReason};

/// Left in a request's extensions by whoever wants to know the tokens of its answer.
#[derive(Clone)]
pub struct TokenWatch(Arc<dyn Fn(Tokens) + Send + Sync>);

impl TokenWatch {
    /// Calls `told` once, when the answer is over, if it said its tokens. It must not block.
    pub fn new(told: impl Fn(Tokens) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    pub(crate) fn tell(&self, tokens: Tokens) {
        (self.0)(tokens);
    }
}

impl fmt::Debug for TokenWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenWatch").finish_non_exhaustive()
    }
}

/// Reads model and tokens from answers; see the [module](super).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct MeterLayer;

impl MeterLayer {
    /// The layer; it has nothing to set.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for MeterLayer {
    type Service = Meter<S>;

    fn layer(&self, inner: S) -> Meter<S> {
        Meter { inner }
    }
}

/// The service of [`MeterLayer`].
#[derive(Debug, Clone)]
pub struct Meter<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Meter<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<MeteredBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let watched = watched(&request);
        let handle = request.extensions().get::<RequestHandle>().cloned();
        if let Some(handle) = &handle {
            handle.note_sent();
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if let Some(handle) = &handle {
                handle.note_answered();
            }
            let answer = answer?;
            let watched = watched.filter(|_| is_text(answer.headers()));
            if let (None, Some(handle)) = (&watched, handle) {
                handle.note_unread();
            }
            Ok(answer.map(|body| MeteredBody::new(body, watched)))
        })
    }
}

/// Who wants to know of the answer to this request.
fn watched<B>(request: &Request<B>) -> Option<Watched> {
    let extensions = request.extensions();
    let handle = extensions.get::<RequestHandle>().cloned();
    if let Some(handle) = &handle
        && let Some(hint) = extensions.get::<RouteHint>()
        && let (Some(profile), Some(reason)) = (&hint.profile, extensions.get::<RouteReason>())
    {
        handle.note_served(profile, *reason);
    }
    let watch = extensions.get::<TokenWatch>().cloned();
    // What is asked for again, such as an answer that was kept, has been counted.
    let counts = request.method() == Method::POST && (handle.is_some() || watch.is_some());
    counts.then(|| Watched::new(handle, watch))
}

/// Whether an answer can be read. The ChatGPT backend may leave the type of a stream out.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let is_json = kind.is_none_or(|kind| {
        kind.starts_with(b"application/json") || kind.starts_with(b"text/event-stream")
    });
    is_json && !headers.contains_key(CONTENT_ENCODING)
}
