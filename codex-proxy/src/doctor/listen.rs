//! The address to listen on, and who is there already.

use std::{
    fmt, io,
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
        let running = self.running.as_ref();
        if running.is_some_and(|it| leads_to(&address, &it.address)) {
            let message = format!("{address} is that of the router that runs.");
            return Finding::ok(Check::Listen, message);
        }
        match address {
            ListenAddress::Tcp(address) => taken_or_free(address).await,
            address => self.taken_or_free_here(&address).await,
        }
    }

    /// The same of an address that only this person can reach.
    async fn taken_or_free_here(&self, address: &ListenAddress) -> Finding {
        if self.socket_is_held && is_there(address) {
            return held(address);
        }
        taken_or_free_here(address).await
    }
}

/// Whether a router that says this of itself listens at that address: of all addresses it says
/// the one of this machine.
fn leads_to(address: &ListenAddress, said: &ListenAddress) -> bool {
    let from_here = |address: &ListenAddress| address.tcp().map(RouterUrl::from);
    address == said || (address.tcp().is_some() && from_here(address) == from_here(said))
}

/// Whoever connects there starts a router, and so nobody does.
fn held(address: &impl fmt::Display) -> Finding {
    let message = format!("{address} is held for the router by the service manager.");
    Finding::info(Check::Listen, message)
}

fn is_there(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Unix(path) if path.exists())
}

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
    let holder = Holder::of(address.port()).await;
    if holder.as_ref().is_some_and(Holder::is_service_manager) {
        return held(&address);
    }
    let who = holder.as_ref().map(ToString::to_string);
    let who = who.unwrap_or_else(|| "another program".to_owned());
    let stop = match &holder {
        Some(holder) if !holder.is_router() => format!("end it with `kill {}`", holder.pid),
        _ => "end that program".to_owned(),
    };
    let remedy =
        format!("{stop}, or choose another address: `codex-router serve --listen {ANOTHER}`");
    if holder.is_some_and(|holder| holder.is_router()) || is_router(address).await {
        let whose = whose(address);
        let message = format!("{address} is taken by a router{whose}, {who}.");
        return Finding::warning(Check::Listen, message, remedy);
    }
    let message = format!("{address} is taken by {who}: the router cannot start there.");
    Finding::problem(Check::Listen, message, remedy)
}

/// One of this home is not looked for in the network.
fn whose(address: SocketAddr) -> &'static str {
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        return " of another home";
    }
    ""
}

/// The process that listens at a port.
struct Holder {
    name: String,
    pid: u32,
}

impl Holder {
    /// Seen by those who may: the programs of other users are not shown.
    async fn of(port: u16) -> Option<Self> {
        let find = move || listeners::get_process_by_port(port, listeners::Protocol::TCP).ok();
        let process = spawn_blocking(find).await.ok().flatten()?;
        Some(Self {
            name: process.name,
            pid: process.pid,
        })
    }

    /// It holds addresses for programs that it starts once somebody connects.
    fn is_service_manager(&self) -> bool {
        matches!(self.name.as_str(), "systemd" | "launchd")
    }

    fn is_router(&self) -> bool {
        self.name.trim_end_matches(".exe") == "codex-router"
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Whether the service manager listens there, for whomever.
pub(super) async fn is_held(address: SocketAddr) -> bool {
    let holder = Holder::of(address.port()).await;
    holder.is_some_and(|holder| holder.is_service_manager())
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

/// Whether anybody listens there, or would as soon as somebody connects.
pub(super) async fn is_served(address: SocketAddr) -> bool {
    if is_held(address).await {
        return true;
    }
    let connected = timeout(LIMIT, TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}
