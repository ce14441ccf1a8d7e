//! The layer and its service.

use std::{
    mem,
    ops::ControlFlow,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use tower::{Layer, Service};

use super::{
    request::{Translated, translate},
    response::{TextAnswer, TextChunks, TextGatherer},
};
use crate::{
    chat::{is_native, pass, to_responses},
    error::BoxError,
    spans::Step,
    translated::{TranslatedBody, exchange, read_body, read_whole, require_plain},
};

/// 64 MiB, as for the other endpoints.
const BODY_LIMIT_BYTES: usize = 64 << 20;

/// Adds text completions to a service that speaks the Responses API.
#[derive(Debug, Clone)]
pub struct CompletionsLayer {
    body_limit_bytes: usize,
}

impl CompletionsLayer {
    /// For bodies up to 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self {
            body_limit_bytes: BODY_LIMIT_BYTES,
        }
    }

    /// Accepts larger or only smaller bodies.
    #[must_use]
    pub fn with_body_limit(self, body_limit_bytes: usize) -> Self {
        Self { body_limit_bytes }
    }
}

impl Default for CompletionsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CompletionsLayer {
    type Service = Completions<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Completions {
            inner,
            body_limit_bytes: self.body_limit_bytes,
        }
    }
}

/// The service of [`CompletionsLayer`].
#[derive(Debug, Clone)]
pub struct Completions<S> {
    inner: S,
    body_limit_bytes: usize,
}

impl<S, B, R> Service<Request<B>> for Completions<S>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
{
    type Response = Response<TranslatedBody<R, TextChunks>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        if is_native(&request) {
            Box::pin(pass(ready, request))
        } else {
            Box::pin(serve(ready, request, self.body_limit_bytes))
        }
    }
}

async fn serve<S, B, R>(
    inner: S,
    request: Request<B>,
    body_limit_bytes: usize,
) -> Result<Response<TranslatedBody<R, TextChunks>>, BoxError>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (mut head, body) = request.into_parts();
    require_plain(&head.headers)?;
    let body = read_body(body, body_limit_bytes).await?;
    let step = Step::begin(&head.extensions, "translate");
    let Translated {
        body: translated,
        answer: wanted,
        dropped,
    } = translate(&body).inspect_err(|error| step.fail(|| error.clone()))?;
    step.end();
    drop(body);
    to_responses(&mut head);
    let stream = wanted.options.stream;
    let (head, body) = match exchange(inner, head, translated, (stream, &dropped)).await? {
        ControlFlow::Continue(answer) => answer,
        ControlFlow::Break(error) => return Ok(error.map(TranslatedBody::untouched)),
    };
    let body = answer_body(body, wanted).await?;
    Ok(Response::from_parts(head, body))
}

async fn answer_body<R>(
    upstream: R,
    wanted: TextAnswer,
) -> Result<TranslatedBody<R, TextChunks>, BoxError>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if wanted.options.stream {
        return Ok(TranslatedBody::opened(upstream, TextChunks::new(wanted)).await?);
    }
    let mut gatherer = TextGatherer::new(wanted);
    read_whole(upstream, |piece| gatherer.piece(piece)).await?;
    Ok(TranslatedBody::whole(gatherer.into_json()))
}
