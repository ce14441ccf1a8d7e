//! `service install`, `service uninstall` and `service status`.

use clap::Subcommand;
use codex_profiles::{CodexHome, ProfileStore};

use super::{exit::Failure, out, text};
use crate::{
    running::RunningRouter,
    service::{self, Definition, environment},
};

/// What is to be done about the service.
#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Start the router now, and whenever you log in
    Install {
        /// Give the service this variable of the environment as it is now; may be repeated
        #[arg(long = "env", value_name = "NAME")]
        environment: Vec<String>,
        /// Have systemd hold the address, so that no connection is refused while the router restarts
        #[arg(long)]
        socket: bool,
    },
    /// End it, and leave nothing of it behind
    Uninstall,
    /// Say whether it is installed, and whether it runs
    Status,
}

impl Service {
    /// `home_given`: the folder was named on the command line, and so goes into the service.
    pub(crate) async fn run(self, home: &CodexHome, home_given: bool) -> Result<(), Failure> {
        match self {
            Self::Install {
                environment,
                socket,
            } => {
                let is_named = home_given || environment.iter().any(|name| name == "CODEX_HOME");
                let home = home_of_service(home, is_named);
                let definition = definition(&home, is_named, &environment, socket).await?;
                install(&home, definition, &environment).await
            }
            Self::Uninstall => say(&aside(service::uninstall).await?),
            Self::Status => status().await,
        }
    }
}

/// A home that only the environment of this shell names is not the service's.
fn home_of_service(home: &CodexHome, is_named: bool) -> CodexHome {
    let usual = (!is_named).then(CodexHome::usual).flatten();
    usual.unwrap_or_else(|| home.clone())
}

async fn definition(
    home: &CodexHome,
    is_named: bool,
    names: &[String],
    socket: bool,
) -> Result<Definition, Failure> {
    let chosen = environment::chosen(names, |name| std::env::var_os(name))?;
    let definition = Definition::new(is_named.then_some(home.root()), chosen)?;
    if !socket {
        return Ok(definition);
    }
    let settings = ProfileStore::open(home.clone())?.state().await?;
    let listen = definition.variable("CODEX_ROUTER_LISTEN");
    let listen = listen.map_or_else(|| settings.listen(), str::to_owned);
    Ok(definition.with_socket(&listen)?)
}

async fn install(
    home: &CodexHome,
    definition: Definition,
    names: &[String],
) -> Result<(), Failure> {
    let running = RunningRouter::find(home).await;
    let was_running = aside(service::status).await.is_ok_and(|it| it.running);
    let left_out = environment::left_out(names, definition.names_home(), |name| {
        std::env::var_os(name)
    });
    // Before what it may make fail.
    tell_of(running.filter(|_| !was_running).as_ref());
    say(&aside(move || service::install(&definition)).await?)?;
    for name in left_out {
        eprintln!("{name} is set here and not for the service: `--env {name}` takes it over.");
    }
    if service::desktop_starts_at_login() {
        eprintln!(
            "The tray starts at login, too: it finds the address taken. Turn off one of the two."
        );
    }
    Ok(())
}

fn tell_of(running: Option<&RunningRouter>) {
    if let Some(router) = running {
        eprintln!(
            "A router runs already at {}: when it ends, `codex-router service install` has the \
             service take its place.",
            router.address()
        );
    }
}

async fn status() -> Result<(), Failure> {
    let status = aside(service::status).await?;
    say(&status.lines())?;
    match status.remedy() {
        None => Ok(()),
        Some(remedy) => Err(Failure::because(remedy)),
    }
}

/// What waits for other programs, away from the runtime.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, service::ServiceError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(Failure::failed)??)
}

fn say(lines: &[String]) -> Result<(), Failure> {
    for line in lines {
        out::say(line)?;
    }
    Ok(())
}

impl From<service::ServiceError> for Failure {
    fn from(error: service::ServiceError) -> Self {
        let message = text::shown(&error.to_string());
        if error.is_usage() {
            Self::usage(message)
        } else {
            Self::failed(message)
        }
    }
}
