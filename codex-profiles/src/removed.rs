//! Profiles that are no longer wanted: taken out of the list, brought back, deleted for good.
//!
//! A removed profile lies in a hidden folder of `profiles/`, `.removed-<name>-<time>`. It is a
//! login that nobody keeps alive: its refresh token ends some weeks after its last use.

use std::{fs, io, path::PathBuf};

use codex_auth::AuthDotJson;
use jiff::Timestamp;

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::atomic,
    profile::ProfileName,
    state::State,
    store::{ProfileStore, blocking},
};

/// What bringing a profile back did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// When it had been removed.
    pub removed_at: Option<Timestamp>,
    /// Whether its login was renewed from a newer copy, which was kept elsewhere meanwhile.
    pub renewed: bool,
    /// How many copies that were removed earlier under this name are still kept.
    pub older: usize,
}

impl ProfileStore {
    /// Takes a profile out of the list, together with its label. It is kept until
    /// [`purge`](Self::purge), and [`restore`](Self::restore) brings it back. Revokes nothing, and
    /// nobody keeps the login alive meanwhile. The answer of a refresh under way is not lost: it
    /// becomes a profile of its own, `unsaved-<n>`.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`], [`StoreError::IsCurrent`], and those of writing.
    pub async fn remove(&self, name: &ProfileName) -> Result<(), StoreError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || disk.remove(&disk.lock_profiles()?, &name)).await
    }

    /// Brings back what was last removed under this name, with its label. Where a newer copy of
    /// the same login was kept meanwhile, its tokens are taken over: the old ones may be spent.
    ///
    /// ```
    /// use codex_auth::{AuthDotJson, secret::ApiKey};
    /// use codex_profiles::{CodexHome, ProfileName, ProfileStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let store = ProfileStore::open(CodexHome::at(folder.path()))?;
    /// let work = ProfileName::parse("work")?;
    /// store.add(AuthDotJson::from_api_key(ApiKey::new("sk-example")), Some(work.clone())).await?;
    ///
    /// store.remove(&work).await?;
    /// assert!(store.list().await?.is_empty());
    /// store.restore(&work).await?;
    /// assert_eq!(store.list().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StoreError::NothingRemoved`], [`StoreError::NameTaken`], and those of writing.
    pub async fn restore(&self, name: &ProfileName) -> Result<Restored, StoreError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || disk.restore(&disk.lock_profiles()?, &name)).await
    }

    /// Deletes a profile for good, and whatever [`remove`](Self::remove) kept under its name. Says
    /// how many copies that were.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`] when there is neither, [`StoreError::IsCurrent`], and those
    /// of writing.
    pub async fn purge(&self, name: &ProfileName) -> Result<usize, StoreError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || disk.purge(&disk.lock_profiles()?, &name)).await
    }
}

/// A profile that was removed.
struct Removed {
    /// The hidden folder's name, under which its facts are kept too.
    mark: String,
    path: PathBuf,
    /// In nanoseconds since 1970.
    at: i128,
}

impl Disk {
    fn remove(&self, _lock: &ProfilesLock, name: &ProfileName) -> Result<(), StoreError> {
        let path = self.home.profile(name);
        if path.symlink_metadata().is_err() {
            return Err(StoreError::UnknownProfile(name.clone()));
        }
        if self.current()?.as_ref() == Some(name) {
            return Err(StoreError::IsCurrent(name.clone()));
        }
        let mark = removed_prefix(name) + &Timestamp::now().as_nanosecond().to_string();
        let hidden = self.home.profiles().join(&mark);
        atomic::rename_folder(&path, &hidden).map_err(StoreError::io(&path))?;
        // A profile that takes this name next is not to inherit the label.
        self.move_facts(name.as_str(), &mark)
    }

    fn restore(&self, lock: &ProfilesLock, name: &ProfileName) -> Result<Restored, StoreError> {
        let target = self.home.profile(name);
        if target.symlink_metadata().is_ok() {
            return Err(StoreError::NameTaken(name.clone()));
        }
        let mut kept = self.removed(name)?;
        let Some(latest) = kept.pop() else {
            return Err(StoreError::NothingRemoved(name.clone()));
        };
        atomic::rename_folder(&latest.path, &target).map_err(StoreError::io(&latest.path))?;
        self.move_facts(&latest.mark, name.as_str())?;
        Ok(Restored {
            removed_at: Timestamp::from_nanosecond(latest.at).ok(),
            renewed: self.renew_from_copies(lock, name)?,
            older: kept.len(),
        })
    }

    fn purge(&self, lock: &ProfilesLock, name: &ProfileName) -> Result<usize, StoreError> {
        match self.remove(lock, name) {
            Ok(()) | Err(StoreError::UnknownProfile(_)) => {}
            Err(error) => return Err(error),
        }
        let kept = self.removed(name)?;
        if kept.is_empty() {
            return Err(StoreError::UnknownProfile(name.clone()));
        }
        for removed in &kept {
            delete(removed)?;
        }
        let forget = |state: &mut State| {
            for removed in &kept {
                state.forget_profile(&removed.mark);
            }
        };
        State::update(&self.home, forget)?;
        Ok(kept.len())
    }

    /// What is kept under a name, the latest last.
    fn removed(&self, name: &ProfileName) -> Result<Vec<Removed>, StoreError> {
        let (profiles, prefix) = (self.home.profiles(), removed_prefix(name));
        let entries = match fs::read_dir(&profiles) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::io(&profiles))?,
        };
        let mut removed: Vec<Removed> = entries
            .flatten()
            .filter_map(|entry| Removed::parse(&entry, &prefix))
            .collect();
        removed.sort_by_key(|removed| removed.at);
        Ok(removed)
    }

    /// While it was away, its login may have gone on under another name, or in the live file.
    fn renew_from_copies(
        &self,
        lock: &ProfilesLock,
        name: &ProfileName,
    ) -> Result<bool, StoreError> {
        let Ok(own) = self.profile(name) else {
            return Ok(false);
        };
        let elsewhere = self.of_identity(&own.identity())?.into_iter();
        let copies = elsewhere.map(|(_, login)| login).chain(self.live());
        let mut renewed = false;
        for copy in copies {
            let copy: &AuthDotJson = &copy;
            renewed |= self.adopt_locked(lock, name, copy)?;
        }
        Ok(renewed)
    }

    fn move_facts(&self, from: &str, to: &str) -> Result<(), StoreError> {
        State::update(&self.home, |state| state.rename_profile(from, to)).map(drop)
    }
}

impl Removed {
    fn parse(entry: &fs::DirEntry, prefix: &str) -> Option<Self> {
        let mark = entry.file_name().into_string().ok()?;
        let time = mark.strip_prefix(prefix)?;
        // The rest of another, longer name is no time.
        let at = time
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| time.parse().ok())??;
        Some(Self {
            path: entry.path(),
            mark,
            at,
        })
    }
}

/// A symlink is deleted itself: what it leads to is not ours.
fn delete(removed: &Removed) -> Result<(), StoreError> {
    let path = &removed.path;
    let deleted = if path.is_symlink() {
        fs::remove_file(path)
    } else {
        fs::remove_dir_all(path)
    };
    deleted
        .and_then(|()| atomic::sync_folder_of(path))
        .map_err(StoreError::io(path))
}

/// Hidden, so never listed; the time of removal follows.
fn removed_prefix(name: &ProfileName) -> String {
    format!(".removed-{name}-")
}

#[cfg(test)]
mod tests;
