use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use codex_profiles::ListenAddress;
use tokio::sync::{mpsc, oneshot};

use super::{ServerError, keys::AnyKeys, listen::Listening, serve::Move};
use crate::{
    chat::ReasoningFormat,
    gate::{Admission, AllowedHosts, ClientKeys as _},
};

/// Changes a server while it serves, without a break in any answer. Clones change the same one.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    pub(super) hosts: AllowedHosts,
    pub(super) reasoning: LiveReasoning,
    pub(super) keys: AnyKeys,
    /// To the server, once it serves.
    pub(super) moves: Arc<OnceLock<mpsc::Sender<Move>>>,
}

/// How reasoning is shown from the next request on.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveReasoning(Arc<RwLock<ReasoningFormat>>);

impl ServerHandle {
    /// Answers to these names from the next request on, besides those of loopback.
    pub fn set_hosts(&self, hosts: impl IntoIterator<Item = String>) {
        self.hosts.set(hosts);
    }

    /// Shows the reasoning of models in this way in chat completions from the next request on.
    pub fn set_reasoning(&self, reasoning: ReasoningFormat) {
        self.reasoning.set(reasoning);
    }

    /// Listens at another address, and gives it as it was bound. Connections to the old one end with
    /// the answers that are under way on them; a WebSocket goes on.
    ///
    /// # Errors
    /// Those of [`Server::bind`](super::Server::bind), and then it serves where it did;
    /// [`ServerError::NotServing`] before [`Bound::serve`](super::Bound::serve) and after its end.
    pub async fn listen(&self, address: &ListenAddress) -> Result<ListenAddress, ServerError> {
        let moves = self.moves.get().filter(|moves| !moves.is_closed());
        let moves = moves.ok_or(ServerError::NotServing)?;
        let to = bind(address, &self.keys).await?;
        let bound = to.address().clone();
        let (done, served) = oneshot::channel();
        let sent = moves.send(Move { to, done }).await;
        sent.map_err(|_| ServerError::NotServing)?;
        served.await.map_err(|_| ServerError::NotServing)?;
        Ok(bound)
    }
}

impl LiveReasoning {
    pub(super) fn new(reasoning: ReasoningFormat) -> Self {
        Self(Arc::new(RwLock::new(reasoning)))
    }

    pub(super) fn get(&self) -> ReasoningFormat {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, reasoning: ReasoningFormat) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = reasoning;
    }
}

/// Holds an address, unless others could reach it and there is no key that would keep them out.
pub(super) async fn bind(
    address: &ListenAddress,
    keys: &AnyKeys,
) -> Result<Listening, ServerError> {
    must_have_key(address, keys).await?;
    let listening = Listening::bind(address).await;
    listening.map_err(|source| ServerError::Bind {
        address: address.clone(),
        source,
    })
}

/// Nobody in the network comes in without a key.
pub(super) async fn must_have_key(
    address: &ListenAddress,
    keys: &AnyKeys,
) -> Result<(), ServerError> {
    let Some(tcp) = address.tcp().filter(|_| !address.is_local()) else {
        return Ok(());
    };
    match keys.admit(None).await.map_err(ServerError::Keys)? {
        Admission::Open => Err(ServerError::NotLoopback(tcp)),
        Admission::Known(_) | Admission::Refused => Ok(()),
    }
}
