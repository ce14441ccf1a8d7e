use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use codex_profiles::{CodexHome, ProfileStore, report::LoginState};
use codex_proxy::{chat::ReasoningFormat, server::Server, upstream::Targets};

use super::{client, exit::Failure, stop::stop_signal, text};

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
    let client = client::http_client()?;
    let store = client::store(home)?;
    let server = Server::builder(store.clone())
        .client(client)
        .upgrade_client(client::upgrade_client()?)
        .targets(targets()?)
        .reasoning(reasoning_format(&store).await?)
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

/// The settings'. A word that nobody knows is no reason not to serve.
async fn reasoning_format(store: &ProfileStore) -> Result<ReasoningFormat, Failure> {
    let Some(word) = store.state().await?.reasoning_format() else {
        return Ok(ReasoningFormat::default());
    };
    Ok(word.parse().unwrap_or_else(|unknown| {
        eprintln!("codex-router: `reasoning_format` in state.json is {unknown}; using the first");
        ReasoningFormat::default()
    }))
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
            "Nobody is logged in: {} holds no login. Sign in with `codex-router login`, or run \
             `codex login` and then `codex-router save`; or try everything without an account: \
             `make demo`.",
            text::path(&report.live.place)
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
