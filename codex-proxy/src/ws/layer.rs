use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{self, BoxFuture};
use http::{Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::{
    Connections, Handshake,
    course::{Course, Destination, LimitsOf},
    extension::Compression,
    handshake::{Offer, unless_without_websocket},
    listed::ListedTurns,
    relay::Relay,
    socket::Socket,
};
use crate::{BoxError, conversation::ConversationLayer, route::ProfileTable, usage::UsageSink};

/// Lets clients go on over WebSocket; see the [module](super).
#[derive(Clone)]
pub struct UpgradeLayer<T> {
    table: T,
    conversations: ConversationLayer,
    connections: Connections,
    usage: Option<Arc<dyn UsageSink>>,
}

impl<T> UpgradeLayer<T> {
    /// A layer that asks `table`, before each turn, which profile would serve it.
    pub fn new(table: T) -> Self {
        Self {
            table,
            conversations: ConversationLayer::new(),
            connections: Connections::new(),
            usage: None,
        }
    }

    /// Hands what the upstream tells of limits in the middle of a connection to this sink.
    #[must_use]
    pub fn with_usage(self, sink: Arc<dyn UsageSink>) -> Self {
        Self {
            usage: Some(sink),
            ..self
        }
    }

    /// Knows of the same threads as this layer: a conversation may go on over HTTP.
    #[must_use]
    pub fn with_conversations(self, conversations: ConversationLayer) -> Self {
        Self {
            conversations,
            ..self
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
}

impl<T: fmt::Debug> fmt::Debug for UpgradeLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeLayer")
            .field("table", &self.table)
            .field("conversations", &self.conversations)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl<S, T: Clone> Layer<S> for UpgradeLayer<T> {
    type Service = Upgrade<S, T>;

    fn layer(&self, inner: S) -> Upgrade<S, T> {
        Upgrade {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`UpgradeLayer`].
#[derive(Debug, Clone)]
pub struct Upgrade<S, T> {
    inner: S,
    layer: UpgradeLayer<T>,
}

impl<S, T, B, R> Service<Request<B>> for Upgrade<S, T>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    T: ProfileTable + Clone,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        Box::pin(self.layer.clone().run(ready, request))
    }
}

impl<T: ProfileTable> UpgradeLayer<T> {
    async fn run<S, B, R>(
        self,
        mut inner: S,
        mut request: Request<B>,
    ) -> Result<Response<R>, BoxError>
    where
        S: Service<Request<B>, Response = Response<R>, Error = BoxError>,
        R: Default,
    {
        let (acceptance, compression, client) = Offer::take(&mut request)?.into_parts();
        let handshake = Handshake::new();
        request.extensions_mut().insert(handshake.clone());
        let (mut parts, body) = request.into_parts();
        let passage = self.conversations.passage(&mut parts);
        let hint = parts.extensions.get().cloned().unwrap_or_default();
        let limits = self.usage.and_then(|sink| LimitsOf::new(&hint, sink));
        let destination = Destination::new(self.table, hint, parts.extensions.get());
        let listed = ListedTurns::of(&parts.extensions);
        let pass = parts.extensions.remove();
        let rules = parts.extensions.remove();

        let mut response = inner.call(Request::from_parts(parts, body)).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return unless_without_websocket(response);
        }
        let client = Side::new(client, Role::Server, compression);
        let compression = handshake.accepted_by(response.headers())?;
        let upstream = hyper::upgrade::on(&mut response);
        let upstream = Side::new(upstream, Role::Client, compression);
        let course = Course::new(destination, passage, listed)
            .with_pass(pass)
            .with_rules(rules)
            .with_limits(limits);
        self.connections.spawn(|stopping| {
            let relay = relay(client, upstream, course, stopping);
            relay.instrument(tracing::Span::current())
        });
        Ok(acceptance.answer(mem::take(response.headers_mut())))
    }
}

/// One side before it has switched.
struct Side {
    connection: OnUpgrade,
    role: Role,
    compression: Option<Compression>,
}

impl Side {
    fn new(connection: OnUpgrade, role: Role, compression: Option<Compression>) -> Self {
        Self {
            connection,
            role,
            compression,
        }
    }

    async fn socket(self) -> hyper::Result<Socket<TokioIo<Upgraded>>> {
        let io = TokioIo::new(self.connection.await?);
        Ok(Socket::new(io, self.role, self.compression).await)
    }
}

/// Passes messages on once both sides have switched.
async fn relay<T: ProfileTable>(
    client: Side,
    upstream: Side,
    course: Course<T>,
    stopping: CancellationToken,
) {
    match future::try_join(client.socket(), upstream.socket()).await {
        Ok((client, upstream)) => Relay::new(course, stopping).run(client, upstream).await,
        // Whichever is left is closed by being dropped.
        Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
    }
}
