use std::{fmt, path::Path};

use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

/// What the entry of a login is called in every keyring.
pub const SERVICE: &str = "Codex Auth";
/// As much of the digest as Codex takes, in bytes.
const DIGEST_BYTES: usize = 8;

/// A place where the operating system keeps secrets, such as a keychain. Its entries are named
/// [`SERVICE`] and an account.
///
/// Calls block, and may wait for a person to unlock the place. Whoever holds one here waits only so
/// long, and leaves the call behind.
pub trait Vault: Send + Sync + 'static {
    /// What is kept for an account, if anything is.
    ///
    /// # Errors
    /// [`VaultError::NotBuiltIn`] and [`VaultError::Refused`].
    fn read(&self, account: &str) -> Result<Option<SecretBytes>, VaultError>;

    /// Keeps something for an account, in place of what was kept for it before.
    ///
    /// # Errors
    /// As for [`read`](Self::read); what was kept before still is.
    fn write(&self, account: &str, value: &SecretBytes) -> Result<(), VaultError>;
}

/// Why a keyring was of no use. The texts go on after "the keyring, and".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// Built without the feature `keyring`: take a build that has it.
    #[error("this build cannot reach a keyring")]
    NotBuiltIn,
    /// Unlock it, or answer the question that it asks.
    #[error("it does not answer: it may be locked, or wait for somebody to allow this")]
    NoAnswer,
    /// There is none, or it does not let this program in.
    #[error("it cannot be used: {0}")]
    Refused(String),
}

/// Bytes that cannot print, wiped when they are dropped.
#[derive(Clone)]
pub struct SecretBytes(SecretSlice<u8>);

impl SecretBytes {
    /// Takes ownership of the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves, for the one place that hands them on.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The account under which Codex keeps the login of a home: `cli|` and the first 16 hexadecimal
/// digits of the SHA-256 of its path, symlinks resolved where it exists.
///
/// *Source:* wire reference 1.1; `login/src/auth/storage.rs` of Codex; seen in the Secret Service
/// after `codex login` of 0.169.0.
#[must_use]
pub fn account_of(home: &Path) -> String {
    let canonical = home.canonicalize();
    let path = canonical.as_deref().unwrap_or(home).to_string_lossy();
    let digest = Sha256::digest(path.as_bytes());
    let start = digest.iter().take(DIGEST_BYTES);
    start.fold("cli|".to_owned(), |account, byte| {
        format!("{account}{byte:02x}")
    })
}

/// For a build without any.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "keyring", expect(dead_code, reason = "there is a real one"))]
pub(crate) struct NoVault;

impl Vault for NoVault {
    fn read(&self, _account: &str) -> Result<Option<SecretBytes>, VaultError> {
        Err(VaultError::NotBuiltIn)
    }

    fn write(&self, _account: &str, _value: &SecretBytes) -> Result<(), VaultError> {
        Err(VaultError::NotBuiltIn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_the_one_that_codex_derives() {
        // $ printf %s /nowhere/.codex | sha256sum   d15567c207ebadef…
        // $ printf %s /nowhere/größe | sha256sum    f8990814ceae4f92…
        // The third is what `codex login` 0.169.0 made of its home, as the Secret Service shows it.
        for (home, account) in [
            ("/nowhere/.codex", "cli|d15567c207ebadef"),
            ("/nowhere/größe", "cli|f8990814ceae4f92"),
            ("/tmp/krhome/codex", "cli|30cf146578829368"),
        ] {
            assert_eq!(account_of(Path::new(home)), account, "{home}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_symlink_to_the_home_has_the_account_of_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let (home, link) = (folder.path().join("home"), folder.path().join("link"));
        std::fs::create_dir(&home).unwrap();
        std::os::unix::fs::symlink(&home, &link).unwrap();
        assert_eq!(account_of(&link), account_of(&home));
        assert_ne!(account_of(&link), account_of(folder.path()));
    }

    #[test]
    fn secret_bytes_cannot_print() {
        let secret = SecretBytes::new(b"sk-planted".to_vec());
        assert_eq!(format!("{:?}", Some(&secret)), "Some([redacted])");
        assert_eq!(secret.expose(), b"sk-planted");
    }
}
