#![expect(
    clippy::doc_markdown,
    reason = "what is written here is the help, which knows no backticks"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use codex_profiles::ListenAddress;

use super::{
    attach::{Attach, Detach},
    config::Config,
    doctor::Doctor,
    export::Export,
    import::Import,
    key::Key,
    service::Service,
};

/// Switch between your Codex logins, and serve the chosen one on localhost.
///
/// Without a command: the tray, the window and the server; without a display, the server alone.
#[derive(Debug, Parser)]
#[command(name = "codex-router", version)]
pub(crate) struct Cli {
    /// The folder of Codex's files [default: that of CODEX_HOME, else ~/.codex]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) codex_home: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the chosen profile, without a tray
    Serve {
        /// Where to listen: 127.0.0.1:9876, unix:/path or pipe:NAME [default: a socket that a service manager hands over, else that of CODEX_ROUTER_LISTEN, else of the settings, else 127.0.0.1:9876]
        #[arg(long, value_name = "ADDR")]
        listen: Option<ListenAddress>,
    },
    /// Open the page of the router that runs, in a browser
    Open {
        /// Print the address in place of opening it; it works once, for five minutes
        #[arg(long)]
        print: bool,
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
    /// Ask OpenAI how much of their limits profiles have used
    Usage {
        /// The profile's name [default: all of them]
        name: Option<String>,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
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
    /// Take a profile out of the list; restore brings it back
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
    /// Sign in with an account of yours; every login that exists stays as it is
    Login(LoginArgs),
    /// Sign a profile out at OpenAI: its login ends, wherever copies of it lie
    SignOut {
        /// The profile's name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Send Codex's model traffic through the router, so that it follows every switch
    Attach(Attach),
    /// Let Codex go to OpenAI by itself again, with the settings it had before
    Detach(Detach),
    /// Say whether everything works on this machine, and what helps where it does not
    Doctor(Doctor),
    /// Keys that clients of the router present
    #[command(subcommand)]
    Key(Key),
    /// Settings: show them, change them, take them back
    #[command(subcommand)]
    Config(Config),
    /// Serve in the background whenever you are logged in
    #[command(subcommand)]
    Service(Service),
    /// Print what has a shell complete these commands
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The profile's name [default: made from the e-mail address]
    pub(crate) name: Option<String>,

    #[command(flatten)]
    pub(crate) way: Way,

    /// Ask for an API key too, and keep it beside the login
    #[arg(long, conflicts_with = "api_key")]
    pub(crate) with_openai_key: bool,

    /// How long to wait for you
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
}

/// How to sign in; without any of these, with a browser on this machine.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Way {
    /// With a code that you enter on any device
    #[arg(long)]
    pub(crate) device: bool,
    /// With a browser on another machine: paste the address that it ends at
    #[arg(long)]
    pub(crate) paste: bool,
    /// With an API key, read from standard input
    #[arg(long)]
    pub(crate) api_key: bool,
}
