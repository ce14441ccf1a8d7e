//! New profiles, new names, and profiles that are no longer wanted.

use std::{fs, io};

use codex_auth::{AuthDotJson, AuthJsonError, AuthMode};
use jiff::Timestamp;

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::{ReadError, atomic},
    keep::Change,
    profile::ProfileName,
    state::State,
    store::{ProfileStore, blocking},
};

/// What saving a login did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved {
    /// The profile that holds the login: not the one asked for, if its identity had one already.
    pub name: ProfileName,
    /// Whether the profile is new.
    pub created: bool,
    /// Whether an existing profile was brought up to date.
    pub renewed: bool,
}

impl ProfileStore {
    /// Saves the live login as a profile. Without a name it is named after the e-mail address's
    /// first part. A profile that holds the same identity is brought up to date instead, whatever
    /// it is called.
    ///
    /// # Errors
    /// [`StoreError::NotLoggedIn`]; [`StoreError::OtherIdentity`] when the name is taken by
    /// somebody else's login; and those of reading and writing.
    pub async fn save(&self, name: Option<ProfileName>) -> Result<Saved, StoreError> {
        let disk = self.disk.clone();
        blocking(move || {
            let lock = disk.lock_profiles()?;
            let login = disk.live_to_save()?;
            disk.save(&lock, &login, name)
        })
        .await
    }

    /// Saves a login that came from elsewhere, such as a sign-in of our own, by the rules of
    /// [`save`](Self::save).
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub async fn add(
        &self,
        login: AuthDotJson,
        name: Option<ProfileName>,
    ) -> Result<Saved, StoreError> {
        let disk = self.disk.clone();
        blocking(move || disk.save(&disk.lock_profiles()?, &login, name)).await
    }

    /// Gives a profile another name.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`], [`StoreError::NameTaken`], and those of writing.
    pub async fn rename(&self, from: &ProfileName, to: &ProfileName) -> Result<(), StoreError> {
        let (disk, from, to) = (self.disk.clone(), from.clone(), to.clone());
        blocking(move || disk.rename(&from, &to)).await
    }

    /// Takes a profile out of the list. It stays in a hidden folder of `profiles/` until
    /// [`purge`](Self::purge); moving it back by hand restores it. Revokes nothing.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`], [`StoreError::IsCurrent`], and those of writing.
    pub async fn remove(&self, name: &ProfileName) -> Result<(), StoreError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || disk.remove(&name)).await
    }

    /// Deletes for good what [`remove`](Self::remove) kept under this name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub async fn purge(&self, name: &ProfileName) -> Result<(), StoreError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || disk.purge(&name)).await
    }
}

impl Disk {
    fn live_to_save(&self) -> Result<std::sync::Arc<AuthDotJson>, StoreError> {
        let path = self.live_label();
        self.live().map_err(|error| match error {
            ReadError::LiveUnknown(unknown) => StoreError::LiveUnknown(unknown),
            ReadError::Missing | ReadError::Content(AuthJsonError::NoLogin) => {
                StoreError::NotLoggedIn { looked_at: path }
            }
            error => StoreError::unusable(&path)(error),
        })
    }

    fn save(
        &self,
        lock: &ProfilesLock,
        login: &AuthDotJson,
        name: Option<ProfileName>,
    ) -> Result<Saved, StoreError> {
        if let Some(name) = name.as_ref().filter(|name| self.is_taken(name))
            && let Some(saved) = self.save_over(lock, login, name)?
        {
            return Ok(saved);
        }
        let name = name.unwrap_or_else(|| self.default_name(login));
        let kept = self.keep(lock, login, Some(name))?;
        Ok(Saved {
            name: kept.name,
            created: kept.change == Change::Created,
            renewed: kept.change == Change::Renewed,
        })
    }

    /// Renews the profile of this name if it holds the same identity and an older copy.
    fn save_over(
        &self,
        lock: &ProfilesLock,
        login: &AuthDotJson,
        name: &ProfileName,
    ) -> Result<Option<Saved>, StoreError> {
        let own = self.profile(name);
        let own = own.map_err(StoreError::unusable(&self.home.auth_json_of(name)))?;
        if own.identity() != login.identity() {
            return Err(StoreError::OtherIdentity(name.clone()));
        }
        let renewed = self.adopt_locked(lock, name, login)?;
        Ok(renewed.then(|| Saved {
            name: name.clone(),
            created: false,
            renewed,
        }))
    }

    fn default_name(&self, login: &AuthDotJson) -> ProfileName {
        let email = login.display_claims().email;
        let name = match (&email, login.mode()) {
            (Some(email), _) => ProfileName::suggest(email.as_str()),
            (None, AuthMode::ApiKey) => ProfileName::suggest("api-key"),
            (None, _) => ProfileName::suggest("profile"),
        };
        let numbered = (2..).map(|n| name.numbered(n));
        self.free_name(std::iter::once(name.clone()).chain(numbered))
    }

    fn rename(&self, from: &ProfileName, to: &ProfileName) -> Result<(), StoreError> {
        let _lock = self.lock_profiles()?;
        let path = self.home.profile(from);
        if !self.is_taken(from) {
            return Err(StoreError::UnknownProfile(from.clone()));
        }
        let target = self.home.profile(to);
        if target.symlink_metadata().is_ok() {
            return Err(StoreError::NameTaken(to.clone()));
        }
        let is_current = self.current()?.as_ref() == Some(from);
        atomic::rename_folder(&path, &target).map_err(StoreError::io(&path))?;
        if is_current {
            self.set_current(to)?;
        }
        State::update(&self.home, |state| {
            state.rename_profile(from.as_str(), to.as_str());
        })
        .map(drop)
    }

    fn remove(&self, name: &ProfileName) -> Result<(), StoreError> {
        let _lock = self.lock_profiles()?;
        let path = self.home.profile(name);
        if path.symlink_metadata().is_err() {
            return Err(StoreError::UnknownProfile(name.clone()));
        }
        if self.current()?.as_ref() == Some(name) {
            return Err(StoreError::IsCurrent(name.clone()));
        }
        let mark = removed_prefix(name) + &Timestamp::now().as_nanosecond().to_string();
        let hidden = self.home.profiles().join(mark);
        atomic::rename_folder(&path, &hidden).map_err(StoreError::io(&path))
    }

    fn purge(&self, name: &ProfileName) -> Result<(), StoreError> {
        let _lock = self.lock_profiles()?;
        let (profiles, prefix) = (self.home.profiles(), removed_prefix(name));
        let entries = match fs::read_dir(&profiles) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(StoreError::io(&profiles))?,
        };
        for entry in entries.flatten() {
            let file_name = entry.file_name();
            let time = file_name
                .to_str()
                .and_then(|text| text.strip_prefix(&prefix));
            if time.is_some_and(|time| time.bytes().all(|byte| byte.is_ascii_digit())) {
                fs::remove_dir_all(entry.path()).map_err(StoreError::io(&entry.path()))?;
            }
        }
        Ok(())
    }
}

/// Hidden, so never listed; the time of removal follows.
fn removed_prefix(name: &ProfileName) -> String {
    format!(".removed-{name}-")
}

#[cfg(test)]
mod tests;
