//! `export NAME`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use clap::Args;
use codex_profiles::{ProfileName, ProfileStore, export, fs::atomic};

use super::{exit::Failure, passphrase::Passphrase};

const GOES_STALE: &str = "It is a copy, and goes stale as soon as this machine or another one \
    refreshes the login: import it in one\nplace, and remove it here, or sign in anew there.";

/// What `export` is given.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The profile's name
    name: String,
    /// Where to put it [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Replace FILE if there is one
    #[arg(long, requires = "to")]
    force: bool,
    /// Not encrypted: the plain `auth.json`, which is as good as the account itself
    #[arg(long, conflicts_with = "passphrase_stdin")]
    plain: bool,
    /// Read the passphrase from standard input
    #[arg(long)]
    passphrase_stdin: bool,
}

impl Export {
    /// Writes the profile's login, encrypted unless told otherwise.
    pub(crate) async fn run(self, store: &ProfileStore) -> Result<(), Failure> {
        let name = ProfileName::parse(&self.name).map_err(Failure::usage)?;
        self.refuse_to_show()?;
        let envelope = store.envelope(&name).await?;
        let bytes = if self.plain {
            envelope.login().to_bytes()
        } else {
            let mut passphrase = Passphrase::to_make(self.passphrase_stdin);
            export::encrypt(&envelope, passphrase.given()?).map_err(Failure::failed)?
        };
        self.put(&bytes)?;
        eprintln!("Exported `{name}`. {GOES_STALE}");
        Ok(())
    }

    fn refuse_to_show(&self) -> Result<(), Failure> {
        if self.plain && self.to.is_none() && io::stdout().is_terminal() {
            return Err(Failure::usage(
                "a plain login is not shown in a terminal, whose history would keep it: \
                 use --to FILE, or a pipe",
            ));
        }
        Ok(())
    }

    fn put(&self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(path) = &self.to else {
            return Ok(io::stdout().write_all(bytes)?);
        };
        let put = if self.force {
            atomic::replace(path, bytes)
        } else {
            atomic::create(path, bytes)
        };
        let shown = path.display();
        put.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::failed(format!("there is a file {shown} already: add --force"))
            }
            _ => Failure::failed(format!("cannot write {shown}: {error}")),
        })
    }
}
