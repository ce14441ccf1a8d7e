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
    profile::ProfileName,
};

/// Readings by path, each trusted until the file's stamp changes.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    logins: Mutex<HashMap<PathBuf, Reading>>,
    current: Mutex<Option<CurrentReading>>,
    fallback: Mutex<Option<FallbackReading>>,
    pub(crate) keys: KeyCache,
    pub(crate) key_uses: KeyUses,
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

/// What `state.json` says of fallbacks; nothing, by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct FallbackReading {
    pub(crate) value: Option<Arc<Fallback>>,
    stamp: Option<Stamp>,
    settled: bool,
}

impl FallbackReading {
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

    /// What `state.json` said of fallbacks, if the file is still the same; one `stat`.
    pub(crate) fn fallback(&self, path: &Path) -> Option<FallbackReading> {
        let Ok(stamp) = stamp_of(path) else {
            return Some(FallbackReading::default());
        };
        let known = lock(&self.fallback).clone()?;
        (known.settled && known.stamp == stamp).then_some(known)
    }

    pub(crate) fn keep_fallback(&self, reading: FallbackReading) {
        *lock(&self.fallback) = Some(reading);
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
