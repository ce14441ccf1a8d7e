//! What is logged, always on standard error.

use std::{io::IsTerminal as _, sync::OnceLock};

use codex_profiles::LogLevel;
use tracing_subscriber::EnvFilter;

/// Warnings, but for those of a connection to the session bus that is being closed.
const USUAL: &str = "warn,zbus=error";

/// What `tracing` itself keeps for the whole program is reached through this.
static SET: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Starts it: `CODEX_ROUTER_LOG`, else `RUST_LOG`, else warnings.
pub(crate) fn start() {
    let filter = of_environment().unwrap_or_else(|| USUAL.to_owned());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter_reloading();
    let handle = builder.reload_handle();
    builder.init();
    // Without a subscriber there is nothing to set.
    let _ = SET.set(Box::new(move |filter| drop(handle.reload(filter))));
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
    if let Some(set) = SET.get() {
        set(EnvFilter::new(filter.as_deref().unwrap_or(USUAL)));
    }
}

fn of_environment() -> Option<String> {
    let read = |name| std::env::var(name).ok();
    read("CODEX_ROUTER_LOG").or_else(|| read("RUST_LOG"))
}
