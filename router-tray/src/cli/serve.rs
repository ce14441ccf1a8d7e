use std::io::{self, Write as _};

use codex_profiles::{CodexHome, ListenAddress, ProfileStore, report::LoginState};

use super::{attach, exit::Failure, out, stop::stop_signal, text};
use crate::{log, running::RunningRouter, serving::Serving};

/// Without a command, where there are no desktop parts.
pub(crate) async fn headless(home: &CodexHome) -> Result<(), Failure> {
    if let Some(router) = RunningRouter::find(home).await {
        return second_start(&router).await;
    }
    log::say("codex-router: this is the headless build; serving without a tray");
    serve(home, None).await
}

/// One that runs already is shown in place of starting another.
pub(crate) async fn second_start(router: &RunningRouter) -> Result<(), Failure> {
    if let Some(link) = router.show().await? {
        out::say(&format!("It runs already. Its page, once: {link}"))?;
    }
    Ok(())
}

/// `serve`: the server alone, until it is told to stop.
pub(crate) async fn serve(home: &CodexHome, listen: Option<ListenAddress>) -> Result<(), Failure> {
    let serving = Serving::start(home, listen).await?;
    announce(&serving).await?;
    offer_page(&serving);
    serving.run(stop_signal()).await;
    Ok(())
}

/// Says where it listens, for programs, and what to do next, for a person.
pub(crate) async fn announce(serving: &Serving) -> Result<(), Failure> {
    say_address(serving.address())?;
    welcome(serving.store(), serving.address()).await?;
    if let Some(told) = attach::left_over(serving.store(), serving.address()).await {
        log::say(&told);
    }
    Ok(())
}

/// For programs that wait for it.
pub(crate) fn say_address(address: &ListenAddress) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}", address.url())?;
    out.flush()
}

/// Gives a person without a tray the way to the page.
pub(crate) fn offer_page(serving: &Serving) {
    // What opens the page is for a person's eyes, and for no log: not for that of a service either.
    if log::is_for_programs() || std::env::var_os("INVOCATION_ID").is_some() {
        return;
    }
    match serving.control().link() {
        Ok(link) => eprintln!("See and change everything in a browser: {link}"),
        Err(error) => eprintln!("codex-router: the page cannot be opened: {error}"),
    }
}

/// What to do next, for a person who started this in a terminal.
async fn welcome(store: &ProfileStore, address: &ListenAddress) -> Result<(), Failure> {
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
    log::say(&format!("{serving}\n{}", way(address)));
    Ok(())
}

/// How a client gets there.
fn way(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!(
            "Point any OpenAI client at http://localhost:{}/v1",
            address.port()
        ),
        ListenAddress::Unix(path) => format!(
            "Point a client that knows Unix sockets at it, such as: \
             curl --unix-socket {} http://localhost/v1/models",
            text::path(path)
        ),
        other => format!("Point a client that knows named pipes at {other}, path /v1"),
    }
}
