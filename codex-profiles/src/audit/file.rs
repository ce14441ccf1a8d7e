//! The file: lines appended, none lost to another process or a crash in the middle of one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tracing::warn;

use super::AuditEntry;
use crate::{
    error::StoreError,
    fs::{atomic, lock::FileLock},
    home::CodexHome,
};

/// A file that would grow beyond this is put aside, in the place of the one before it.
const MAX_BYTES: u64 = 1 << 20;
/// No change waits longer for its line. Appending is safe without the lock; putting aside is not.
const PATIENCE: Duration = Duration::from_millis(250);

/// What was read of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditLog {
    /// The oldest first.
    pub entries: Vec<AuditEntry>,
    /// How many lines are none: cut by a crash or a full disk, or written by somebody else.
    pub unreadable: usize,
}

/// `router/audit.log`, and the older `audit.log.1`.
#[derive(Debug)]
pub(crate) struct AuditFile {
    path: PathBuf,
    older: PathBuf,
    lock: PathBuf,
    max_bytes: u64,
    /// Whether it was said that lines are missing.
    has_warned: AtomicBool,
}

impl AuditFile {
    pub(crate) fn of(home: &CodexHome) -> Self {
        let folder = home.router();
        Self {
            path: home.audit_log(),
            older: folder.join("audit.log.1"),
            lock: folder.join("audit.lock"),
            max_bytes: MAX_BYTES,
            has_warned: AtomicBool::new(false),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(super) fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Adds a line, and brings it to the disk. That it cannot is said once.
    pub(super) fn append(&self, entry: &AuditEntry) {
        match self.try_append(entry) {
            Ok(()) => self.has_warned.store(false, Ordering::Relaxed),
            Err(error) if !self.has_warned.swap(true, Ordering::Relaxed) => {
                warn!(%error, "changes of logins are not noted in router/audit.log");
            }
            Err(_) => {}
        }
    }

    pub(super) fn try_append(&self, entry: &AuditEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        if let Some(folder) = self.path.parent() {
            atomic::create_folder(folder)?;
        }
        let lock = FileLock::acquire(&self.lock, 0o600, PATIENCE);
        if lock.is_ok() {
            self.put_aside_if_full(line.len())?;
        }
        let is_new = !self.path.exists();
        let mut file = open(&self.path)?;
        if ends_in_the_middle(&mut file)? {
            line.insert(0, b'\n');
        }
        // In one go, so that no two lines are mixed.
        file.write_all(&line)?;
        file.sync_data()?;
        if is_new {
            atomic::sync_folder_of(&self.path)?;
        }
        Ok(())
    }

    /// Whoever has opened the file meanwhile adds its line to the older one.
    fn put_aside_if_full(&self, line_bytes: usize) -> io::Result<()> {
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if length == 0 || length + line_bytes as u64 <= self.max_bytes {
            return Ok(());
        }
        atomic::rename_folder(&self.path, &self.older)
    }

    pub(super) fn read(&self) -> Result<AuditLog, StoreError> {
        let mut log = AuditLog::default();
        for path in [&self.older, &self.path] {
            let bytes = match fs::read(path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io(path)(error)),
            };
            log.read_lines(&bytes);
        }
        Ok(log)
    }
}

impl AuditLog {
    fn read_lines(&mut self, bytes: &[u8]) {
        let lines = bytes.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(entry) => self.entries.push(entry),
                Err(_) => self.unreadable += 1,
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Whether a line was begun by somebody who did not come to its end.
fn ends_in_the_middle(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
