//! Whether a Codex that uses the same home may be running just now.
//!
//! Codex takes no lock while it refreshes (wire reference 3.4), so its process is all there is to
//! see of it. This is looked at only in the last minutes of an access token, when Codex refreshes
//! by itself.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use crate::home::CodexHome;

/// Looks for a Codex that may share a home.
#[derive(Clone)]
pub(crate) struct Neighbours(Arc<dyn Fn(&CodexHome) -> bool + Send + Sync>);

impl Neighbours {
    /// Asks the operating system. Takes some milliseconds.
    pub(crate) fn of_this_machine() -> Self {
        Self(Arc::new(is_codex_running))
    }

    #[cfg(test)]
    pub(crate) fn assumed(codex: bool) -> Self {
        Self(Arc::new(move |_| codex))
    }

    pub(crate) fn may_include_codex(&self, home: &CodexHome) -> bool {
        (self.0)(home)
    }
}

impl fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Neighbours")
    }
}

/// A Codex that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunningCodex {
    pub(crate) pid: u32,
    pub(crate) name: String,
    /// Its home, as far as its environment can be seen.
    pub(crate) home: Option<PathBuf>,
}

fn is_codex_running(home: &CodexHome) -> bool {
    // A system that does not show its processes may run anything.
    running_codexes().is_none_or(|running| running.iter().any(|codex| codex.may_use(home)))
}

/// Every Codex that runs; `None` where the system does not show its processes.
pub(crate) fn running_codexes() -> Option<Vec<RunningCodex>> {
    let mut system = System::new().ok()?;
    let names = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, names);
    let named_so = system.processes().iter();
    let mut found: Vec<Pid> = named_so
        .filter(|(_, process)| is_codex(process.name()))
        .map(|(pid, _)| *pid)
        .collect();
    found.sort();
    let environment = names.with_environ(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&found), true, environment);
    let found = found.iter().filter_map(|pid| system.process(*pid));
    Some(found.map(RunningCodex::of).collect())
}

/// `codex`, `codex-x86_64-…`, `Codex`, `codex.exe`, and not ourselves.
fn is_codex(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    name == "codex" || (name.starts_with("codex-") && !name.starts_with("codex-router"))
}

impl RunningCodex {
    fn of(process: &Process) -> Self {
        Self {
            pid: process.pid().as_u32(),
            name: process.name().to_string_lossy().into_owned(),
            home: home_of(process),
        }
    }

    /// One whose environment cannot be seen may use any home.
    pub(crate) fn may_use(&self, home: &CodexHome) -> bool {
        let own = self.home.as_deref();
        own.is_none_or(|own| is_same_folder(own, home.root()))
    }
}

fn home_of(process: &Process) -> Option<PathBuf> {
    let environment: Vec<(String, PathBuf)> = process
        .environ()
        .iter()
        .filter_map(|entry| {
            let entry = entry.to_string_lossy();
            let (name, value) = entry.split_once('=')?;
            (!value.is_empty()).then(|| (name.to_owned(), PathBuf::from(value)))
        })
        .collect();
    let value = |wanted: &str| {
        let mut found = environment.iter();
        found
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let person = value("HOME").or_else(|| value("USERPROFILE"));
    value("CODEX_HOME").or(person.map(|folder| folder.join(".codex")))
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codex_is_known_by_its_name_under_every_system() {
        for name in ["codex", "Codex", "codex.exe", "codex-x86_64-un"] {
            assert!(is_codex(OsStr::new(name)), "{name}");
        }
        for name in ["codex-router", "codex_profiles-1a2b", "mycodex", "node"] {
            assert!(!is_codex(OsStr::new(name)), "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_codex_of_this_home_is_seen_and_one_of_another_home_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (home, other) = (folder.path().join("home"), folder.path().join("other"));
        std::fs::create_dir_all(&home).unwrap();
        std::fs::create_dir_all(&other).unwrap();
        let codex = folder.path().join("codex");
        std::os::unix::fs::symlink("/bin/sleep", &codex).unwrap();
        let seen = |at: &Path| {
            // Others on this machine, whose environment cannot be seen, are none of this test.
            let running = running_codexes().unwrap().into_iter();
            let mut running = running.filter(|codex| codex.home.is_some());
            running.any(|codex| codex.may_use(&CodexHome::at(at)))
        };
        assert!(!seen(&home));

        let mut child = std::process::Command::new(&codex)
            .arg("60")
            .env("CODEX_HOME", &home)
            .spawn()
            .unwrap();

        let (shares, does_not) = (seen(&home), seen(&other));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(shares && !does_not);
    }
}
