use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use codex_auth::{Issuer, refresh::TokenEndpoint};
use codex_profiles::{CodexHome, ProfileStore, report::LoginState};
use codex_proxy::{
    server::Server,
    upstream::{Targets, client_builder},
};

use super::exit::Failure;

/// Without a command: the tray, the window and the server. The tray is not part of this version,
/// so it says so in one line and serves.
pub(crate) async fn desktop(home: &CodexHome, listen: Option<SocketAddr>) -> Result<(), Failure> {
    eprintln!("codex-router: {}; serving without a tray", why_headless());
    serve(home, listen).await
}

fn why_headless() -> &'static str {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    match (
        cfg!(feature = "gui"),
        cfg!(target_os = "linux") && !has_display,
    ) {
        (_, true) => "there is no display",
        (false, _) => "this is the headless build",
        (true, _) => "the tray is not part of this version yet",
    }
}

/// `serve`: the server alone, until it is told to stop.
pub(crate) async fn serve(home: &CodexHome, listen: Option<SocketAddr>) -> Result<(), Failure> {
    let client = http_client()?;
    let endpoint = TokenEndpoint::new(client.clone(), Issuer::from_env());
    let store = ProfileStore::open(home.clone())?.with_token_endpoint(endpoint);
    let server = Server::builder(store.clone())
        .client(client)
        .targets(targets()?)
        .build()?;
    let address = match listen {
        Some(address) => address,
        None => listen_address(&store).await?,
    };
    let bound = server.bind(address).await?;
    {
        let mut out = io::stdout().lock();
        writeln!(out, "listening on http://{}", bound.local_addr())?;
        out.flush()?;
    }
    welcome(&store, bound.local_addr()).await?;
    let upkeep = tokio::spawn(store.upkeep().run());
    tokio::select! {
        () = bound.serve(stop_signal()) => {}
        () = second_stop_signal() => eprintln!("codex-router: streams under way were cut"),
    }
    upkeep.abort();
    // Its client may have left, but the answer of the issuer is the only copy of the new tokens.
    store.finish_refreshes().await;
    Ok(())
}

/// One pooled client for everything. Certificates of the system, plus those that Codex is told of.
fn http_client() -> Result<reqwest::Client, Failure> {
    let mut builder = client_builder();
    for certificate in extra_certificates()? {
        builder = builder.add_root_certificate(certificate);
    }
    builder
        .build()
        .map_err(|error| Failure::usage(format!("no HTTPS client: {error}")))
}

/// `CODEX_CA_CERTIFICATE`, else `SSL_CERT_FILE`, as Codex reads them (wire reference 10.4).
fn extra_certificates() -> Result<Vec<reqwest::Certificate>, Failure> {
    let path = ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"]
        .iter()
        .find_map(std::env::var_os);
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Ok(Vec::new());
    };
    let shown = std::path::Path::new(&path).display();
    let bytes = std::fs::read(&path)
        .map_err(|error| Failure::usage(format!("the certificates in {shown}: {error}")))?;
    reqwest::Certificate::from_pem_bundle(&bytes)
        .map_err(|_| Failure::usage(format!("{shown} holds no PEM certificates")))
}

fn targets() -> Result<Targets, Failure> {
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

/// The environment's, else the settings'.
async fn listen_address(store: &ProfileStore) -> Result<SocketAddr, Failure> {
    let given = std::env::var("CODEX_ROUTER_LISTEN")
        .ok()
        .filter(|text| !text.is_empty());
    let (address, place) = match given {
        Some(address) => (address, "CODEX_ROUTER_LISTEN"),
        None => (
            store.state().await?.listen(),
            "`listen` in router/state.json",
        ),
    };
    let unusable = |_| Failure::usage(format!("{place} is not an address: {address}"));
    address.parse().map_err(unusable)
}

/// What to do next, for a person who started this in a terminal.
async fn welcome(store: &ProfileStore, address: SocketAddr) -> Result<(), Failure> {
    let report = store.report().await?;
    let serving = match (&report.current, &report.live.identity) {
        (Some(name), _) => format!("Serving the profile `{name}`."),
        (None, Some(_)) => "No profile is chosen: serving the login that Codex uses. \
                            Keep it with `codex-router save`."
            .to_owned(),
        (None, None) if report.live.state == LoginState::Unreadable => format!(
            "No profile is chosen: `codex-router use NAME`. The login that Codex uses cannot serve: {}",
            report.live.reason.as_deref().unwrap_or("it cannot be read")
        ),
        (None, None) if report.profiles.is_empty() => format!(
            "Nobody is logged in: {} holds no login. Run `codex login` and then \
             `codex-router save`; or try everything without an account: `make demo`.",
            report.live.place.display()
        ),
        (None, None) => "No profile is chosen: `codex-router use NAME`.".to_owned(),
    };
    eprintln!(
        "{serving}\nPoint any OpenAI client at http://localhost:{}/v1",
        address.port()
    );
    Ok(())
}

/// Whoever asks twice does not want to wait for streams.
async fn second_stop_signal() {
    stop_signal().await;
    stop_signal().await;
}

/// Ctrl-C, or the signal that service managers send.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a signal handler the program still serves; it is then stopped the hard way.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
