//! Advisory locks on files, ours and Codex's, with a limit on how long is waited.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::fs::atomic;

/// How often a lock that is held by others is tried again.
const POLL: Duration = Duration::from_millis(5);

/// An advisory lock, held until it is dropped or the process ends. The file stays.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another program holds it: find out which, or try again.
    #[error("another program has held {path} for {waited:?}")]
    Busy {
        /// The lock's file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The file could not be made or locked.
    #[error("cannot lock {path}: {source}")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl FileLock {
    /// Takes the lock, waiting up to `limit`. `mode` is that of a file made anew, on Unix.
    ///
    /// # Errors
    /// [`LockError::Busy`] after `limit`, [`LockError::Io`] at once.
    pub fn acquire(path: &Path, mode: u32, limit: Duration) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open(path, mode).map_err(failed)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if began.elapsed() < limit => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Busy {
                        path: path.to_owned(),
                        waited: limit,
                    });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

fn open(path: &Path, mode: u32) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        atomic::create_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    with_mode(&mut options, mode).open(path)
}

#[cfg(unix)]
fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(mode).custom_flags(libc::O_NONBLOCK)
}

#[cfg(not(unix))]
fn with_mode(options: &mut OpenOptions, _mode: u32) -> &mut OpenOptions {
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_given_up_after_the_limit_and_had_after_its_release() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("router/x.lock");
        let short = Duration::from_millis(30);
        let held = FileLock::acquire(&path, 0o600, short).unwrap();

        let refused = FileLock::acquire(&path, 0o600, short);

        assert!(matches!(refused, Err(LockError::Busy { .. })));
        drop(held);
        assert!(FileLock::acquire(&path, 0o600, short).is_ok());
    }
}
