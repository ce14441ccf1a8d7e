#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain::Store;
use keyring_core::{Entry, Error, api::CredentialStoreApi as _};
#[cfg(windows)]
use windows_native_keyring_store::Store;
#[cfg(all(unix, not(target_os = "macos")))]
use zbus_secret_service_keyring_store::Store;

use crate::live::vault::{SERVICE, SecretBytes, Vault, VaultError};

/// The keyring of the operating system: the Secret Service, as GNOME, KDE and `KeePassXC` have it, the
/// keychain of macOS, or the credential manager of Windows.
///
/// Opened anew for each call, so that one that was started or restarted later is found.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyringVault;

impl Vault for KeyringVault {
    fn read(&self, account: &str) -> Result<Option<SecretBytes>, VaultError> {
        match entry(account).and_then(|entry| entry.get_password()) {
            Ok(text) => Ok(Some(SecretBytes::new(text.into_bytes()))),
            Err(Error::NoEntry) => Ok(None),
            // Something is there that is no text, and so no login.
            Err(Error::BadEncoding(bytes) | Error::BadDataFormat(bytes, _)) => {
                Ok(Some(SecretBytes::new(bytes)))
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn write(&self, account: &str, value: &SecretBytes) -> Result<(), VaultError> {
        let text = std::str::from_utf8(value.expose());
        let text = text.map_err(|error| VaultError::Refused(error.to_string()))?;
        let written = entry(account).and_then(|entry| entry.set_password(text));
        written.map_err(|error| refused(&error))
    }
}

fn entry(account: &str) -> Result<Entry, Error> {
    Store::new()?.build(SERVICE, account, None)
}

/// In words of our own where the error holds what was read or written.
fn refused(error: &Error) -> VaultError {
    VaultError::Refused(match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => cause.to_string(),
        Error::TooLong(_, limit) => {
            format!("a login is longer than the {limit} characters it takes")
        }
        Error::Ambiguous(_) => "it has several entries for this home".to_owned(),
        _ => "it failed".to_owned(),
    })
}
