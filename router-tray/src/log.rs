//! What is logged, always on standard error: as text for people, or as JSON, a line each, where
//! `CODEX_ROUTER_LOG_FORMAT` is `json`.

mod panics;

use std::{
    io::{IsTerminal as _, stderr},
    sync::OnceLock,
};

use codex_profiles::LogLevel;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

/// Warnings, but for those of a connection to the session bus that is being closed.
const USUAL: &str = "warn,zbus=error";

/// What `tracing` itself keeps for the whole program is reached through this.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

static FORMAT: OnceLock<Format> = OnceLock::new();

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

impl Format {
    /// The one that is named; `None` for a word that names none.
    fn parse(word: &str) -> Option<Self> {
        match word {
            "" | "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Starts it: `CODEX_ROUTER_LOG`, else `RUST_LOG`, else warnings. What a panic would print goes the
/// same way from now on.
pub(crate) fn start() {
    let filter = of_environment().unwrap_or_else(|| USUAL.to_owned());
    let (filter, handle) = reload::Layer::new(EnvFilter::new(filter));
    let word = std::env::var("CODEX_ROUTER_LOG_FORMAT").unwrap_or_default();
    let format = Format::parse(&word);
    Registry::default()
        .with(filter)
        .with(lines(format.unwrap_or(Format::Text)))
        .init();
    // It is started once.
    let _ = FILTER.set(handle);
    let _ = FORMAT.set(format.unwrap_or(Format::Text));
    panics::log_them();
    if format.is_none() {
        tracing::warn!("CODEX_ROUTER_LOG_FORMAT is neither `text` nor `json`; it is text");
    }
}

fn lines<S>(format: Format) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let lines = fmt::layer().with_writer(stderr);
    match format {
        Format::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
        Format::Json => {
            let lines = lines.json().flatten_event(true);
            lines.with_current_span(false).with_span_list(true).boxed()
        }
    }
}

/// Says something to whoever started the program: a sentence of its own, unless programs read what
/// is logged.
pub(crate) fn say(sentence: &str) {
    if is_for_programs() {
        tracing::info!("{sentence}");
    } else {
        eprintln!("{sentence}");
    }
}

/// Whether every line on standard error is JSON.
pub(crate) fn is_for_programs() -> bool {
    FORMAT.get() == Some(&Format::Json)
}

/// Logs as the settings say, where the environment says nothing.
pub(crate) fn follow_settings(level: Option<LogLevel>) {
    if of_environment().is_none() {
        set_level(level);
    }
}

/// Logs this much from now on; `None` as at the start.
pub(crate) fn set_level(level: Option<LogLevel>) {
    let filter = level.map(|level| level.as_str().to_owned());
    let filter = filter.or_else(of_environment);
    if let Some(handle) = FILTER.get() {
        // It is gone only when the program is.
        let _ = handle.reload(EnvFilter::new(filter.as_deref().unwrap_or(USUAL)));
    }
}

fn of_environment() -> Option<String> {
    let read = |name| std::env::var(name).ok();
    read("CODEX_ROUTER_LOG").or_else(|| read("RUST_LOG"))
}
