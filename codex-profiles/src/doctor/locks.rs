//! Locks, and who holds them.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{Check, Finding, Look};
use crate::{disk::beside, fs::atomic};

/// Writes take milliseconds and refreshes seconds; a router waits longer than this for no lock but
/// that of a refresh.
const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

impl Look<'_> {
    pub(super) fn locks(&self) -> Vec<Finding> {
        let held = still_held(self.lock_files(), PATIENCE);
        if held.is_empty() {
            return vec![Finding::ok(Check::Locks, "No lock is held for long.")];
        }
        held.iter().map(|path| self.held(path)).collect()
    }

    fn held(&self, path: &Path) -> Finding {
        let lock = self.path(path);
        let (who, remedy) = match holder(path) {
            Some(Holder { pid, name }) => (
                format!("{name} (process {pid})"),
                format!("if that stays so for a minute, end that program: `kill {pid}`"),
            ),
            None => (
                "Another program".to_owned(),
                "if that stays so for a minute, end the Codex or the router that uses this home"
                    .to_owned(),
            ),
        };
        let message = format!("{who} holds the lock {lock} for seconds; others wait for it.");
        Finding::warning(Check::Locks, message, remedy)
    }

    /// Those that exist: none is made.
    fn lock_files(&self) -> Vec<PathBuf> {
        let home = self.home();
        let live = home.auth_json();
        let live = atomic::real_path(&live).unwrap_or(live);
        let codex = [home.codex_lock(), beside(&live)];
        let ours = home.router().read_dir().into_iter().flatten().flatten();
        let ours = ours.map(|entry| entry.path());
        let is_lock = |path: &PathBuf| path.extension().is_some_and(|end| end == "lock");
        let mut found: Vec<PathBuf> = codex.into_iter().chain(ours.filter(is_lock)).collect();
        found.retain(|path| path.is_file());
        found.sort();
        found.dedup();
        found
    }

    /// Whether somebody holds this lock at this moment.
    pub(super) fn is_held(&self, lock: &Path) -> bool {
        lock.starts_with(self.home().root()) && is_held(lock)
    }
}

/// Those of these locks that are never seen free.
fn still_held(mut locks: Vec<PathBuf>, patience: Duration) -> Vec<PathBuf> {
    let began = Instant::now();
    loop {
        locks.retain(|path| is_held(path));
        if locks.is_empty() || began.elapsed() > patience {
            return locks;
        }
        thread::sleep(POLL);
    }
}

/// The lock is tried, and let go at once. One that cannot be opened cannot be told of.
fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

struct Holder {
    pid: u32,
    name: String,
}

/// The process that the kernel names in `/proc/locks` for this very file.
#[cfg(target_os = "linux")]
fn holder(path: &Path) -> Option<Holder> {
    use std::os::unix::fs::MetadataExt as _;

    let inode = std::fs::metadata(path).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| holder_in(line, inode))?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    Some(Holder {
        pid,
        name: name.map_or_else(|_| "A program".to_owned(), |name| name.trim().to_owned()),
    })
}

/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; one that waits has `->` behind its number.
#[cfg(target_os = "linux")]
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else {
        return None;
    };
    let its: u64 = file.rsplit_once(':')?.1.parse().ok()?;
    (its == inode).then(|| pid.parse().ok())?
}

#[cfg(not(target_os = "linux"))]
fn holder(_path: &Path) -> Option<Holder> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::lock::FileLock;

    #[test]
    fn a_lock_that_is_held_is_seen_and_one_that_is_let_go_meanwhile_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = FileLock::acquire(&path, 0o600, Duration::ZERO).unwrap();
        let seen = still_held(vec![path.clone()], Duration::ZERO);
        assert_eq!(seen, std::slice::from_ref(&path));
        let watched = path.clone();
        let watching = thread::spawn(move || still_held(vec![watched], PATIENCE * 5));
        drop(held);
        assert!(watching.join().unwrap().is_empty());
        assert!(FileLock::acquire(&path, 0o600, Duration::ZERO).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_holder_is_the_process_that_has_the_lock_and_not_one_that_waits() {
        let has = "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF";
        let waits = "1: -> FLOCK  ADVISORY  WRITE 77 08:01:5678 0 EOF";
        assert_eq!(holder_in(has, 5678), Some(1234));
        assert_eq!(holder_in(has, 567), None);
        assert_eq!(holder_in(waits, 5678), None);
    }
}
