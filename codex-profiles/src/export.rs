//! A login that leaves the machine, encrypted under a passphrase with [age](https://age-encryption.org).
//!
//! What is encrypted is an [`Envelope`]; the age program opens it too: `age -d work.age`. An export
//! is a copy, and goes stale as soon as either side refreshes.
//!
//! ```no_run
//! # // Made slow on purpose: a second in a release build, and far more in a test.
//! use codex_auth::{AuthDotJson, secret::ApiKey};
//! use codex_profiles::{ProfileName, export, import::{self, Envelope}};
//! use jiff::Timestamp;
//! use secrecy::SecretString;
//!
//! let passphrase = SecretString::from("correct horse battery staple");
//! let login = AuthDotJson::from_api_key(ApiKey::new("sk-example"));
//! let envelope = Envelope::new(&ProfileName::parse("work")?, None, login);
//!
//! let file = export::encrypt(&envelope, &passphrase)?;
//! let opened = export::decrypt(&file, &passphrase)?;
//! let contents = import::read(opened.expose(), Timestamp::now())?;
//! assert_eq!(contents.entries[0].name.as_ref().unwrap().as_str(), "work");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    iter,
};

use age::{
    DecryptError, Decryptor, Encryptor,
    armor::{ArmoredReader, ArmoredWriter, Format},
    scrypt,
};
use codex_auth::auth_json::MAX_BYTES;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::import::Envelope;

/// The binary logarithm of scrypt's cost, as the age program has it: 256 MiB and about a second.
const WORK_FACTOR: u8 = 18;
/// The most that is done for a file from elsewhere: 1 GiB, and some seconds.
const MAX_WORK_FACTOR: u8 = 20;

/// Why an export was not made or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Anybody could open it.
    #[error("the passphrase is empty")]
    NoPassphrase,
    /// Try again; nothing can open it without the very passphrase.
    #[error("the passphrase is not the one that it was encrypted with")]
    WrongPassphrase,
    /// Decrypt it with the age program and the key, then import what comes out.
    #[error("it is encrypted for a key and not under a passphrase: decrypt it with `age` first")]
    NotUnderPassphrase,
    /// It was made to cost its reader hours; no export of ours is.
    #[error("it would take too much work to open: it was not made by Codex Router")]
    TooMuchWork,
    /// It is cut, changed, or of a version that is not known.
    #[error("it is no whole age file: {0}")]
    Damaged(String),
    /// The operating system refused.
    #[error("it could not be encrypted: {0}")]
    Io(#[from] io::Error),
}

/// What was decrypted. `Debug` shows nothing of it.
pub struct Opened(SecretSlice<u8>);

impl Opened {
    /// The content, for [`import::read`](crate::import::read).
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The export's content: text, which survives being pasted. Takes about a second.
///
/// # Errors
/// [`ExportError::NoPassphrase`].
pub fn encrypt(envelope: &Envelope, passphrase: &SecretString) -> Result<Vec<u8>, ExportError> {
    encrypt_with(envelope, passphrase, WORK_FACTOR)
}

/// Opens what [`encrypt`] or the age program made. Takes about a second.
///
/// # Errors
/// Every [`ExportError`] but `Io`.
pub fn decrypt(bytes: &[u8], passphrase: &SecretString) -> Result<Opened, ExportError> {
    let decryptor = Decryptor::new(ArmoredReader::new(bytes)).map_err(refused)?;
    if !decryptor.is_scrypt() {
        return Err(ExportError::NotUnderPassphrase);
    }
    let mut identity = scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let reader = decryptor.decrypt(iter::once(&identity as _));
    let mut opened = Vec::new();
    reader
        .map_err(refused)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut opened)
        .map_err(|error| ExportError::Damaged(error.to_string()))?;
    Ok(Opened(opened.into()))
}

/// Only tests make it quick, and so easy to guess.
fn encrypt_with(
    envelope: &Envelope,
    passphrase: &SecretString,
    work_factor: u8,
) -> Result<Vec<u8>, ExportError> {
    if passphrase.expose_secret().is_empty() {
        return Err(ExportError::NoPassphrase);
    }
    let mut recipient = scrypt::Recipient::new(passphrase.clone());
    recipient.set_work_factor(work_factor);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as _));
    let encryptor = encryptor.map_err(io::Error::other)?;
    let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armor)?;
    writer.write_all(SecretSlice::from(envelope.to_bytes()).expose_secret())?;
    Ok(writer.finish()?.finish()?)
}

fn refused(error: DecryptError) -> ExportError {
    match error {
        // First of all: age's own text for it panics at a work factor that no file has for good.
        DecryptError::ExcessiveWork { .. } => ExportError::TooMuchWork,
        DecryptError::DecryptionFailed | DecryptError::NoMatchingKeys => {
            ExportError::WrongPassphrase
        }
        other => ExportError::Damaged(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use codex_auth::{AuthDotJson, secret::ApiKey};
    use jiff::Timestamp;

    use super::*;
    use crate::{
        import::{self, Format, ImportError},
        testing::name,
    };

    fn envelope() -> Envelope {
        let login = AuthDotJson::from_api_key(ApiKey::new("sk-planted"));
        Envelope::new(&name("团队"), Some("The team".to_owned()), login)
    }

    fn passphrase(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn quick(text: &str) -> Vec<u8> {
        encrypt_with(&envelope(), &passphrase(text), 4).unwrap()
    }

    #[test]
    fn an_export_gives_back_the_login_and_what_it_is_called() {
        let file = quick("Zürich 北京");
        assert!(import::is_encrypted(&file));
        let unread = import::read(&file, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(unread, ImportError::Encrypted);

        let opened = decrypt(&file, &passphrase("Zürich 北京")).unwrap();

        let contents = import::read(opened.expose(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(contents.format, Format::Export);
        let entry = &contents.entries[0];
        assert_eq!(entry.name, Some(name("团队")));
        assert_eq!(entry.label.as_deref(), Some("The team"));
        let login = entry.login.as_ref().unwrap();
        assert_eq!(login.to_bytes(), envelope().login().to_bytes());
    }

    #[test]
    fn nothing_of_the_login_is_in_the_file_or_in_debug() {
        let file = String::from_utf8(quick("x")).unwrap();
        assert!(
            !file.contains("planted") && !file.contains("team"),
            "{file}"
        );
        let opened = decrypt(file.as_bytes(), &passphrase("x")).unwrap();
        let shown = format!("{opened:?} {:?}", envelope());
        assert!(!shown.contains("planted"), "{shown}");
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        let refused = encrypt(&envelope(), &passphrase(""));
        assert!(matches!(refused, Err(ExportError::NoPassphrase)));
    }

    #[test]
    fn another_passphrase_and_a_damaged_file_are_told_apart() {
        let file = quick("right");
        let wrong = decrypt(&file, &passphrase("wrong"));
        assert!(
            matches!(wrong, Err(ExportError::WrongPassphrase)),
            "{wrong:?}"
        );
        for damaged in [&file[..file.len() / 2], b"age-encryption.org/v1\n", b"x"] {
            let refused = decrypt(damaged, &passphrase("right"));
            assert!(
                matches!(refused, Err(ExportError::Damaged(_))),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_file_for_a_key_says_what_to_do() {
        let key = age::x25519::Identity::generate();
        let file = age::encrypt_and_armor(&key.to_public(), b"x").unwrap();
        let refused = decrypt(file.as_bytes(), &passphrase("x"));
        assert!(matches!(refused, Err(ExportError::NotUnderPassphrase)));
    }

    #[test]
    fn a_file_that_would_take_an_hour_to_open_is_refused_at_once() {
        let file = String::from_utf8(quick("x")).unwrap();
        let bytes = age_binary(&file);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = text.find(" 4\n").unwrap();
        for factor in [21, 30, 63, 64, 255] {
            let mut costly = bytes[..at].to_vec();
            costly.extend_from_slice(format!(" {factor}\n").as_bytes());
            costly.extend_from_slice(&bytes[at + 3..]);
            let refused = decrypt(&costly, &passphrase("x")).unwrap_err();
            let text = refused.to_string();
            assert!(matches!(refused, ExportError::TooMuchWork), "{text}");
            assert!(text.contains("too much work"), "{text}");
        }
    }

    fn age_binary(armored: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut reader = ArmoredReader::new(armored.as_bytes());
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_product_makes_guessing_expensive() {
        const { assert!(WORK_FACTOR >= 18 && MAX_WORK_FACTOR >= WORK_FACTOR) };
        let file = encrypt(&envelope(), &passphrase("x")).unwrap();
        let bytes = age_binary(&String::from_utf8(file).unwrap());
        let header = String::from_utf8_lossy(&bytes[..200]).into_owned();
        assert!(header.contains(" 18\n"), "{header}");
    }
}
