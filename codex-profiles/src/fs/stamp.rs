//! Whether a file is still the one that was read, for the price of one `stat`.

use std::{
    fs::{self, Metadata},
    path::Path,
    time::{Duration, SystemTime},
};

/// Two writes closer together than this may carry the same time: file systems count in ticks.
const TICK: Duration = Duration::from_millis(50);

/// What changes when a file's content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    size_bytes: u64,
    inode: [u64; 2],
    changed: [i64; 2],
}

impl Stamp {
    /// The stamp of the file behind `path`, symlinks followed.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path)
            .ok()
            .map(|metadata| Self::from(&metadata))
    }

    /// Whether a change after a reading at `read_at` is bound to show in the stamp.
    pub(crate) fn is_settled(&self, read_at: SystemTime) -> bool {
        self.modified
            .and_then(|modified| read_at.duration_since(modified).ok())
            .is_some_and(|age| age > TICK)
    }
}

impl From<&Metadata> for Stamp {
    #[cfg(unix)]
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            modified: metadata.modified().ok(),
            size_bytes: metadata.len(),
            inode: [metadata.dev(), metadata.ino()],
            changed: [metadata.ctime(), metadata.ctime_nsec()],
        }
    }

    #[cfg(not(unix))]
    fn from(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            size_bytes: metadata.len(),
            inode: [0; 2],
            changed: [0; 2],
        }
    }
}
