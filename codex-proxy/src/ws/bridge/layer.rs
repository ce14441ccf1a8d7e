use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::{ask::TurnHead, session::Session};
use crate::{
    ApiError, BoxError, Origin, error,
    model_rules::TurnRules,
    responses::memory::ConnectionMemories,
    upstream::is_codex_client,
    ws::{Connections, handshake::Offer, socket::Socket},
};

/// Serves WebSocket by a service for HTTP where the one inside cannot; see the [module](super).
#[derive(Debug, Clone)]
pub struct BridgeLayer<S> {
    turns: S,
    connections: Connections,
    memories: ConnectionMemories,
}

impl<S> BridgeLayer<S> {
    /// A layer that asks `turns` for the answer of each turn.
    pub fn new(turns: S) -> Self {
        Self {
            turns,
            connections: Connections::new(),
            memories: ConnectionMemories::new(),
        }
    }

    /// Keeps its connections here, where they can be ended in good order.
    #[must_use]
    pub fn with_connections(self, connections: Connections) -> Self {
        Self {
            connections,
            ..self
        }
    }

    /// Keeps here what its connections go on from. Default: 64 MiB for all of them together.
    #[must_use]
    pub fn with_memories(self, memories: ConnectionMemories) -> Self {
        Self { memories, ..self }
    }
}

impl<N, S: Clone> Layer<N> for BridgeLayer<S> {
    type Service = Bridge<N, S>;

    fn layer(&self, inner: N) -> Bridge<N, S> {
        Bridge {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`BridgeLayer`].
#[derive(Debug, Clone)]
pub struct Bridge<N, S> {
    inner: N,
    layer: BridgeLayer<S>,
}

impl<N, S, B, R> Service<Request<B>> for Bridge<N, S>
where
    N: Service<Request<B>, Response = Response<R>, Error = BoxError> + Clone + Send + 'static,
    N::Future: Send,
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    B: From<Bytes> + Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        if is_codex_client(request.headers()) {
            return Box::pin(ready.call(request));
        }
        let layer = self.layer.clone();
        let (parts, body) = request.into_parts();
        let handshake = Request::from_parts(parts.clone(), ());
        if !is_for_public_api(&handshake) || has_rules(&handshake) {
            return Box::pin(async move { layer.accept(handshake) });
        }
        let answer = ready.call(Request::from_parts(parts, body));
        Box::pin(async move {
            match answer.await {
                Err(error) if lacks_websocket(&error) => layer.accept(handshake),
                answer => answer,
            }
        })
    }
}

/// Whose WebSocket takes what such a client says.
fn is_for_public_api(handshake: &Request<()>) -> bool {
    let hint = handshake.extensions().get::<RouteHint>();
    hint.is_some_and(|hint| hint.backend == Some(Backend::OpenAi))
}

/// Each turn may be for another profile then.
fn has_rules(handshake: &Request<()>) -> bool {
    let rules = handshake.extensions().get::<TurnRules>();
    rules.is_some_and(TurnRules::apply)
}

/// Codex would now use HTTP by itself; other clients would not.
fn lacks_websocket(error: &BoxError) -> bool {
    error::find::<ApiError>(error.as_ref()).is_some_and(|error| {
        error.status == StatusCode::UPGRADE_REQUIRED && error.origin == Origin::Upstream
    })
}

impl<S> BridgeLayer<S> {
    fn accept<B, R>(self, mut handshake: Request<()>) -> Result<Response<R>, BoxError>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Error: Into<BoxError> + Send,
        S::Future: Send,
        B: From<Bytes> + Send + 'static,
        R: Body<Data = Bytes, Error: Into<BoxError>> + Default + Send + 'static,
    {
        let (acceptance, compression, client) = Offer::take(&mut handshake)?.into_parts();
        let head = TurnHead::of(handshake, self.memories.begin());
        self.connections.spawn(|stopping| {
            let session = async move {
                match client.await {
                    Ok(client) => {
                        let io = TokioIo::new(client);
                        let socket = Socket::new(io, Role::Server, compression).await;
                        Session::new(self.turns, head, stopping).run(socket).await;
                    }
                    Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
                }
            };
            session.instrument(tracing::Span::current())
        });
        Ok(acceptance.answer(HeaderMap::new()))
    }
}
