//! The layer and its service.

use std::{
    mem,
    ops::ControlFlow,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, Uri, request, uri::PathAndQuery};
use http_body::Body;
use http_body_util::{Either, Full};
use tower::{Layer, Service};

use super::{
    ReasoningFormat,
    request::{AnswerOptions, Translated, translate},
    response::{ChatChunks, Gatherer},
    wire::Identity,
};
use crate::{
    error::BoxError,
    spans::Step,
    translated::{TranslatedBody, exchange, read_body, read_whole, request_headers, require_plain},
};

/// 64 MiB: room for histories with images.
const BODY_LIMIT_BYTES: usize = 64 << 20;

/// Adds chat completions to a service that speaks the Responses API.
#[derive(Debug, Clone)]
pub struct ChatCompletionsLayer {
    reasoning: ReasoningFormat,
    body_limit_bytes: usize,
}

impl ChatCompletionsLayer {
    /// With reasoning in `reasoning_content`, and bodies up to 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self {
            reasoning: ReasoningFormat::default(),
            body_limit_bytes: BODY_LIMIT_BYTES,
        }
    }

    /// Shows reasoning in another way, but for a request that has a [`ReasoningFormat`] in its
    /// extensions.
    #[must_use]
    pub fn with_reasoning(self, reasoning: ReasoningFormat) -> Self {
        Self { reasoning, ..self }
    }

    /// Accepts larger or only smaller bodies.
    #[must_use]
    pub fn with_body_limit(self, body_limit_bytes: usize) -> Self {
        Self {
            body_limit_bytes,
            ..self
        }
    }
}

impl Default for ChatCompletionsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ChatCompletionsLayer {
    type Service = ChatCompletions<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ChatCompletions {
            inner,
            settings: self.clone(),
        }
    }
}

/// The service of [`ChatCompletionsLayer`].
#[derive(Debug, Clone)]
pub struct ChatCompletions<S> {
    inner: S,
    settings: ChatCompletionsLayer,
}

impl<S, B, R> Service<Request<B>> for ChatCompletions<S>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
{
    type Response = Response<TranslatedBody<R, ChatChunks>>;
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
            Box::pin(serve(ready, request, self.settings.clone()))
        }
    }
}

/// Whether the login that was chosen has all of the public API.
pub(crate) fn is_native<B>(request: &Request<B>) -> bool {
    let hint = request.extensions().get::<RouteHint>();
    hint.is_some_and(|hint| hint.backend == Some(Backend::OpenAi))
}

/// Hands a request on as it is.
pub(crate) async fn pass<S, B, R, T>(
    mut inner: S,
    request: Request<B>,
) -> Result<Response<TranslatedBody<R, T>>, BoxError>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    let answer = inner
        .call(request.map(Either::Left))
        .await
        .map_err(Into::into)?;
    Ok(answer.map(TranslatedBody::untouched))
}

async fn serve<S, B, R>(
    inner: S,
    request: Request<B>,
    settings: ChatCompletionsLayer,
) -> Result<Response<TranslatedBody<R, ChatChunks>>, BoxError>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (mut head, body) = request.into_parts();
    require_plain(&head.headers)?;
    let reasoning = head.extensions.get().copied();
    let reasoning = reasoning.unwrap_or(settings.reasoning);
    let body = read_body(body, settings.body_limit_bytes).await?;
    let step = Step::begin(&head.extensions, "translate");
    let Translated {
        body: translated,
        answer: options,
        dropped,
    } = translate(&body, reasoning).inspect_err(|error| step.fail(|| error.clone()))?;
    step.end();
    // A history is kept once in memory while its answer streams, not twice.
    drop(body);
    to_responses(&mut head);
    let (head, body) = match exchange(inner, head, translated, (options.stream, &dropped)).await? {
        ControlFlow::Continue(answer) => answer,
        ControlFlow::Break(error) => return Ok(error.map(TranslatedBody::untouched)),
    };
    let body = answer_body(body, &options, reasoning).await?;
    Ok(Response::from_parts(head, body))
}

async fn answer_body<R>(
    upstream: R,
    options: &AnswerOptions,
    reasoning: ReasoningFormat,
) -> Result<TranslatedBody<R, ChatChunks>, BoxError>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if options.stream {
        let chunks = ChatChunks::new(options, reasoning, Identity::new());
        return Ok(TranslatedBody::opened(upstream, chunks).await?);
    }
    let mut gatherer = Gatherer::new(options, reasoning);
    read_whole(upstream, |piece| gatherer.piece(piece)).await?;
    Ok(TranslatedBody::whole(gatherer.into_json(options)))
}

/// Makes a request one for the Responses API.
pub(crate) fn to_responses(head: &mut request::Parts) {
    head.method = Method::POST;
    request_headers(&mut head.headers);
    let mut uri = mem::take(&mut head.uri).into_parts();
    uri.path_and_query = Some(PathAndQuery::from_static("/v1/responses"));
    // Only the path is new, and the other parts came from a valid address.
    head.uri = Uri::from_parts(uri).unwrap_or_else(|_| Uri::from_static("/v1/responses"));
}
