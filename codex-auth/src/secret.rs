//! Secrets as types that cannot print: no `Display`, and `Debug` shows `[redacted]`.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

macro_rules! secret {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes ownership of the secret text.
            #[must_use]
            pub fn new(secret: impl Into<String>) -> Self {
                Self(SecretString::from(secret.into()))
            }

            /// The secret text itself, for the one place that puts it on the wire or on disk.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// Whether the text is empty, which the issuer never sends but a file may hold.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.expose().is_empty()
            }

            /// SHA-256 of the secret, in hexadecimal: names it on disk without giving it away.
            #[must_use]
            pub fn fingerprint(&self) -> String {
                hex(&Sha256::digest(self.expose()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[redacted]")
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.expose() == other.expose()
            }
        }

        impl Eq for $name {}

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::new)
            }
        }

        /// Writes the secret in the clear: for `auth.json` and the token endpoint alone.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.expose())
            }
        }
    };
}

secret! {
    /// The bearer token of a model call (RFC 6750); a JWT as a rule, but opaque ones are accepted.
    AccessToken
}
secret! {
    /// A one-time token for the next access token. Posting it twice makes the issuer revoke the
    /// whole family (RFC 9700, section 4.14).
    RefreshToken
}
secret! {
    /// The OpenID Connect id token, a compact JWS with the claims of [`crate::claims`].
    IdToken
}
secret! {
    /// An API key of the platform (`sk-…`), or a personal access token (`at-…`).
    ApiKey
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cannot_print() {
        let token = AccessToken::new("planted-secret");
        assert_eq!(
            format!("{token:?} {:?}", Some(&token)),
            "[redacted] Some([redacted])"
        );
    }

    #[test]
    fn a_fingerprint_is_the_sha_256_of_the_text() {
        assert_eq!(
            RefreshToken::new("abc").fingerprint(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
