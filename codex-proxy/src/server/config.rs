use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use codex_auth::CredentialProvider;
use tokio::net::TcpListener;

use super::{
    router,
    serve::Bound,
    stack::{Limits, Stack},
};
#[cfg(feature = "control")]
use crate::control::Control;
use crate::{
    chat::ReasoningFormat,
    conversation::ConversationLayer,
    responses::memory::ResponseMemory,
    route::ProfileTable,
    upstream::{Targets, Upstream, WorkspaceLayer, client_builder},
    ws::Connections,
};

/// The whole server, not yet bound to an address.
#[derive(Debug)]
pub struct Server {
    router: Router,
    connections: Connections,
    #[cfg(feature = "control")]
    control: Option<Control>,
}

/// Sets up a [`Server`]; every setting has a default.
#[derive(Debug)]
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
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The HTTP client could not be set up: look at the certificate and proxy settings.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
    /// Anybody in the network could use the logins.
    #[error("{0} is not a loopback address: the router serves this machine alone")]
    NotLoopback(SocketAddr),
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
        }
    }

    /// The server as a router to mount in another program, gate and all.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// Listens on a loopback address; port 0 chooses a free one.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`] and [`ServerError::Bind`].
    pub async fn bind(self, address: SocketAddr) -> Result<Bound, ServerError> {
        if !address.ip().is_loopback() {
            return Err(ServerError::NotLoopback(address));
        }
        let bind_error = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let bound = Bound::new(listener, self.router, self.connections).map_err(bind_error)?;
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
            limits: self.limits,
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
            connections,
            #[cfg(feature = "control")]
            control: self.control,
        })
    }
}
