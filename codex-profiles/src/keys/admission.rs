use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use subtle::ConstantTimeEq as _;
use tracing::warn;

use super::{StoredKey, digest};
use crate::{
    error::StoreError,
    fs::{ReadError, read, stamp::Stamp},
    home::CodexHome,
    memory::lock,
    state::State,
    store::{ProfileStore, blocking},
};

/// Whether a client may use the router.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// No key has been made: no client of this machine needs one.
    Open,
    /// It presented a key.
    Known {
        /// What a person calls the key.
        name: Arc<str>,
        /// The one profile that may serve it, if the key is bound.
        profile: Option<Arc<str>>,
        /// Whose login that was when the key was made: the fingerprint of its identity. Under the
        /// same name there may be another one by now.
        identity: Option<Arc<str>>,
    },
    /// A key is required, and it presented none, or one that is not known.
    Refused,
}

/// The keys, as they were read.
#[derive(Debug, Default)]
struct Keys {
    is_required: bool,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    digest: Vec<u8>,
    name: Arc<str>,
    profile: Option<Arc<str>>,
    identity: Option<Arc<str>>,
}

/// The keys, for as long as `state.json` stays the same.
#[derive(Debug, Default)]
pub(crate) struct KeyCache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    keys: Option<(Stamp, Arc<Keys>)>,
    /// Whether a key was required when that was last known.
    was_required: bool,
}

impl ProfileStore {
    /// Whether a client that presents this key, or none, may use the router. A key that is made or
    /// revoked by whatever program counts at once; one `stat` tells.
    ///
    /// # Errors
    /// When `state.json` cannot be read: then nobody can say.
    pub async fn admit(&self, presented: Option<&str>) -> Result<Admission, StoreError> {
        let keys = if let Some(keys) = self.memory.keys.fresh(self.home()) {
            keys
        } else {
            let store = self.clone();
            blocking(move || store.memory.keys.read(store.home())).await?
        };
        let admission = keys.admit(presented);
        if let Admission::Known { name, .. } = &admission {
            self.note_key_use(name.clone());
        }
        Ok(admission)
    }
}

impl KeyCache {
    fn fresh(&self, home: &CodexHome) -> Option<Arc<Keys>> {
        let (known, keys) = lock(&self.0).keys.clone()?;
        (Stamp::of(&home.state_json()) == Some(known)).then_some(keys)
    }

    fn read(&self, home: &CodexHome) -> Result<Arc<Keys>, StoreError> {
        let read_at = SystemTime::now();
        let stamp = Stamp::of(&home.state_json());
        let loaded = Keys::load(home)?;
        let mut cached = lock(&self.0);
        // Settings that vanish or break are no word of their owner that the door be opened.
        let keys = Arc::new(loaded.unwrap_or_else(|lost| Keys {
            is_required: lost.had_keys || cached.was_required,
            known: Vec::new(),
        }));
        cached.was_required = keys.is_required;
        let settled = stamp.filter(|stamp| stamp.is_settled(read_at));
        cached.keys = settled.map(|stamp| (stamp, keys.clone()));
        Ok(keys)
    }
}

/// There are no settings to be understood.
struct Lost {
    /// Whether they say so much that there were keys.
    had_keys: bool,
}

impl Keys {
    fn load(home: &CodexHome) -> Result<Result<Self, Lost>, StoreError> {
        let path = home.state_json();
        match read::bytes(&path) {
            Ok(bytes) => Ok(State::parse(&bytes)
                .map(|state| Self::of(&state))
                .ok_or_else(|| Lost {
                    had_keys: State::mentions_client_keys(&bytes),
                })),
            Err(ReadError::Missing) => Ok(Err(Lost { had_keys: false })),
            Err(error) => Err(StoreError::unusable(&path)(error)),
        }
    }

    fn of(state: &State) -> Self {
        Self {
            is_required: state.requires_client_key(),
            known: state
                .client_keys()
                .into_iter()
                .filter_map(|key| Known::of(key?))
                .collect(),
        }
    }

    /// Looks at every key, whichever it is, so that the time taken says nothing.
    fn admit(&self, presented: Option<&str>) -> Admission {
        if !self.is_required {
            return Admission::Open;
        }
        let Some(presented) = presented.map(digest) else {
            return Admission::Refused;
        };
        let matching = |known: &&Known| bool::from(known.digest.as_slice().ct_eq(&presented));
        let mut found: Vec<&Known> = self.known.iter().filter(matching).collect();
        found
            .pop()
            .map_or(Admission::Refused, |known| Admission::Known {
                name: known.name.clone(),
                profile: known.profile.clone(),
                identity: known.identity.clone(),
            })
    }
}

impl Known {
    fn of(key: StoredKey) -> Option<Self> {
        let Some(digest) = unhex(&key.sha256) else {
            warn!(name = key.name, "a client key in state.json has no hash");
            return None;
        };
        Some(Self {
            digest,
            name: key.name.into(),
            profile: key.profile.map(Into::into),
            identity: key.identity.map(Into::into),
        })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes.filter(|bytes| bytes.len() == 32)
}
