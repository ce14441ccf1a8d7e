//! Codex Router: switch between your Codex logins, and serve the chosen one on localhost.
//!
//! A table of contents: [`cli`] reads the command line and runs one command; without one, `desktop`
//! puts an icon, a window and notifications around the server that [`serving`] starts. All that is
//! not about a terminal or a screen lives in the libraries.

mod cli;
#[cfg(feature = "gui")]
mod desktop;
mod log;
mod reloading;
mod running;
mod service;
mod serving;
#[cfg(feature = "otel")]
mod traces;
#[cfg(any(windows, test))]
mod windows_word;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
