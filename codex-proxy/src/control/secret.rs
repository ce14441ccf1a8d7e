use std::{fmt, io};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const RANDOM_BYTES: usize = 32;

/// A random text that opens something. Handed out once; only its [`Digest`] is kept.
#[derive(Debug, Clone)]
pub(super) struct Secret(SecretString);

impl Secret {
    /// 32 random bytes, as URLs, cookies and headers can carry them.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::from)?;
        Ok(Self::of(&URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// One that was handed out before.
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned().into())
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.expose())
    }
}

/// What is kept of a secret: enough to know it again.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether it is that of `text`, in a time that does not tell how much of it was right.
    pub(super) fn is_of(&self, text: &str) -> bool {
        self.0.ct_eq(&Self::of(text).0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
