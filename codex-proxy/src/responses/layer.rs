//! The layer and its service.

use std::{
    mem,
    ops::ControlFlow,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use tower::{Layer, Service};

use super::{
    adapt::{Adapted, Prepared, prepare},
    aggregate::Gatherer,
    memory::ResponseMemory,
    recall::Memories,
    relay::Relay,
    warm_up,
};
use crate::{
    error::BoxError,
    spans::Step,
    translated::{TranslatedBody, exchange, read_body, read_whole, request_headers, require_plain},
    upstream::is_codex_client,
};

/// 64 MiB: room for histories with images.
const BODY_LIMIT_BYTES: usize = 64 << 20;

/// Lets every client of the Responses API use a ChatGPT login.
#[derive(Debug, Clone)]
pub struct ResponsesLayer {
    body_limit_bytes: usize,
    memory: Option<ResponseMemory>,
}

impl ResponsesLayer {
    /// For bodies up to 64 MiB, with no memory.
    #[must_use]
    pub fn new() -> Self {
        Self {
            body_limit_bytes: BODY_LIMIT_BYTES,
            memory: None,
        }
    }

    /// Accepts larger or only smaller bodies. What passes untouched has no limit here.
    #[must_use]
    pub fn with_body_limit(self, body_limit_bytes: usize) -> Self {
        Self {
            body_limit_bytes,
            ..self
        }
    }

    /// Keeps the answers to clients that are not Codex, so that later requests can go on from them.
    #[must_use]
    pub fn with_memory(self, memory: ResponseMemory) -> Self {
        Self {
            memory: Some(memory),
            ..self
        }
    }
}

impl Default for ResponsesLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ResponsesLayer {
    type Service = Responses<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Responses {
            inner,
            settings: self.clone(),
        }
    }
}

/// The service of [`ResponsesLayer`].
#[derive(Debug, Clone)]
pub struct Responses<S> {
    inner: S,
    settings: ResponsesLayer,
}

impl<S, B, R> Service<Request<B>> for Responses<S>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<TranslatedBody<R, Relay>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        if passes_untouched(&request) {
            let answer = ready.call(request.map(Either::Left));
            return Box::pin(async move { answer.await.map(untouched).map_err(Into::into) });
        }
        Box::pin(serve(ready, request, self.settings.clone()))
    }
}

fn untouched<R>(answer: Response<R>) -> Response<TranslatedBody<R, Relay>> {
    answer.map(TranslatedBody::untouched)
}

fn passes_untouched<B>(request: &Request<B>) -> bool {
    let hint = request.extensions().get::<RouteHint>();
    let native = hint.is_some_and(|hint| hint.backend == Some(Backend::OpenAi));
    native || is_codex_client(request.headers()) || request.method() != Method::POST
}

async fn serve<S, B, R>(
    inner: S,
    request: Request<B>,
    settings: ResponsesLayer,
) -> Result<Response<TranslatedBody<R, Relay>>, BoxError>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    R: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (mut head, body) = request.into_parts();
    require_plain(&head.headers)?;
    let body = read_body(body, settings.body_limit_bytes).await?;
    let step = Step::begin(&head.extensions, "translate");
    let memories = Memories::of(&head.extensions, settings.memory.as_ref());
    let prepared = prepare(&body, memories, settings.body_limit_bytes);
    let Prepared {
        adapted,
        turn,
        warm_up,
        max_output_tokens,
    } = prepared.inspect_err(|error| step.fail(|| error.clone()))?;
    step.end();
    let Adapted {
        body: adapted,
        stream,
        dropped,
    } = adapted;
    let turn = match turn {
        Some(turn) if warm_up => return Ok(warm_up::answer(&body, &turn, stream)?),
        turn => turn,
    };
    drop(body);
    request_headers(&mut head.headers);
    let (head, body) = match exchange(inner, head, adapted, (stream, &dropped)).await? {
        ControlFlow::Continue(answer) => answer,
        ControlFlow::Break(error) => return Ok(untouched(error)),
    };
    let body = if stream {
        TranslatedBody::stream(body, Relay::new(turn, max_output_tokens))
    } else {
        let mut gatherer = Gatherer::new(max_output_tokens);
        read_whole(body, |piece| gatherer.piece(piece)).await?;
        TranslatedBody::whole(gatherer.into_json(turn))
    };
    Ok(Response::from_parts(head, body))
}
