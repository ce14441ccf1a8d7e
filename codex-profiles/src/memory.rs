//! What was read, for as long as the files say that it still holds.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use codex_auth::AuthDotJson;

use crate::{
    fallback::Fallback,
    fs::{ReadError, read::Reading, stamp::Stamp},
    keys::{KeyCache, KeyUses},
    known::KnownLogins,
    model_rules::ModelRules,
    profile::ProfileName,
};

/// Readings by path, each trusted until the file's stamp changes.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    logins: Mutex<HashMap<PathBuf, Reading>>,
    current: Mutex<Option<CurrentReading>>,
    pub(crate) fallback: SettingMemory<Fallback>,
    pub(crate) model_rules: SettingMemory<ModelRules>,
    pub(crate) keys: KeyCache,
    pub(crate) key_uses: KeyUses,
    pub(crate) known: KnownLogins,
}

/// What `.current_profile` holds; nothing, by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct CurrentReading {
    pub(crate) name: Option<ProfileName>,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) settled: bool,
}

impl CurrentReading {
    /// To be begun before the file is read.
    pub(crate) fn begin(path: &Path) -> Self {
        let stamp = Stamp::of(path);
        let settled = stamp.is_some_and(|stamp| stamp.is_settled(SystemTime::now()));
        Self {
            name: None,
            stamp,
            settled,
        }
    }
}

/// What `state.json` says of one thing; nothing, by default.
#[derive(Debug)]
pub(crate) struct SettingReading<T> {
    pub(crate) value: Option<Arc<T>>,
    stamp: Option<Stamp>,
    settled: bool,
}

impl<T> SettingReading<T> {
    /// To be begun before the file is read.
    pub(crate) fn begin(path: &Path) -> Self {
        let stamp = Stamp::of(path);
        let settled = stamp.is_some_and(|stamp| stamp.is_settled(SystemTime::now()));
        Self {
            value: None,
            stamp,
            settled,
        }
    }
}

impl<T> Default for SettingReading<T> {
    fn default() -> Self {
        Self {
            value: None,
            stamp: None,
            settled: false,
        }
    }
}

impl<T> Clone for SettingReading<T> {
    fn clone(&self) -> Self {
        let (stamp, settled) = (self.stamp, self.settled);
        Self {
            value: self.value.clone(),
            stamp,
            settled,
        }
    }
}

/// What was read last of one thing in `state.json`.
#[derive(Debug)]
pub(crate) struct SettingMemory<T>(Mutex<Option<SettingReading<T>>>);

impl<T> SettingMemory<T> {
    /// What the file said, if it is still the same; one `stat`.
    pub(crate) fn known(&self, path: &Path) -> Option<SettingReading<T>> {
        let Ok(stamp) = stamp_of(path) else {
            return Some(SettingReading::default());
        };
        let known = lock(&self.0).clone()?;
        (known.settled && known.stamp == stamp).then_some(known)
    }

    pub(crate) fn keep(&self, reading: SettingReading<T>) {
        *lock(&self.0) = Some(reading);
    }
}

impl<T> Default for SettingMemory<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Memory {
    /// The login read from `path`, if the file is still the same; one `stat`.
    pub(crate) fn login(&self, path: &Path) -> Option<Result<Arc<AuthDotJson>, ReadError>> {
        let stamp = match stamp_of(path) {
            Ok(stamp) => stamp,
            Err(_absent) => return Some(Err(ReadError::Missing)),
        };
        let logins = lock(&self.logins);
        let known = logins.get(path)?;
        (known.settled && known.stamp == stamp).then(|| known.login.clone())
    }

    pub(crate) fn keep_login(&self, path: PathBuf, reading: Reading) {
        lock(&self.logins).insert(path, reading);
    }

    /// The name read from `.current_profile`, if the file is still the same; one `stat`.
    pub(crate) fn current(&self, path: &Path) -> Option<CurrentReading> {
        let Ok(stamp) = stamp_of(path) else {
            return Some(CurrentReading::default());
        };
        let known = lock(&self.current).clone()?;
        (known.settled && known.stamp == stamp).then_some(known)
    }

    pub(crate) fn keep_current(&self, reading: CurrentReading) {
        *lock(&self.current) = Some(reading);
    }
}

/// The stamp, `None` when the file may be there and cannot be looked at.
fn stamp_of(path: &Path) -> Result<Option<Stamp>, io::Error> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::from(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => Ok(None),
    }
}

/// Nothing panics while holding these, and what they hold is a cache.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
