use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use codex_auth::CredentialProvider;
use codex_profiles::ListenAddress;

use super::{
    Activated, Limits,
    handle::{self, LiveReasoning, ServerHandle},
    keys::AnyKeys,
    listen::Listening,
    router,
    serve::Bound,
    stack::Stack,
};
#[cfg(feature = "control")]
use crate::control::Control;
#[cfg(feature = "otel")]
use crate::traces::Traces;
use crate::{
    BoxError,
    body_budget::BodyBudget,
    chat::ReasoningFormat,
    conversation::ConversationLayer,
    fallback::FallbackRules,
    gate::{AllowedHosts, ClientGateLayer, ClientKeyLayer, ClientKeys},
    metrics::Metrics,
    model_rules::{ModelRuleLayer, ModelRules},
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
    limits: Limits,
    connections: Connections,
    handle: ServerHandle,
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
    model_rules: Option<Arc<dyn ModelRules>>,
    keys: AnyKeys,
    hosts: Vec<String>,
    usage: Option<Arc<dyn UsageSink>>,
    metrics: Option<Metrics>,
    #[cfg(feature = "otel")]
    traces: Option<Traces>,
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
        address: ListenAddress,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What was handed over is no socket that can be served.
    #[error("cannot listen on the socket that was handed over")]
    Activated(#[source] io::Error),
    /// It has stopped, or has not begun: there is nobody to tell.
    #[error("the server is not serving")]
    NotServing,
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
            model_rules: None,
            keys: AnyKeys::default(),
            hosts: Vec::new(),
            usage: None,
            metrics: None,
            #[cfg(feature = "otel")]
            traces: None,
        }
    }

    /// The server as a router to mount in another program, gate and all.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// What changes the server while it serves.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Listens at an address, which others can reach only if there are client keys; port 0 chooses
    /// a free one.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`], [`ServerError::Keys`] and [`ServerError::Bind`].
    pub async fn bind(self, address: ListenAddress) -> Result<Bound, ServerError> {
        let listening = handle::bind(&address, &self.handle.keys).await?;
        Ok(self.at(listening))
    }

    /// Listens at a socket that a service manager has opened.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`], [`ServerError::Keys`] and [`ServerError::Activated`].
    pub async fn adopt(self, activated: Activated) -> Result<Bound, ServerError> {
        let listening = Listening::adopt(activated).map_err(ServerError::Activated)?;
        handle::must_have_key(listening.address(), &self.handle.keys).await?;
        Ok(self.at(listening))
    }

    fn at(self, listening: Listening) -> Bound {
        #[cfg(feature = "control")]
        if let Some(control) = &self.control {
            control.set_address(super::url(listening.address()));
        }
        Bound {
            listening,
            router: self.router,
            limits: self.limits,
            upgraded: self.connections,
            handle: self.handle,
            metrics: self.metrics,
            #[cfg(feature = "control")]
            control: self.control,
        }
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

    /// Allows clients this much.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Accepts request bodies up to this size, before and after decompression. Default: 64 MiB; see
    /// [`Limits`].
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body_bytes = bytes;
        self
    }

    /// Waits this long for the head of the upstream's answer. Default: 120 s; see [`Limits`].
    #[must_use]
    pub fn head_timeout(mut self, limit: Duration) -> Self {
        self.limits.upstream_head = limit;
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

    /// Makes spans of what is served. Default: none are made.
    #[cfg(feature = "otel")]
    #[must_use]
    pub fn traces(self, traces: Traces) -> Self {
        let traces = Some(traces);
        Self { traces, ..self }
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

    /// Has profiles serve the models that these rules give them: those of a `ProfileStore`, for one.
    /// Default: none.
    #[must_use]
    pub fn model_rules(self, rules: impl ModelRules) -> Self {
        Self {
            model_rules: Some(Arc::new(rules)),
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
        let hosts = AllowedHosts::new(self.hosts);
        let reasoning = LiveReasoning::new(self.reasoning);
        let observed = || self.metrics.clone().map(RequestLog::observed_by);
        let requests = self.requests;
        // What the spans tell of a request is what a list knows of it.
        #[cfg(feature = "otel")]
        let requests = requests.or_else(|| {
            let is_traced = self.traces.is_some();
            is_traced.then(|| observed().unwrap_or_default())
        });
        let bodies =
            || BodyBudget::new(self.limits.bodies_bytes).with_largest_body(self.limits.body_bytes);
        let stack = Stack {
            profiles: self.profiles,
            workspaces: WorkspaceLayer::new(client.clone(), self.targets.clone()),
            upstream: Upstream::new(client)
                .with_upgrade_client(upgrade_client)
                .with_targets(self.targets),
            conversations: ConversationLayer::new(),
            connections: connections.clone(),
            reasoning: reasoning.clone(),
            memory: self.memory,
            requests: requests.or_else(observed),
            fallback: self.fallback,
            model_rules: self.model_rules.map(ModelRuleLayer::new),
            usage: self.usage,
            metrics: self.metrics.clone(),
            #[cfg(feature = "otel")]
            traces: self.traces,
            limits: self.limits,
            bodies: bodies(),
            looked_into: bodies(),
            gate: ClientGateLayer::loopback().with_allowed_hosts(hosts.clone()),
            keys: ClientKeyLayer::new(self.keys.clone()),
        };
        #[cfg(feature = "control")]
        let page = match &self.control {
            Some(control) => crate::control::routes(control.clone(), router::WELCOME),
            None => router::welcome(),
        };
        #[cfg(not(feature = "control"))]
        let page = router::welcome();
        let handle = ServerHandle {
            hosts,
            reasoning,
            keys: self.keys,
            moves: Arc::default(),
        };
        Ok(Server {
            router: router::router(&stack, page),
            limits: self.limits,
            connections,
            handle,
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
