//! Whether what this crate promises holds on this machine, in plain sentences, with a remedy where
//! it does not.
//!
//! [`examine`] looks at the files of one home and at the homes and programs beside it. It changes
//! nothing, not even what opening a store would mend; it posts nothing, and holds no lock longer than
//! to try it. `codex_proxy::doctor` looks at what is reached over a network.
//!
//! A [`Finding`] never holds what has the shape of a secret or of an address ([`secret_shape`]), and
//! a [`Bundle`] of findings, settings and names of files, to be sent to somebody who helps, is
//! refused if anything in it had.
//!
//! ```
//! use codex_profiles::{CodexHome, doctor::{self, Severity}, homes::Surroundings};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path();
//! let findings = doctor::examine(&CodexHome::at(path), &Surroundings::default());
//! for finding in &findings {
//!     if finding.state() >= Severity::Warning {
//!         println!("{}: {:?}", finding.message(), finding.remedy());
//!     }
//! }
//! assert!(findings.iter().all(|finding| finding.state() < Severity::Problem));
//! # Ok::<(), std::io::Error>(())
//! ```

mod bundle;
mod files;
mod finding;
mod homes;
mod journal;
mod locks;
mod logins;
mod permissions;
mod profiles;
mod settings;
mod shapes;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;

pub use bundle::{Bundle, BundleError};
pub use finding::{Check, Diagnosis, Finding, Group, Severity};
pub use shapes::secret_shape;

use crate::{
    attach::{Attachment, RouterUrl},
    disk::Disk,
    error::StoreError,
    fs::{ReadError, read},
    home::CodexHome,
    homes::Surroundings,
    profile::ProfileName,
    state::State,
};

/// Looks at the files of a home, and at what is beside it. Blocks, for some seconds where a lock is
/// held or a keyring does not answer.
#[must_use]
pub fn examine(home: &CodexHome, surroundings: &Surroundings) -> Vec<Finding> {
    let look = Look::at(home, surroundings);
    [
        look.homes(),
        look.programs(),
        look.permissions(),
        look.locks(),
        look.journal(),
        look.temporary_files(),
        look.files_set_aside(),
        look.free_space(),
        look.live_login(),
        look.current_profile(),
        look.profiles(),
        look.copies(),
        look.state_file(),
        look.client_keys(),
        look.fallback(),
        look.model_rules(),
    ]
    .concat()
}

/// How Codex's settings stand to the router at this address, without a store, which would mend
/// what it finds when it is opened. Blocks.
///
/// # Errors
/// Those of reading `state.json`.
pub fn attachment(home: &CodexHome, router: RouterUrl) -> Result<Attachment, StoreError> {
    Disk::only_looked_at(home.clone()).attachment(router)
}

/// The settings of a home as they are; those by default where there are none, or none that can be
/// understood. Blocks.
#[must_use]
pub fn settings(home: &CodexHome) -> State {
    State::load(home).unwrap_or_default()
}

/// Which servers the logins of a home are accepted by. Blocks.
#[must_use]
pub fn backends(home: &CodexHome) -> Vec<codex_auth::Backend> {
    let disk = Disk::only_looked_at(home.clone());
    let names = disk.names().unwrap_or_default();
    let saved = names.iter().filter_map(|name| disk.profile(name).ok());
    let logins = saved.chain(disk.live());
    logins.map(|login| login.mode().backend()).collect()
}

/// One home, and what was read of it once.
struct Look<'a> {
    disk: Disk,
    surroundings: &'a Surroundings,
    names: Vec<ProfileName>,
    settings: Settings,
}

/// What is in `router/state.json`.
enum Settings {
    Missing,
    Understood(State),
    /// JSON is expected, and is not there. Whether there seem to have been client keys in it.
    Broken {
        had_keys: bool,
    },
    Unreadable(ReadError),
}

impl<'a> Look<'a> {
    fn at(home: &CodexHome, surroundings: &'a Surroundings) -> Self {
        let disk = Disk::only_looked_at(home.clone());
        Self {
            names: disk.names().unwrap_or_default(),
            settings: Settings::of(home),
            surroundings,
            disk,
        }
    }

    fn home(&self) -> &CodexHome {
        &self.disk.home
    }

    fn state(&self) -> State {
        match &self.settings {
            Settings::Understood(state) => state.clone(),
            _ => State::default(),
        }
    }

    fn path(&self, path: &Path) -> String {
        words::path(path, self.surroundings.user_home.as_deref())
    }

    fn argument(&self, path: &Path) -> String {
        words::argument(path, self.surroundings.user_home.as_deref())
    }

    /// The profile that is called so in a file, if there is one.
    fn known(&self, name: &str) -> Option<&ProfileName> {
        self.names.iter().find(|known| known.as_str() == name)
    }
}

impl Settings {
    fn of(home: &CodexHome) -> Self {
        match read::bytes(&home.state_json()) {
            Ok(bytes) => match State::parse(&bytes) {
                Some(state) => Self::Understood(state),
                None => Self::Broken {
                    had_keys: State::mentions_client_keys(&bytes),
                },
            },
            Err(ReadError::Missing) => Self::Missing,
            Err(error) => Self::Unreadable(error),
        }
    }
}
