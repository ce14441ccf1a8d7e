//! Settings that are read at the start, read again when the person says so.

use codex_profiles::{ListenAddress, ProfileStore, StartSettings};
use codex_proxy::{chat::ReasoningFormat, server::ServerHandle};

use crate::{
    cli::{attach, say_address},
    log,
    serving::hosts,
};

/// Takes settings over while the server serves: all of them, or none and one warning.
pub(crate) struct Reloading {
    store: ProfileStore,
    server: ServerHandle,
    /// What the server was told to listen at.
    address: ListenAddress,
    /// Whether the settings said so, and may say something else.
    is_from_settings: bool,
    hangups: Option<Hangups>,
}

impl Reloading {
    pub(crate) fn new(
        store: ProfileStore,
        server: ServerHandle,
        address: ListenAddress,
        is_from_settings: bool,
        hangups: Option<Hangups>,
    ) -> Self {
        Self {
            store,
            server,
            address,
            is_from_settings,
            hangups,
        }
    }

    /// Does it at every hangup signal.
    pub(crate) async fn run(mut self) {
        let Some(mut hangups) = self.hangups.take() else {
            return;
        };
        while hangups.next().await {
            match self.reload().await {
                Ok(()) => tracing::info!("settings were read again"),
                Err(why) => {
                    log::say(&format!("codex-router: settings stay as they were: {why}"));
                }
            }
        }
    }

    async fn reload(&mut self) -> Result<(), String> {
        let home = self.store.home().clone();
        let read = tokio::task::spawn_blocking(move || StartSettings::load(&home));
        let settings = read.await.map_err(told)?.map_err(told)?;
        let reasoning = reasoning(settings.reasoning_format.as_deref())?;
        if self.is_from_settings {
            self.listen(settings.listen).await?;
        }
        let hosts = hosts(settings.allowed_hosts, &self.address);
        self.server.set_reasoning(reasoning);
        self.server.set_hosts(hosts);
        Ok(())
    }

    async fn listen(&mut self, address: ListenAddress) -> Result<(), String> {
        if address == self.address {
            return Ok(());
        }
        let bound = self.server.listen(&address).await.map_err(causes)?;
        self.address = address;
        // Nobody may be there to read it any more.
        let _ = say_address(&bound);
        if let Some(told) = attach::left_over(&self.store, &bound).await {
            log::say(&told);
        }
        Ok(())
    }
}

fn reasoning(word: Option<&str>) -> Result<ReasoningFormat, String> {
    let parse = |word: &str| {
        word.parse()
            .map_err(|error| format!("`reasoning_format` is {error}"))
    };
    word.map_or(Ok(ReasoningFormat::default()), parse)
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn causes(error: impl std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// Hangup signals to a program that runs without a terminal; one in a terminal ends with it.
/// Those that come before anybody waits for them are not lost.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signals: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Hangups {
    pub(crate) fn new() -> Option<Self> {
        use std::io::{IsTerminal as _, stdin};
        use tokio::signal::unix::{SignalKind, signal};
        if stdin().is_terminal() {
            return None;
        }
        let signals = signal(SignalKind::hangup()).ok()?;
        Some(Self { signals })
    }

    async fn next(&mut self) -> bool {
        self.signals.recv().await.is_some()
    }
}

#[cfg(not(unix))]
impl Hangups {
    pub(crate) fn new() -> Option<Self> {
        None
    }

    async fn next(&mut self) -> bool {
        false
    }
}
