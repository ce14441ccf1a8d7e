use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

use super::{export::Export, import::Import};

/// Switch between your Codex logins, and serve the chosen one on localhost.
///
/// Without a command: the tray, the window and the server; without a display, the server alone.
#[derive(Debug, Parser)]
#[command(name = "codex-router", version)]
pub(crate) struct Cli {
    /// The folder of Codex's files [default: that of `CODEX_HOME`, else ~/.codex]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) codex_home: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the chosen profile, without a tray
    Serve {
        /// Where to listen [default: that of `CODEX_ROUTER_LISTEN`, else of the settings, else 127.0.0.1:9876]
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
    /// Show the profiles
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
        /// The homes of Codex on this machine instead, and logins that are in two of them
        #[arg(long)]
        homes: bool,
    },
    /// Print the name of the current profile
    Current,
    /// Make a profile the current one
    Use {
        /// The profile's name
        name: String,
    },
    /// Save the login that Codex uses now as a profile
    Save {
        /// The profile's name [default: made from the e-mail address]
        name: Option<String>,
    },
    /// Give a profile another name
    Rename {
        /// The profile's name
        from: String,
        /// Its new name
        to: String,
    },
    /// Say what a profile is shown as
    Label {
        /// The profile's name
        name: String,
        /// Any text [default: none, which takes the label back]
        text: Option<String>,
    },
    /// Take a profile out of the list; `restore` brings it back
    Remove {
        /// The profile's name
        name: String,
        /// Delete it for good, and what was removed under this name before
        #[arg(long)]
        purge: bool,
    },
    /// Bring back the profile that was last removed under a name
    Restore {
        /// The profile's name
        name: String,
    },
    /// Take over logins from other homes, machines and programs
    Import(Import),
    /// Write a profile's login to take it elsewhere, encrypted under a passphrase
    Export(Export),
}
