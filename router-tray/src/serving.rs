//! The server of this program, whatever front-end starts it.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use codex_auth::Issuer;
use codex_profiles::{CodexHome, ListenAddress, ProfileStore, State, audit::Actor};
use codex_proxy::{
    chat::ReasoningFormat,
    control::{Announcement, Control},
    metrics::Metrics,
    requests::RequestLog,
    server::{Activated, Bound, Limits, Server},
    upstream::Targets,
    usage::UsagePoll,
};

#[cfg(feature = "otel")]
use crate::traces::Export;
use crate::{
    cli::{Failure, client, stop_signal},
    log,
    reloading::{Hangups, Reloading},
};

/// What a service manager handed to this process.
static HANDED: Mutex<Option<Activated>> = Mutex::new(None);

/// A server that holds its address and does not serve yet.
pub(crate) struct Serving {
    store: ProfileStore,
    bound: Bound,
    control: Control,
    announcement: Option<Announcement>,
    usage: UsagePoll,
    reloading: Reloading,
    #[cfg(feature = "otel")]
    traces: Option<Export>,
}

/// Prepares the process, which must have no more than one thread yet.
pub(crate) fn prepare() -> Result<(), Failure> {
    let handed = Activated::from_env().map_err(Failure::failed)?;
    *HANDED.lock().unwrap_or_else(PoisonError::into_inner) = handed;
    Ok(())
}

impl Serving {
    /// Binds the address that is asked for, else takes the socket that was handed over, else binds
    /// the environment's address, else the settings'.
    pub(crate) async fn start(
        home: &CodexHome,
        listen: Option<ListenAddress>,
    ) -> Result<Self, Failure> {
        // From here on none ends the program, which may be asked to read its settings again as
        // soon as it can be found.
        let hangups = Hangups::new();
        let client = client::http_client()?;
        let store = client::store(home)?.acting_as(Actor::Keeper);
        log::follow_settings(store.state().await?.log_level());
        let targets = targets()?;
        let usage = UsagePoll::new(store.clone(), client.clone(), targets.clone());
        let metrics = Metrics::new();
        metrics.follow(store.clone());
        let requests = RequestLog::observed_by(metrics.clone());
        let control = Control::builder(store.clone().acting_as(Actor::Tray))
            .usage(usage.clone())
            .request_log(requests.clone())
            .sign_ins(client::issuer_client()?, Issuer::from_env())
            .set_log_level(Arc::new(log::set_level))
            .build();
        let handed = HANDED.lock().unwrap_or_else(PoisonError::into_inner).take();
        let handed = handed.filter(|_| listen.is_none());
        let is_from_settings =
            listen.is_none() && handed.is_none() && listen_of_environment().is_none();
        let state = store.state().await?;
        let server = Server::builder(store.clone())
            .control(control.clone())
            .request_log(requests)
            .metrics(metrics)
            .usage(store.clone())
            .client(client)
            .upgrade_client(client::upgrade_client()?)
            .targets(targets)
            .reasoning(reasoning_format(&store).await?)
            .fallback(store.clone())
            .model_rules(store.clone())
            .client_keys(store.clone())
            .limits(limits(&state));
        #[cfg(feature = "otel")]
        let traces = Export::start()?;
        #[cfg(feature = "otel")]
        let server = match &traces {
            Some(export) => server.traces(export.traces()),
            None => server,
        };
        let server = server.build()?;
        let (bound, address) = hold(server, handed, listen, &store).await?;
        let hosts = hosts(state.allowed_hosts(), &address);
        bound.handle().set_hosts(hosts);
        let reloading = Reloading::new(
            store.clone(),
            bound.handle(),
            address,
            is_from_settings,
            hangups,
        );
        let announcement = control.announce().await;
        let announcement = announcement.inspect_err(|error| {
            log::say(&format!(
                "codex-router: other programs cannot find this router: {error}"
            ));
        });
        Ok(Self {
            store,
            bound,
            control,
            announcement: announcement.ok(),
            usage,
            reloading,
            #[cfg(feature = "otel")]
            traces,
        })
    }

    pub(crate) fn address(&self) -> &ListenAddress {
        self.bound.address()
    }

    pub(crate) fn store(&self) -> &ProfileStore {
        &self.store
    }

    /// What a tray shows and asks for, and what opens the page.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Serves until `stop` is done and the streams under way have ended, or a second signal cuts
    /// them; then brings to its end what must not be broken off.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let upkeep = tokio::spawn(self.store.upkeep().run());
        let poll = tokio::spawn(self.usage.run());
        let reloading = self.reloading.run();
        tokio::select! {
            // a server that does not serve yet cannot be told to move
            biased;
            () = self.bound.serve(stop) => {}
            () = reloading => {}
            () = second_stop_signal() => log::say("codex-router: streams under way were cut"),
        }
        upkeep.abort();
        poll.abort();
        withdraw(self.announcement).await;
        tokio::select! {
            () = self.control.finish_sign_ins() => {}
            () = stop_signal() => log::say("codex-router: a sign-in that was not yet kept was given up"),
        }
        // Its client may have left, but the answer of the issuer is the only copy of the new tokens.
        self.store.finish_refreshes().await;
        self.store.keep_usage().await;
        #[cfg(feature = "otel")]
        if let Some(export) = self.traces {
            export.finish().await;
        }
    }
}

/// The server at its address, and what it was told to listen at.
async fn hold(
    server: Server,
    handed: Option<Activated>,
    listen: Option<ListenAddress>,
    store: &ProfileStore,
) -> Result<(Bound, ListenAddress), Failure> {
    if let Some(handed) = handed {
        let bound = server.adopt(handed).await?;
        let address = bound.address().clone();
        return Ok((bound, address));
    }
    let address = match listen {
        Some(address) => address,
        None => listen_address(store).await?,
    };
    Ok((server.bind(address.clone()).await?, address))
}

/// A clean end leaves no address behind that leads nowhere.
async fn withdraw(announcement: Option<Announcement>) {
    if let Some(announcement) = announcement {
        // Whatever becomes of it, the program ends.
        let _ = tokio::task::spawn_blocking(|| announcement.withdraw()).await;
    }
}

/// The servers that the environment names, else OpenAI's own.
pub(crate) fn targets() -> Result<Targets, Failure> {
    let read = |name: &str, usual: &str| {
        std::env::var(name)
            .ok()
            .filter(|url| !url.trim().is_empty())
            .unwrap_or(usual.to_owned())
    };
    let chatgpt = read(
        "CODEX_ROUTER_CHATGPT_BASE_URL",
        "https://chatgpt.com/backend-api",
    );
    let openai = read("CODEX_ROUTER_OPENAI_BASE_URL", "https://api.openai.com/v1");
    Targets::new(&chatgpt, &openai).map_err(Failure::usage)
}

/// The settings'. A word that nobody knows is no reason not to serve.
async fn reasoning_format(store: &ProfileStore) -> Result<ReasoningFormat, Failure> {
    let Some(word) = store.state().await?.reasoning_format() else {
        return Ok(ReasoningFormat::default());
    };
    Ok(word.parse().unwrap_or_else(|unknown| {
        log::say(&format!(
            "codex-router: `reasoning_format` in state.json is {unknown}; using the first"
        ));
        ReasoningFormat::default()
    }))
}

/// The names that clients in the network call, and the address itself.
pub(crate) fn hosts(mut hosts: Vec<String>, address: &ListenAddress) -> Vec<String> {
    let ip = address.tcp().map(|address| address.ip());
    if let Some(ip) = ip.filter(|ip| !ip.is_loopback() && !ip.is_unspecified()) {
        hosts.push(match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }
    hosts
}

/// Those that are set, and no more connections than the system allows.
fn limits(state: &State) -> Limits {
    let mut limits = Limits::default();
    limits.connections = state.max_connections().unwrap_or(limits.connections);
    limits.body_bytes = state.body_limit_bytes().unwrap_or(limits.body_bytes);
    let limits = limits.within_control_group();
    // Many systems start programs with few, and let them have more.
    #[cfg(unix)]
    if let Ok(descriptors) = rlimit::increase_nofile_limit(rlimit::INFINITY) {
        return limits.within_descriptors(descriptors);
    }
    limits
}

/// The address that the environment names.
pub(crate) fn listen_of_environment() -> Option<String> {
    let given = std::env::var("CODEX_ROUTER_LISTEN").ok();
    given.filter(|text| !text.is_empty())
}

/// The environment's, else the settings'.
pub(crate) async fn listen_address(store: &ProfileStore) -> Result<ListenAddress, Failure> {
    let (address, place) = match listen_of_environment() {
        Some(address) => (address, "CODEX_ROUTER_LISTEN"),
        None => (
            store.state().await?.listen(),
            "`listen` in router/state.json",
        ),
    };
    let unusable = |error| Failure::usage(format!("{place} is not an address: {address}: {error}"));
    address.parse().map_err(unusable)
}

/// Whoever asks twice does not want to wait for streams.
async fn second_stop_signal() {
    stop_signal().await;
    stop_signal().await;
}
