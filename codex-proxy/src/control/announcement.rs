//! The files by which the person's own programs find a running router.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use codex_profiles::{
    CodexHome,
    fs::{atomic, read},
};

use super::{
    access::Access,
    secret::{Digest, Secret},
};

const LOCK_LIMIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(5);

/// Where a router serves and the token that it wants, in files that only the person can read.
/// [`withdraw`](Self::withdraw) removes them, unless they are another router's by now.
#[derive(Debug, Clone)]
#[must_use = "the files stay until they are withdrawn"]
pub struct Announcement {
    token: PathBuf,
    address: PathBuf,
    digest: Digest,
    /// Locked as long as the router lives, however it ends.
    _held: Option<Arc<File>>,
}

/// Whether no router of this home runs, whatever one that was killed has left in its files: an
/// address that nobody serves may be held by a system that starts whatever is asked for there.
/// Blocks. Where locks cannot be had it is not known, and `false`.
#[must_use]
pub fn is_nobody_serving(home: &CodexHome) -> bool {
    let lock = File::open(home.serving());
    lock.is_ok_and(|lock| lock.try_lock().is_ok())
}

/// Shared by all routers of a home. Without the lock there is to be no file that says that nobody
/// has it.
fn hold(path: &Path) -> Option<Arc<File>> {
    let began = Instant::now();
    let held = loop {
        match open(path).map(|file| (file.try_lock_shared(), file)) {
            Ok((Ok(()), file)) => break Some(Arc::new(file)),
            // Somebody looks whether it is held, which takes no time.
            Ok((Err(TryLockError::WouldBlock), _)) if began.elapsed() < LOCK_LIMIT => {
                thread::sleep(LOCK_POLL);
            }
            _ => break None,
        }
    };
    if held.is_none() {
        let _ = atomic::remove(path);
    }
    held
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        atomic::create_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

impl Announcement {
    /// Makes a new token. Blocks.
    pub(super) fn make(home: &CodexHome, access: &Access, address: &str) -> io::Result<Self> {
        let secret = Secret::random()?;
        let announcement = Self {
            token: home.control_token(),
            address: home.control_address(),
            digest: secret.digest(),
            _held: hold(&home.serving()),
        };
        access.set_token(&secret);
        announcement.write(&secret, address)?;
        Ok(announcement)
    }

    /// At no moment does the token lie beside the address of another program, which would be sent
    /// it by whoever looks for a router.
    fn write(&self, secret: &Secret, address: &str) -> io::Result<()> {
        atomic::remove(&self.address)?;
        atomic::replace(&self.token, line(secret.expose()).as_bytes())?;
        let written = atomic::replace(&self.address, line(address).as_bytes());
        if written.is_err() {
            // The error that is told is the one that led here.
            let _ = atomic::remove(&self.token);
        }
        written
    }

    /// Says another address of the same router, if the files are still its own. Blocks.
    pub(super) fn move_to(&self, address: &str) -> io::Result<()> {
        if self.is_ours() {
            atomic::replace(&self.address, line(address).as_bytes())?;
        }
        Ok(())
    }

    fn is_ours(&self) -> bool {
        let is_ours = |bytes: Vec<u8>| self.digest.is_of(String::from_utf8_lossy(&bytes).trim());
        read::bytes(&self.token).is_ok_and(is_ours)
    }

    /// Removes the files, if they are still ours. Blocks.
    pub fn withdraw(self) {
        if !self.is_ours() {
            return;
        }
        // What stays leads nowhere: the next router replaces it.
        let _ = atomic::remove(&self.address);
        let _ = atomic::remove(&self.token);
    }
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ADDRESS: &str = "http://127.0.0.1:9876";

    fn at(token: PathBuf, address: PathBuf) -> (Announcement, Secret) {
        let secret = Secret::random().unwrap();
        let digest = secret.digest();
        let announcement = Announcement {
            token,
            address,
            digest,
            _held: None,
        };
        (announcement, secret)
    }

    #[test]
    fn a_token_is_not_written_while_an_address_of_somebody_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (token, address) = (folder.path().join("token"), folder.path().join("address"));
        fs::create_dir(&address).unwrap();
        let (announcement, secret) = at(token.clone(), address);
        assert!(announcement.write(&secret, ADDRESS).is_err());
        assert!(!token.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_token_whose_address_cannot_be_written_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (token, nowhere) = (folder.path().join("token"), folder.path().join("nowhere"));
        std::os::unix::fs::symlink(folder.path().join("missing"), &nowhere).unwrap();
        let (announcement, secret) = at(token.clone(), nowhere.join("address"));
        assert!(announcement.write(&secret, ADDRESS).is_err());
        assert!(!token.exists());
    }

    #[test]
    fn what_was_announced_is_found_and_withdrawn() {
        let folder = tempfile::tempdir().unwrap();
        let (token, address) = (folder.path().join("token"), folder.path().join("address"));
        let (announcement, secret) = at(token.clone(), address.clone());
        announcement.write(&secret, ADDRESS).unwrap();
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(&address).trim(), ADDRESS);
        assert_eq!(read(&token).trim(), secret.expose());
        announcement.withdraw();
        assert!(!token.exists() && !address.exists());
    }
}
