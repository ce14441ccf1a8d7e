//! `list --homes`.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use codex_profiles::{
    homes::{self, FoundBy, FoundHome, Surroundings},
    report::LoginState,
};

use super::{exit::Failure, list::columns, text};

/// Where WSL shows the homes of Windows' users.
const WINDOWS_USERS: &str = "/mnt/c/Users";

/// The homes of Codex on this machine: a table for people, or a list as JSON.
pub(crate) fn list(chosen: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let found = homes::find(&surroundings(chosen));
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &found).map_err(io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    if found.is_empty() {
        writeln!(out, "No home of Codex was found.")?;
    }
    let rows: Vec<[String; 4]> = found.iter().map(row).collect();
    for line in columns(&rows).iter().chain(&warnings(&found)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Where homes may be, by the command line and the environment.
pub(super) fn surroundings(chosen: Option<PathBuf>) -> Surroundings {
    let codex_home = env::var_os("CODEX_HOME").filter(|path| !path.is_empty());
    let in_wsl = env::var_os("WSL_DISTRO_NAME").is_some();
    Surroundings {
        chosen,
        codex_home: codex_home.map(PathBuf::from),
        user_home: env::home_dir().filter(|home| !home.as_os_str().is_empty()),
        windows_users: in_wsl.then(|| PathBuf::from(WINDOWS_USERS)),
    }
}

fn row(home: &FoundHome) -> [String; 4] {
    [
        text::path(&home.path),
        found_by(home),
        login(home),
        match home.profiles {
            1 => "1 profile".to_owned(),
            more => format!("{more} profiles"),
        },
    ]
}

fn found_by(home: &FoundHome) -> String {
    let found_by = match home.found_by {
        FoundBy::Chosen => "--codex-home",
        FoundBy::Environment => "CODEX_HOME",
        FoundBy::Usual => "the usual one",
        FoundBy::Windows => "Windows",
        _ => "beside the usual one",
    };
    match &home.same_folder_as {
        Some(other) => format!("{found_by}, the same as {}", text::path(other)),
        None => found_by.to_owned(),
    }
}

fn login(home: &FoundHome) -> String {
    let who = home.email.as_ref().map(|email| email.as_str().to_owned());
    match home.state {
        LoginState::None => "no login".to_owned(),
        LoginState::Unreadable => "an unreadable login".to_owned(),
        LoginState::NeedsLogin => format!("{}: needs login", who.unwrap_or_default()),
        _ => who.unwrap_or_else(|| "a login".to_owned()),
    }
}

/// Each pair once.
fn warnings(found: &[FoundHome]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, home) in found.iter().enumerate() {
        let earlier: Vec<&Path> = found[..index]
            .iter()
            .map(|home| home.path.as_path())
            .collect();
        for other in &home.shares_logins_with {
            if earlier.contains(&other.as_path()) {
                warnings.push(two_owners(other, &home.path));
            }
        }
    }
    warnings
}

fn two_owners(one: &Path, other: &Path) -> String {
    format!(
        "\n{} and {} hold the same login. It has two owners: the first one that refreshes it logs \
         the other one out.\nSign in anew in one of them.",
        text::path(one),
        text::path(other)
    )
}
