//! `doctor`: whether everything that is promised holds on this machine.

mod codex;
mod machine;
mod shown;
#[cfg(all(feature = "gui", target_os = "linux"))]
mod tray_host;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use codex_auth::Issuer;
use codex_profiles::{
    CodexHome,
    doctor::{self, Bundle, Diagnosis, Finding, Severity},
};
use codex_proxy::doctor::{Examination, RunningRouter, Variables};
use tokio::task::{JoinError, spawn_blocking};

use super::{client, exit::Failure, homes, out, text};
use crate::{running, service, serving};

/// What `doctor` is given.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    /// Write all of it to a new file for whoever helps you, with no secret and no address in it
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

impl Doctor {
    /// Looks at everything, changes nothing, and fails where something is wrong.
    pub(crate) async fn run(
        self,
        home: &CodexHome,
        chosen: Option<PathBuf>,
    ) -> Result<(), Failure> {
        let diagnosis = diagnosis(home, chosen).await?;
        // The file first: it is what was asked for, whatever becomes of the lines.
        if let Some(path) = &self.bundle {
            write_bundle(home, path, &diagnosis).await?;
        }
        if self.json {
            print_json(&diagnosis)?;
        } else {
            shown::print(&diagnosis)?;
        }
        if let Some(path) = &self.bundle {
            out::complain(&format!("wrote {}", text::path(path)));
        }
        match diagnosis.count(Severity::Problem) {
            0 => Ok(()),
            _ => Err(Failure::said_already()),
        }
    }
}

/// Everything that is looked at, side by side.
async fn diagnosis(home: &CodexHome, chosen: Option<PathBuf>) -> Result<Diagnosis, Failure> {
    let on_disk = on_disk(home.clone(), chosen);
    let (on_disk, network, machine, codex) = tokio::join!(
        on_disk,
        network(home),
        spawn_blocking(machine::look),
        codex::look()
    );
    let machine = machine.map_err(interrupted)?;
    let found = [on_disk?, network?, machine, codex].concat();
    Ok(Diagnosis::new(env!("CARGO_PKG_VERSION"), found))
}

async fn on_disk(home: CodexHome, chosen: Option<PathBuf>) -> Result<Vec<Finding>, Failure> {
    let examined = spawn_blocking(move || doctor::examine(&home, &homes::surroundings(chosen)));
    examined.await.map_err(interrupted)
}

async fn network(home: &CodexHome) -> Result<Vec<Finding>, Failure> {
    let examination = Examination {
        listen: listen(home).await?,
        running: running(home).await,
        socket_is_held: service::holds_address(),
        // What is wrong with the certificates is told of by itself.
        client: client::http_client().ok(),
        issuer: Issuer::from_env(),
        targets: serving::targets().ok(),
        variables: Variables::of(|name| std::env::var(name).ok()),
        home: home.clone(),
    };
    Ok(examination.run().await)
}

/// As `serve` would take it.
async fn listen(home: &CodexHome) -> Result<String, Failure> {
    if let Some(listen) = serving::listen_of_environment() {
        return Ok(listen);
    }
    let home = home.clone();
    let settings = spawn_blocking(move || doctor::settings(&home)).await;
    Ok(settings.map_err(interrupted)?.listen())
}

async fn running(home: &CodexHome) -> Option<RunningRouter> {
    let running = running::RunningRouter::find(home).await?;
    let address = running.address().trim_start_matches("http://");
    Some(RunningRouter {
        address: address.parse().ok()?,
        version: running.version().await,
    })
}

async fn write_bundle(home: &CodexHome, path: &Path, report: &Diagnosis) -> Result<(), Failure> {
    let (home, report) = (home.clone(), report.clone());
    let path = std::path::absolute(path)?;
    let written = spawn_blocking(move || Bundle::new(&home, report).write(&path)).await;
    written.map_err(interrupted)?.map_err(Failure::failed)
}

fn print_json(diagnosis: &Diagnosis) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, diagnosis).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn interrupted(error: JoinError) -> Failure {
    Failure::failed(error)
}
