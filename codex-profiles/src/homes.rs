//! The homes of Codex on this machine, and whether two of them hold one login.
//!
//! Codex, its IDE extensions and its desktop app all use `CODEX_HOME`, else `.codex` in the
//! person's home folder. More homes come about by hand, most often beside it (`~/.codex-work`), and
//! under Windows' own home where Codex runs both there and in WSL. A login that is in two homes has
//! two owners: the first one that refreshes logs the other one out.
//!
//! ```
//! use codex_profiles::homes::{self, Surroundings};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::create_dir_all(folder.path().join(".codex"))?;
//! let user_home = folder.path().to_owned();
//! let found = homes::find(&Surroundings { user_home: Some(user_home), ..Default::default() });
//! assert_eq!(found.len(), 1);
//! assert!(found[0].path.ends_with(".codex"));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use codex_auth::{AuthDotJson, AuthJsonError, claims::Email, secret::RefreshToken};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    disk::Disk, fs::ReadError, home::CodexHome, profile::Condition, report::LoginState,
    state::State,
};

/// What a Codex home has in it, whatever else is missing.
const SIGNS: [&str; 4] = ["auth.json", "config.toml", "profiles", "sessions"];

/// Where to look. This crate reads no environment: whoever calls says what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The home that this program works on.
    pub chosen: Option<PathBuf>,
    /// `CODEX_HOME`.
    pub codex_home: Option<PathBuf>,
    /// The person's home folder.
    pub user_home: Option<PathBuf>,
    /// In WSL, the folder with the homes of Windows' users: `/mnt/c/Users`.
    pub windows_users: Option<PathBuf>,
}

/// How a home was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FoundBy {
    /// It was named on the command line.
    Chosen,
    /// `CODEX_HOME` names it.
    Environment,
    /// It is where Codex looks without `CODEX_HOME`.
    Usual,
    /// Its name begins like that of the usual one, which it lies beside.
    Beside,
    /// It is that of a user of Windows, seen from WSL.
    Windows,
}

/// One home. Holds no secret.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FoundHome {
    /// Where it lies.
    pub path: PathBuf,
    /// How it was found.
    pub found_by: FoundBy,
    /// The home found before it that is the same folder, through a symlink.
    pub same_folder_as: Option<PathBuf>,
    /// Whether its live login can serve.
    pub state: LoginState,
    /// A short name of the live login's owner that gives nothing away.
    pub identity: Option<String>,
    /// The live login's address.
    pub email: Option<Email>,
    /// How many saved logins it has.
    pub profiles: usize,
    /// The other homes with a login, live or saved, that is in this one too.
    pub shares_logins_with: Vec<PathBuf>,
    /// Hashes of its refresh tokens.
    #[serde(skip)]
    logins: HashSet<String>,
}

/// Every home that can be found, in the order of [`FoundBy`]. One that was chosen or is named by
/// `CODEX_HOME` is listed although it does not exist yet. Changes nothing; blocks for a moment.
#[must_use]
pub fn find(surroundings: &Surroundings) -> Vec<FoundHome> {
    let mut homes: Vec<FoundHome> = Vec::new();
    for (path, found_by) in candidates(surroundings) {
        if homes.iter().any(|home| home.path == path) {
            continue;
        }
        let same = homes.iter().find(|home| is_same_folder(&home.path, &path));
        let same = same.map(|home| home.path.clone());
        homes.push(FoundHome::look(path, found_by, same));
    }
    let shared: Vec<Vec<PathBuf>> = homes.iter().map(|home| home.sharing(&homes)).collect();
    for (home, shared) in homes.iter_mut().zip(shared) {
        home.shares_logins_with = shared;
    }
    homes
}

fn candidates(surroundings: &Surroundings) -> Vec<(PathBuf, FoundBy)> {
    let named = [
        (&surroundings.chosen, FoundBy::Chosen),
        (&surroundings.codex_home, FoundBy::Environment),
    ];
    let named = named
        .into_iter()
        .filter_map(|(path, found_by)| Some((path.clone()?, found_by)));
    let user_home = surroundings.user_home.as_deref();
    let usual = user_home.map(|home| (home.join(".codex"), FoundBy::Usual));
    let beside = user_home.map(beside).unwrap_or_default();
    let windows = surroundings.windows_users.as_deref();
    let windows = windows.map(of_windows_users).unwrap_or_default();
    let found = usual.into_iter().chain(beside).chain(windows);
    named
        .chain(found.filter(|(path, _)| is_home(path)))
        .collect()
}

fn beside(user_home: &Path) -> Vec<(PathBuf, FoundBy)> {
    let like_codex = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix(".codex");
        rest.is_some_and(|rest| rest.starts_with(['-', '_', '.']))
    };
    let found = folders_in(user_home).into_iter().filter(like_codex);
    found.map(|path| (path, FoundBy::Beside)).collect()
}

fn of_windows_users(users: &Path) -> Vec<(PathBuf, FoundBy)> {
    let homes = folders_in(users).into_iter();
    homes
        .map(|user| (user.join(".codex"), FoundBy::Windows))
        .collect()
}

/// Sorted; a folder that cannot be looked into holds nothing that could be used either.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn is_home(path: &Path) -> bool {
    path.is_dir() && (path.ends_with(".codex") || SIGNS.iter().any(|sign| path.join(sign).exists()))
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(one).is_some_and(|one| Some(one) == real(other))
}

impl FoundHome {
    fn look(path: PathBuf, found_by: FoundBy, same_folder_as: Option<PathBuf>) -> Self {
        let disk = Disk::only_looked_at(CodexHome::at(&path));
        let live = disk.live();
        let state = State::load(&disk.home).unwrap_or_default();
        let names = disk.names().unwrap_or_default();
        let saved = names.iter().filter_map(|name| disk.profile(name).ok());
        let logins = saved.chain(live.clone());
        let logins = logins.filter_map(|login| spendable(&login));
        Self {
            logins: logins.collect(),
            found_by,
            same_folder_as,
            state: match &live {
                Ok(login) => LoginState::of(&Condition::of(login, &state, Timestamp::now())),
                Err(ReadError::Missing | ReadError::Content(AuthJsonError::NoLogin)) => {
                    LoginState::None
                }
                Err(_) => LoginState::Unreadable,
            },
            identity: live
                .as_ref()
                .ok()
                .map(|login| login.identity().fingerprint()),
            email: live.ok().and_then(|login| login.display_claims().email),
            profiles: names.len(),
            shares_logins_with: Vec::new(),
            path,
        }
    }

    fn sharing(&self, homes: &[Self]) -> Vec<PathBuf> {
        let shares = |other: &&Self| {
            !is_same_folder(&self.path, &other.path) && !self.logins.is_disjoint(&other.logins)
        };
        let others = homes.iter().filter(shares);
        others.map(|home| home.path.clone()).collect()
    }
}

/// A key may be in many places and be none the worse for it; the same refresh token may not.
fn spendable(login: &AuthDotJson) -> Option<String> {
    login.refresh_token().map(RefreshToken::fingerprint)
}

#[cfg(test)]
mod tests;
