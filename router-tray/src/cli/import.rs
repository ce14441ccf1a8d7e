//! `import FILE…`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::Args;
use codex_profiles::{
    ProfileName, ProfileStore, export,
    import::{self, Contents, Entry, Format, ImportError, ImportFile, Imported},
};

use super::{exit::Failure, out, passphrase::Passphrase, text};

const TWO_OWNERS: &str = "These are copies, and a refresh token works once: the program or machine \
    they came from must not go on\nusing them, or one of the two is logged out. To have a login in \
    both, sign in anew here: `codex-router login`.";

/// What `import` is given.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Codex homes, auth.json files, our exports, files of other programs, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read the passphrase of encrypted exports from standard input
    #[arg(long)]
    passphrase_stdin: bool,
}

impl Import {
    /// Takes over what can be; each file is told of, and a bad one stops no other.
    pub(crate) async fn run(self, store: &ProfileStore) -> Result<(), Failure> {
        let mut outcome = Outcome::default();
        let mut passphrase = Passphrase::to_open(self.passphrase_stdin);
        for path in &self.files {
            match import::files_in(path) {
                Ok(files) => {
                    for file in files {
                        outcome.take(store, &file, &mut passphrase).await?;
                    }
                }
                Err(error) => outcome.fail(path, &error),
            }
        }
        outcome.conclude()
    }
}

/// What came of the files so far.
#[derive(Default)]
struct Outcome {
    failed: usize,
    has_two_owners: bool,
    unreadable_to_codex: Vec<ProfileName>,
}

impl Outcome {
    async fn take(
        &mut self,
        store: &ProfileStore,
        file: &ImportFile,
        passphrase: &mut Passphrase,
    ) -> Result<(), Failure> {
        let contents = match read(file, passphrase) {
            Ok(contents) => contents,
            Err(_) if file.may_be_anything => {
                let path = text::path(&file.path);
                out::say(&format!("{path}: skipped, no login in it"))?;
                return Ok(());
            }
            Err(error) => {
                self.fail(&file.path, &error);
                return Ok(());
            }
        };
        let format = contents.format;
        for entry in named(contents, file) {
            match store.import(entry).await {
                Ok(imported) => self.done(file, format, imported)?,
                Err(error) => self.fail(&file.path, &error),
            }
        }
        Ok(())
    }

    fn done(
        &mut self,
        file: &ImportFile,
        format: Format,
        imported: Imported,
    ) -> Result<(), Failure> {
        let path = text::path(&file.path);
        out::say(&format!("{path} ({format}): {}", told(&imported)))?;
        let changed = imported.saved.created || imported.saved.renewed;
        self.has_two_owners |= changed && imported.has_refresh_token;
        if changed && !imported.codex_can_read {
            self.unreadable_to_codex.push(imported.saved.name);
        }
        Ok(())
    }

    fn fail(&mut self, path: &Path, error: &impl fmt::Display) {
        out::complain(&format!("{}: {error}", path.display()));
        self.failed += 1;
    }

    fn conclude(self) -> Result<(), Failure> {
        if self.has_two_owners {
            out::say(&format!("\n{TWO_OWNERS}"))?;
        }
        for name in &self.unreadable_to_codex {
            let told = "came without an id token, which Codex needs: it serves through the router, \
                and is refreshed once when you `use` it.";
            out::say(&format!("\n`{name}` {told}"))?;
        }
        match self.failed {
            0 => Ok(()),
            1 => Err(Failure::failed("1 could not be imported")),
            more => Err(Failure::failed(format!("{more} could not be imported"))),
        }
    }
}

fn read(file: &ImportFile, passphrase: &mut Passphrase) -> Result<Contents, Failure> {
    let (bytes, written_at) = file.read().map_err(Failure::failed)?;
    match import::read(&bytes, written_at) {
        Err(ImportError::Encrypted) => {
            let opened = export::decrypt(&bytes, passphrase.given()?).map_err(Failure::failed)?;
            import::read(opened.expose(), written_at).map_err(Failure::failed)
        }
        read => read.map_err(Failure::failed),
    }
}

/// A file's place names its login where the file itself does not, and there is but one.
fn named(contents: Contents, file: &ImportFile) -> Vec<Entry> {
    let mut entries = contents.entries;
    if let [entry] = entries.as_mut_slice() {
        entry.name = entry.name.take().or_else(|| file.name.clone());
    }
    entries
}

fn told(imported: &Imported) -> String {
    let name = &imported.saved.name;
    match (imported.saved.created, imported.saved.renewed) {
        (true, _) => format!("saved as `{name}`"),
        (false, true) => format!(
            "renewed `{name}`; what it held is put away, and `codex-router restore {}` brings that \
             back",
            text::word(name)
        ),
        (false, false) => format!("`{name}` holds this login already, as new or newer"),
    }
}
