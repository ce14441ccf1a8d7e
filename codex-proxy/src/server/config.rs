use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router};
use codex_auth::CredentialProvider;
use tokio::net::TcpListener;

use super::{
    keys::AnyKeys,
    router,
    serve::Bound,
    stack::{Limits, Stack},
};
#[cfg(feature = "control")]
use crate::control::Control;
use crate::{
    BoxError,
    chat::ReasoningFormat,
    conversation::ConversationLayer,
    fallback::FallbackRules,
    gate::{Admission, ClientGateLayer, ClientKeyLayer, ClientKeys, FromNetwork},
    metrics::Metrics,
    requests::RequestLog,
    responses::memory::ResponseMemory,
    route::ProfileTable,
    upstream::{Targets, Upstream, WorkspaceLayer, client_builder},
    usage::UsageSink,
    ws::Connections,
};

/// The whole server, not yet bound to an address.
#[derive(Debug)]
pub struct Server {
    router: Router,
    keys: AnyKeys,
    connections: Connections,
    metrics: Option<Metrics>,
    #[cfg(feature = "control")]
    control: Option<Control>,
}

/// Sets up a [`Server`]; every setting has a default.
pub struct ServerBuilder<P> {
    profiles: P,
    client: Option<reqwest::Client>,
    upgrade_client: Option<reqwest::Client>,
    targets: Targets,
    reasoning: ReasoningFormat,
    limits: Limits,
    memory: Option<ResponseMemory>,
    #[cfg(feature = "control")]
    control: Option<Control>,
    requests: Option<RequestLog>,
    fallback: Option<Arc<dyn FallbackRules>>,
    keys: AnyKeys,
    hosts: Vec<String>,
    usage: Option<Arc<dyn UsageSink>>,
    metrics: Option<Metrics>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The HTTP client could not be set up: look at the certificate and proxy settings.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
    /// Anybody in the network could use the logins: make a key first, which clients have to present.
    #[error(
        "{0} is not a loopback address, and without a client key the router serves this machine \
         alone: `codex-router key create NAME` makes one"
    )]
    NotLoopback(SocketAddr),
    /// Whether there are keys cannot be found out: look at `router/state.json`.
    #[error("the client keys cannot be read, without which only this machine is served")]
    Keys(#[source] BoxError),
    /// Stop whatever holds the address, or choose another with `--listen`.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Server {
    /// A server of these profiles: a `ProfileStore`, or whatever chooses and supplies logins.
    pub fn builder<P>(profiles: P) -> ServerBuilder<P>
    where
        P: CredentialProvider + ProfileTable + Clone,
    {
        ServerBuilder {
            profiles,
            client: None,
            upgrade_client: None,
            targets: Targets::default(),
            reasoning: ReasoningFormat::default(),
            limits: Limits::default(),
            memory: Some(ResponseMemory::new()),
            #[cfg(feature = "control")]
            control: None,
            requests: None,
            fallback: None,
            keys: AnyKeys::default(),
            hosts: Vec::new(),
            usage: None,
            metrics: None,
        }
    }

    /// The server as a router to mount in another program, gate and all.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// Listens on an address, which is a loopback one unless there are client keys; port 0 chooses
    /// a free one.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`], [`ServerError::Keys`] and [`ServerError::Bind`].
    pub async fn bind(mut self, address: SocketAddr) -> Result<Bound, ServerError> {
        if !address.ip().is_loopback() {
            let admission = self.keys.admit(None).await.map_err(ServerError::Keys)?;
            if admission == Admission::Open {
                return Err(ServerError::NotLoopback(address));
            }
            // When the last key is revoked, the network must not come in without one.
            self.router = self.router.layer(Extension(FromNetwork));
        }
        let bind_error = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let bound = Bound::new(listener, self.router, self.connections).map_err(bind_error)?;
        let bound = bound.with_metrics(self.metrics);
        #[cfg(feature = "control")]
        let bound = bound.with_control(self.control);
        Ok(bound)
    }
}

impl<P> ServerBuilder<P>
where
    P: CredentialProvider + ProfileTable + Clone,
{
    /// Sends to these servers in place of OpenAI's own.
    #[must_use]
    pub fn targets(self, targets: Targets) -> Self {
        Self { targets, ..self }
    }

    /// Sends over this client; by default one of [`client_builder`].
    #[must_use]
    pub fn client(self, client: reqwest::Client) -> Self {
        Self {
            client: Some(client),
            ..self
        }
    }

    /// Asks for a WebSocket over this client, which must speak nothing but HTTP/1.1; by default one
    /// of [`client_builder`] that does.
    #[must_use]
    pub fn upgrade_client(self, client: reqwest::Client) -> Self {
        Self {
            upgrade_client: Some(client),
            ..self
        }
    }

    /// Shows the reasoning of models in this way in chat completions.
    #[must_use]
    pub fn reasoning(self, reasoning: ReasoningFormat) -> Self {
        Self { reasoning, ..self }
    }

    /// Accepts request bodies up to this size, before and after decompression. Default: 64 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body_bytes = bytes;
        self
    }

    /// Waits this long for the head of the upstream's answer. Default: 120 s.
    #[must_use]
    pub fn head_timeout(mut self, limit: Duration) -> Self {
        self.limits.head = limit;
        self
    }

    /// Keeps the answers of the Responses API to clients that are not Codex in this memory, or in
    /// none. Default: one of 64 MiB; see [`MemoryLimits`](crate::responses::memory::MemoryLimits).
    #[must_use]
    pub fn response_memory(self, memory: Option<ResponseMemory>) -> Self {
        Self { memory, ..self }
    }

    /// Serves the page at `/`, and what it asks for below `/api`. Default: neither.
    #[cfg(feature = "control")]
    #[must_use]
    pub fn control(self, control: Control) -> Self {
        Self {
            control: Some(control),
            ..self
        }
    }

    /// Hands what is read of the limits of accounts, in headers and in events, to this sink, such as
    /// a `ProfileStore`. Default: nobody.
    #[must_use]
    pub fn usage(self, sink: impl UsageSink) -> Self {
        Self {
            usage: Some(Arc::new(sink)),
            ..self
        }
    }

    /// Lists requests there. Default: nowhere.
    #[must_use]
    pub fn request_log(self, log: RequestLog) -> Self {
        Self {
            requests: Some(log),
            ..self
        }
    }

    /// Counts there what is served, and serves the numbers at `/metrics`. Requests are counted by
    /// the list that they come to: give [`request_log`](Self::request_log) one that is
    /// [observed](RequestLog::observed_by) by the same, or none. Default: nothing is counted.
    #[must_use]
    pub fn metrics(self, metrics: Metrics) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// Has other profiles serve what the current one could not, as these rules say: those of a
    /// `ProfileStore`, for one. Default: never.
    #[must_use]
    pub fn fallback(self, rules: impl FallbackRules) -> Self {
        Self {
            fallback: Some(Arc::new(rules)),
            ..self
        }
    }

    /// Asks these for the keys that clients have to present. Default: none is needed, and only
    /// this machine is served.
    #[must_use]
    pub fn client_keys(self, keys: impl ClientKeys) -> Self {
        let keys = AnyKeys::new(keys);
        Self { keys, ..self }
    }

    /// Answers to these names and addresses too, besides those of loopback.
    #[must_use]
    pub fn hosts(self, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts = hosts.into_iter().collect();
        Self { hosts, ..self }
    }

    /// Stacks the layers.
    ///
    /// # Errors
    /// [`ServerError::Client`].
    pub fn build(self) -> Result<Server, ServerError> {
        let or_built = |client: Option<_>, builder: reqwest::ClientBuilder| match client {
            Some(client) => Ok(client),
            None => builder.build().map_err(ServerError::Client),
        };
        let client = or_built(self.client, client_builder())?;
        let upgrade_client = or_built(self.upgrade_client, client_builder().http1_only())?;
        let connections = Connections::new();
        let observed = || self.metrics.clone().map(RequestLog::observed_by);
        let stack = Stack {
            profiles: self.profiles,
            workspaces: WorkspaceLayer::new(client.clone(), self.targets.clone()),
            upstream: Upstream::new(client)
                .with_upgrade_client(upgrade_client)
                .with_targets(self.targets),
            conversations: ConversationLayer::new(),
            connections: connections.clone(),
            reasoning: self.reasoning,
            memory: self.memory,
            requests: self.requests.or_else(observed),
            fallback: self.fallback,
            usage: self.usage,
            metrics: self.metrics.clone(),
            limits: self.limits,
            gate: ClientGateLayer::loopback().with_hosts(self.hosts),
            keys: ClientKeyLayer::new(self.keys.clone()),
        };
        #[cfg(feature = "control")]
        let page = match &self.control {
            Some(control) => crate::control::routes(control.clone(), router::WELCOME),
            None => router::welcome(),
        };
        #[cfg(not(feature = "control"))]
        let page = router::welcome();
        Ok(Server {
            router: router::router(&stack, page),
            keys: self.keys,
            connections,
            metrics: self.metrics,
            #[cfg(feature = "control")]
            control: self.control,
        })
    }
}

impl<P: fmt::Debug> fmt::Debug for ServerBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("profiles", &self.profiles)
            .field("targets", &self.targets)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
