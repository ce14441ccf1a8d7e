//! The address to listen on, and who is there already.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use codex_profiles::{
    ListenAddress,
    attach::RouterUrl,
    doctor::{Check, Finding},
};
use serde_json::Value;
use tokio::{net::TcpStream, task::spawn_blocking, time::timeout};

use super::{Examination, Facts};

/// Whoever listens on this machine answers much faster.
const LIMIT: Duration = Duration::from_secs(2);
/// An address that is free, as a rule.
const ANOTHER: &str = "127.0.0.1:9877";

/// A router that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningRouter {
    /// Where it serves.
    pub address: ListenAddress,
    /// Its version, if it says one.
    pub version: Option<String>,
}

impl Examination {
    pub(super) async fn listen(&self, facts: &Facts) -> Vec<Finding> {
        vec![self.running_router(), self.address(facts).await]
    }

    /// Where the router is, or would be.
    pub(super) fn router(&self) -> Option<RouterUrl> {
        let address = match &self.running {
            Some(running) => running.address.clone(),
            None => self.listen.parse().ok()?,
        };
        address.tcp().map(RouterUrl::from)
    }

    pub(super) fn running_router(&self) -> Finding {
        let own = env!("CARGO_PKG_VERSION");
        let Some(running) = &self.running else {
            return self.no_router();
        };
        let version = running.version.as_deref().unwrap_or("unknown");
        let message = format!(
            "The router of this home serves at {}, version {version}.",
            running.address.url()
        );
        if version == own {
            return Finding::ok(Check::RunningRouter, message);
        }
        let message = format!("{message} This program is {own}.");
        let remedy = "end the router that runs, and start it again";
        Finding::warning(Check::RunningRouter, message, remedy)
    }

    fn no_router(&self) -> Finding {
        let message = "No router runs for this home: `codex-router serve` starts one.";
        if self.home.control_address().is_file() {
            let message = format!("{message} The last one ended without saying so.");
            return Finding::info(Check::RunningRouter, message);
        }
        Finding::info(Check::RunningRouter, message)
    }

    async fn address(&self, facts: &Facts) -> Finding {
        let address = match self.listen.parse::<ListenAddress>() {
            Ok(address) => address,
            Err(error) => {
                let message = "The address to listen on is none.";
                let remedy =
                    format!("{error}: in `listen` of router/state.json or CODEX_ROUTER_LISTEN");
                return Finding::problem(Check::Listen, message, remedy);
            }
        };
        if !address.is_local() && !facts.settings.requires_client_key() {
            let message = format!(
                "{address} is open to the network, and there is no client key: the router does not \
                 start."
            );
            let remedy = "`codex-router key create NAME`, or listen on 127.0.0.1";
            return Finding::problem(Check::Listen, message, remedy);
        }
        if self
            .running
            .as_ref()
            .is_some_and(|it| it.address == address)
        {
            let message = format!("{address} is that of the router that runs.");
            return Finding::ok(Check::Listen, message);
        }
        match address {
            ListenAddress::Tcp(address) => taken_or_free(address).await,
            address => taken_or_free_here(&address).await,
        }
    }
}

/// The same of an address that only this person can reach.
async fn taken_or_free_here(address: &ListenAddress) -> Finding {
    if is_served_here(address).await {
        let message =
            format!("{address} is taken by another program: the router cannot start there.");
        let remedy = "end that program, or choose another address";
        return Finding::problem(Check::Listen, message, remedy);
    }
    Finding::ok(Check::Listen, format!("{address} is free."))
}

#[cfg(unix)]
async fn is_served_here(address: &ListenAddress) -> bool {
    let ListenAddress::Unix(path) = address else {
        return false;
    };
    let connected = timeout(LIMIT, tokio::net::UnixStream::connect(path)).await;
    matches!(connected, Ok(Ok(_)))
}

/// A pipe is not asked: that would be a client of whoever holds it.
#[cfg(not(unix))]
async fn is_served_here(_: &ListenAddress) -> bool {
    false
}

async fn taken_or_free(address: SocketAddr) -> Finding {
    // Nobody asks for connections in this moment, and nobody is in the way of a router that starts.
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(Check::Listen, format!("{address} is free.")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken(address).await,
        Err(error) => Finding::problem(
            Check::Listen,
            format!("{address} cannot be listened on: {error}."),
            format!("choose another address: `codex-router serve --listen {ANOTHER}`"),
        ),
    }
}

async fn taken(address: SocketAddr) -> Finding {
    let port = address.port();
    let process = spawn_blocking(move || holder(port)).await.ok().flatten();
    let (who, stop) = match process {
        Some((name, pid)) => (
            format!("{name} (process {pid})"),
            format!("end it with `kill {pid}`"),
        ),
        None => ("another program".to_owned(), "end that program".to_owned()),
    };
    let remedy =
        format!("{stop}, or choose another address: `codex-router serve --listen {ANOTHER}`");
    if is_router(address).await {
        let message = format!("{address} is taken by a router of another home, {who}.");
        return Finding::warning(Check::Listen, message, remedy);
    }
    let message = format!("{address} is taken by {who}: the router cannot start there.");
    Finding::problem(Check::Listen, message, remedy)
}

/// Seen by those who may: the programs of other users are not shown.
fn holder(port: u16) -> Option<(String, u32)> {
    let process = listeners::get_process_by_port(port, listeners::Protocol::TCP).ok()?;
    Some((process.name, process.pid))
}

/// Whether who listens there says what a router says.
pub(super) async fn is_router(address: SocketAddr) -> bool {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(LIMIT)
        .redirect(reqwest::redirect::Policy::none());
    let Ok(client) = client.build() else {
        return false;
    };
    let asked = client.get(format!("http://{address}/healthz")).send().await;
    let Ok(answer) = asked else {
        return false;
    };
    let health: Option<Value> = answer.json().await.ok();
    health.is_some_and(|health| health["status"] == "ok")
}

/// Whether anybody listens there.
pub(super) async fn is_served(address: SocketAddr) -> bool {
    let connected = timeout(LIMIT, TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}
