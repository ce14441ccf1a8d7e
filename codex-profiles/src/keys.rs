//! Keys that clients of the router present. Only their hashes are kept.

mod admission;
mod name;
mod usage;

use std::fmt::{self, Write as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest as _, Sha256};

pub use admission::Admission;
pub(crate) use admission::KeyCache;
pub use name::{KeyName, KeyNameError};
pub(crate) use usage::KeyUses;

use crate::{
    audit::{Action, Deed},
    disk::Disk,
    error::StoreError,
    fs::ReadError,
    object::Object,
    profile::ProfileName,
    state::State,
    store::{ProfileStore, blocking},
};

/// How every key begins, so that it is known for one wherever it turns up.
const PREFIX: &str = "crk_";
const RANDOM_BYTES: usize = 32;

/// A key, which is shown once: it cannot be found out again.
pub struct ClientKey(SecretString);

/// What is kept about a key. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyEntry {
    /// What a person calls it.
    pub name: String,
    /// The one profile it serves with, if it is bound.
    pub profile: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Why nothing was done about a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Choose another name, or revoke that key first.
    #[error("there is a key named `{0}` already")]
    NameTaken(KeyName),
    /// Look at the names of those there are.
    #[error("no key named `{0}`")]
    Unknown(KeyName),
    /// The operating system gave no random bytes: try again.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// About files, as of everything else in the home.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key as `state.json` has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    name: String,
    /// SHA-256 of the key, in hexadecimal.
    sha256: String,
    profile: Option<String>,
    /// The fingerprint of the identity that the profile had when the key was bound to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    created_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// A profile, and whose it is: its name alone may come to mean another login.
#[derive(Debug)]
struct Binding {
    profile: ProfileName,
    identity: String,
}

impl ClientKey {
    fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self(SecretString::from(key)))
    }

    /// The key itself, for the one place that shows it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl StoredKey {
    fn new(name: &KeyName, binding: Option<Binding>, key: &ClientKey) -> Self {
        let (profile, identity) = binding
            .map(|binding| (binding.profile.as_str().to_owned(), binding.identity))
            .unzip();
        Self {
            name: name.as_str().to_owned(),
            sha256: hex(&digest(key.expose())),
            profile,
            identity,
            created_at: Some(Timestamp::now()),
            last_used_at: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// Whose login the profile had when the key was bound to it.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    fn entry(self) -> KeyEntry {
        KeyEntry {
            name: self.name,
            profile: self.profile,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
        }
    }
}

impl ProfileStore {
    /// Makes a key. From the first one on, every client has to present one. Bound to a profile, it
    /// is served by that profile or not at all.
    ///
    /// # Errors
    /// [`KeyError::NameTaken`], [`StoreError::UnknownProfile`], and those of writing: nothing was
    /// changed.
    pub async fn create_key(
        &self,
        name: KeyName,
        profile: Option<ProfileName>,
    ) -> Result<ClientKey, KeyError> {
        let (disk, auditor) = (self.disk.clone(), self.auditor());
        let made = blocking(move || {
            let binding = profile
                .map(|profile| disk.binding_to(profile))
                .transpose()?;
            let key = match ClientKey::random() {
                Ok(key) => key,
                Err(error) => return Ok(Err(error)),
            };
            let stored = StoredKey::new(&name, binding, &key);
            let deed = Deed::new(Action::KeyCreated).with_key(name.as_str());
            let bound = stored.profile.as_deref();
            let begun = auditor.begin(bound.into_iter().fold(deed, Deed::with_profile));
            let mut added = false;
            State::update(&disk.home, |state| added = state.add_client_key(&stored))?;
            if added {
                begun.done();
            }
            Ok(added.then_some(key).ok_or(KeyError::NameTaken(name)))
        });
        let made = made.await?;
        self.notices.changed();
        made
    }

    /// The keys there are, in the order in which they were made.
    ///
    /// # Errors
    /// Those of reading `state.json`.
    pub async fn keys(&self) -> Result<Vec<KeyEntry>, StoreError> {
        let state = self.state().await?;
        let keys = state.client_keys().into_iter();
        Ok(keys.flatten().map(StoredKey::entry).collect())
    }

    /// Takes a key back, which counts at the next request, and says how many are left: without any,
    /// no client of this machine needs one.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], and those of writing.
    pub async fn revoke_key(&self, name: KeyName) -> Result<usize, KeyError> {
        let (home, auditor) = (self.home().clone(), self.auditor());
        let revoked = blocking(move || {
            let begun = auditor.begin(Deed::new(Action::KeyRevoked).with_key(name.as_str()));
            let mut removed = false;
            let state = State::update(&home, |state| removed = state.remove_client_key(&name))?;
            let left = state.client_keys().len();
            if removed {
                begun.done();
            }
            Ok(removed.then_some(left).ok_or(KeyError::Unknown(name)))
        });
        let left = revoked.await?;
        self.notices.changed();
        left
    }
}

impl Disk {
    fn binding_to(&self, profile: ProfileName) -> Result<Binding, StoreError> {
        match self.profile(&profile) {
            Ok(login) => Ok(Binding {
                identity: login.identity().fingerprint(),
                profile,
            }),
            Err(ReadError::Missing) => Err(StoreError::UnknownProfile(profile)),
            Err(error) => Err(StoreError::unusable(&self.home.auth_json_of(&profile))(
                error,
            )),
        }
    }
}

impl State {
    /// Whether every client has to present a key.
    #[must_use]
    pub fn requires_client_key(&self) -> bool {
        self.lost_client_keys()
            || self.has_unreadable_client_keys()
            || !self.raw_client_keys().is_empty()
    }

    /// Whether there were keys in settings that broke. Nobody is let in until one is made anew.
    #[must_use]
    pub fn lost_client_keys(&self) -> bool {
        self.fields.read("client_keys_lost").unwrap_or(false)
    }

    /// Whether something else than a list is in the place of the keys: there may have been some.
    fn has_unreadable_client_keys(&self) -> bool {
        let keys: Option<Box<RawValue>> = self.fields.read("client_keys");
        keys.is_some_and(|keys| serde_json::from_str::<Vec<&RawValue>>(keys.get()).is_err())
    }

    pub(crate) fn set_lost_client_keys(&mut self) {
        self.fields.set("client_keys_lost", &true);
    }

    /// Every key; `None` for one that cannot be understood, which lets nobody in.
    pub(crate) fn client_keys(&self) -> Vec<Option<StoredKey>> {
        let keys = self.raw_client_keys().into_iter();
        keys.map(|key| serde_json::from_str(key.get()).ok())
            .collect()
    }

    fn raw_client_keys(&self) -> Vec<Box<RawValue>> {
        self.fields.read("client_keys").unwrap_or_default()
    }

    fn add_client_key(&mut self, key: &StoredKey) -> bool {
        let is_taken = |known: &StoredKey| known.name == key.name;
        if self.client_keys().iter().flatten().any(is_taken) {
            return false;
        }
        let mut keys = self.raw_client_keys();
        keys.extend(to_raw_value(key).ok());
        self.fields.set("client_keys", &keys);
        self.fields.remove("client_keys_lost");
        true
    }

    fn remove_client_key(&mut self, name: &KeyName) -> bool {
        let keys = self.raw_client_keys();
        let before = keys.len();
        let keys: Vec<_> = keys
            .into_iter()
            .filter(|key| {
                let key: Option<StoredKey> = serde_json::from_str(key.get()).ok();
                key.is_none_or(|key| key.name != name.as_str())
            })
            .collect();
        let removed = keys.len() < before;
        if removed {
            self.fields.set("client_keys", &keys);
        }
        removed
    }

    /// Fields unknown to this version stay.
    fn change_client_keys(&mut self, mut change: impl FnMut(&StoredKey, &mut Object)) {
        let keys = self.raw_client_keys();
        // Nothing is written where there is no list, whatever is there.
        if keys.is_empty() {
            return;
        }
        let keys = keys.into_iter().map(|key| {
            let stored: Option<StoredKey> = serde_json::from_str(key.get()).ok();
            let fields: Option<Object> = serde_json::from_str(key.get()).ok();
            let (Some(stored), Some(mut fields)) = (stored, fields) else {
                return key;
            };
            change(&stored, &mut fields);
            to_raw_value(&fields).unwrap_or(key)
        });
        let keys: Vec<_> = keys.collect();
        self.fields.set("client_keys", &keys);
    }

    /// A key that was bound to a profile stays bound to it.
    pub(crate) fn rename_profile_of_keys(&mut self, from: &str, to: &str) {
        self.change_client_keys(|key, fields| {
            if key.profile.as_deref() == Some(from) {
                fields.set("profile", to);
            }
        });
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
