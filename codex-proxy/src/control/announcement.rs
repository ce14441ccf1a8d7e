//! The files by which the person's own programs find a running router.

use std::{io, path::PathBuf};

use codex_profiles::{
    CodexHome,
    fs::{atomic, read},
};

use super::{
    access::Access,
    secret::{Digest, Secret},
};

/// Where a router serves and the token that it wants, in files that only the person can read.
/// [`withdraw`](Self::withdraw) removes them, unless they are another router's by now.
#[derive(Debug)]
#[must_use = "the files stay until they are withdrawn"]
pub struct Announcement {
    token: PathBuf,
    address: PathBuf,
    digest: Digest,
}

impl Announcement {
    /// Makes a new token. Blocks.
    pub(super) fn make(home: &CodexHome, access: &Access, address: &str) -> io::Result<Self> {
        let secret = Secret::random()?;
        let announcement = Self {
            token: home.control_token(),
            address: home.control_address(),
            digest: secret.digest(),
        };
        access.set_token(&secret);
        atomic::replace(&announcement.token, line(secret.expose()).as_bytes())?;
        atomic::replace(&announcement.address, line(address).as_bytes())?;
        Ok(announcement)
    }

    /// Removes the files, if they are still ours. Blocks.
    pub fn withdraw(self) {
        let is_ours = |bytes: Vec<u8>| self.digest.is_of(String::from_utf8_lossy(&bytes).trim());
        if !read::bytes(&self.token).is_ok_and(is_ours) {
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
