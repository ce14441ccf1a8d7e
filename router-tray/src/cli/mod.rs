//! The command line.

mod args;
pub(crate) mod attach;
pub(crate) mod client;
mod complete;
mod config;
mod doctor;
mod exit;
mod export;
mod homes;
mod import;
mod key;
mod list;
mod login;
mod open;
mod out;
mod passphrase;
mod profiles;
mod save;
mod serve;
mod service;
mod sign_out;
mod stop;
mod switch;
mod text;
mod usage;

use std::process::ExitCode;

use codex_profiles::{CodexHome, ProfileStore};

pub(crate) use args::Cli;
use args::Command;
pub(crate) use exit::Failure;
pub(crate) use serve::say_address;
#[cfg(feature = "gui")]
pub(crate) use serve::{announce, offer_page, second_start};
pub(crate) use stop::stop_signal;

/// Runs one command; what went wrong is one sentence on standard error.
pub(crate) fn run(cli: Cli) -> ExitCode {
    crate::log::start();
    started(cli).map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

fn started(cli: Cli) -> Result<(), Failure> {
    let home = match cli.codex_home.clone() {
        Some(folder) => CodexHome::at(std::path::absolute(folder)?),
        None => CodexHome::discover()?,
    };
    crate::serving::prepare()?;
    // Its windows want the first thread, on which no runtime may wait.
    #[cfg(feature = "gui")]
    if cli.command.is_none() {
        return crate::desktop::run(&home, cli.codex_home.is_some());
    }
    tokio::runtime::Runtime::new()?.block_on(dispatch(cli, home))
}

async fn dispatch(cli: Cli, home: CodexHome) -> Result<(), Failure> {
    let store = || ProfileStore::open(home.clone());
    match cli.command {
        None => serve::headless(&home).await,
        Some(Command::Serve { listen }) => serve::serve(&home, listen).await,
        Some(Command::List { json, homes: true }) => {
            homes::list(cli.codex_home.map(|_| home.root().to_owned()), json)
        }
        Some(Command::List { json, .. }) => list::list(&store()?, json).await,
        Some(Command::Open { print }) => open::open(&home, print).await,
        Some(Command::Usage { name, json }) => usage::usage(&home, name.as_deref(), json).await,
        Some(Command::Current) => list::current(&store()?).await,
        Some(Command::Use { name }) => switch::switch(&home, &name).await,
        Some(Command::Save { name }) => save::save(&store()?, name.as_deref()).await,
        Some(Command::Rename { from, to }) => profiles::rename(&store()?, &from, &to).await,
        Some(Command::Label { name, text }) => {
            profiles::label(&store()?, &name, text.as_deref()).await
        }
        Some(Command::Remove { name, purge }) => profiles::remove(&store()?, &name, purge).await,
        Some(Command::Import(import)) => import.run(&store()?).await,
        Some(Command::Export(export)) => export.run(&store()?).await,
        Some(Command::Restore { name }) => profiles::restore(&store()?, &name).await,
        Some(Command::Login(args)) => login::login(&home, &args).await,
        Some(Command::Attach(attach)) => attach.run(&store()?).await,
        Some(Command::Detach(detach)) => detach.run(&store()?).await,
        Some(Command::Doctor(doctor)) => doctor.run(&home, cli.codex_home).await,
        Some(Command::Key(key)) => key.run(&store()?).await,
        Some(Command::Config(config)) => config.run(&home).await,
        Some(Command::Service(service)) => service.run(&home, cli.codex_home.is_some()).await,
        Some(Command::Completions { shell }) => complete::completions(shell),
        Some(Command::Man { folder }) => complete::man(folder.as_deref()),
        Some(Command::SignOut { name, yes }) => sign_out::sign_out(&home, &name, yes).await,
    }
}
