//! `export NAME`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
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
    /// Where to put it, - being standard output, which is the default
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Replace FILE if there is one
    #[arg(long, requires = "to")]
    force: bool,
    /// Not encrypted: the plain auth.json, which is as good as the account itself
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
        self.refuse_to_replace()?;
        let envelope = store.envelope(&name).await?;
        let bytes = if self.plain {
            envelope.login().to_bytes()
        } else {
            let mut passphrase = Passphrase::to_make(self.passphrase_stdin);
            export::encrypt(&envelope, passphrase.given()?).map_err(Failure::failed)?
        };
        self.put(&bytes)?;
        eprintln!("Exported `{name}`. {GOES_STALE}");
        if self.plain {
            eprintln!("It is not encrypted: whoever reads it has the account.");
        }
        Ok(())
    }

    /// The file to write; none for standard output.
    fn file(&self) -> Option<&Path> {
        self.to.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// Looked at before a passphrase is asked for, and once more when it is written.
    fn refuse_to_replace(&self) -> Result<(), Failure> {
        match self.file().filter(|_| !self.force) {
            Some(path) if path.symlink_metadata().is_ok() => Err(is_there(path)),
            _ => Ok(()),
        }
    }

    fn refuse_to_show(&self) -> Result<(), Failure> {
        if self.plain && self.file().is_none() && io::stdout().is_terminal() {
            return Err(Failure::usage(
                "a plain login is not shown in a terminal, whose history would keep it: \
                 use --to FILE, or a pipe",
            ));
        }
        Ok(())
    }

    fn put(&self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(path) = self.file() else {
            // Half an export is none, whoever stopped to read it.
            return io::stdout().write_all(bytes).map_err(Failure::failed);
        };
        let put = if self.force {
            atomic::replace(path, bytes)
        } else {
            atomic::create(path, bytes)
        };
        put.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => is_there(path),
            _ => Failure::failed(format!("cannot write {}: {error}", path.display())),
        })
    }
}

fn is_there(path: &Path) -> Failure {
    let path = path.display();
    Failure::failed(format!("there is a file {path} already: add --force"))
}
