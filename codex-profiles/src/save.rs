//! New profiles, new names and labels.

use codex_auth::{AuthDotJson, AuthJsonError, AuthMode};

use crate::{
    audit::{Action, Deed},
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::ReadError,
    import::Envelope,
    keep::Change,
    profile::{Place, ProfileName},
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
        let (disk, auditor) = (self.disk.clone(), self.auditor());
        blocking(move || {
            let begun = auditor.begin(Deed::new(Action::Save));
            let lock = disk.lock_profiles()?;
            let login = disk.live_to_save()?;
            let saved = disk.save(&lock, &login, name)?;
            begun.done_as(|deed| deed.with_profile(saved.name.as_str()));
            Ok(saved)
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
        let (disk, auditor) = (self.disk.clone(), self.auditor());
        blocking(move || {
            let begun = auditor.begin(Deed::new(Action::Login));
            let saved = disk.save(&disk.lock_profiles()?, &login, name)?;
            begun.done_as(|deed| deed.with_profile(saved.name.as_str()));
            Ok(saved)
        })
        .await
    }

    /// Gives a profile another name.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`], [`StoreError::NameTaken`], and those of writing.
    pub async fn rename(&self, from: &ProfileName, to: &ProfileName) -> Result<(), StoreError> {
        let (disk, auditor) = (self.disk.clone(), self.auditor());
        let (from, to) = (from.clone(), to.clone());
        blocking(move || {
            let begun = auditor.begin(Deed::of(Action::Rename, &from).to(&to));
            disk.rename(&from, &to)?;
            begun.done();
            Ok(())
        })
        .await
    }

    /// A profile's login together with what it is called, for taking it elsewhere.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`], [`StoreError::Unusable`].
    pub async fn envelope(&self, name: &ProfileName) -> Result<Envelope, StoreError> {
        let label = self.state().await?.profile(name.as_str()).label;
        let login = self.login_at(&Place::Profile(name.clone())).await?;
        let path = self.home().auth_json_of(name);
        let login = login.map_err(|error| match error {
            ReadError::Missing => StoreError::UnknownProfile(name.clone()),
            error => StoreError::unusable(&path)(error),
        })?;
        let (auditor, exported) = (self.auditor(), Deed::of(Action::Export, name));
        auditor.note_aside(exported).await;
        Ok(Envelope::new(name, label, AuthDotJson::clone(&login)))
    }

    /// Gives a profile another name, if one is given, and changes how it is shown: `describe` is
    /// called with the name that it has then.
    ///
    /// # Errors
    /// Those of [`rename`](Self::rename); [`StoreError::OnlyRenamed`] when it has its new name,
    /// and nothing else of it was changed.
    ///
    /// # Cancellation
    /// All of it is done whether or not anybody still waits.
    pub async fn change(
        &self,
        name: &ProfileName,
        to: Option<ProfileName>,
        describe: impl FnOnce(&mut State, &ProfileName) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (disk, auditor, name) = (self.disk.clone(), self.auditor(), name.clone());
        blocking(move || {
            let deed = match &to {
                Some(to) => Deed::of(Action::Rename, &name).to(to),
                None => Deed::of(Action::Describe, &name),
            };
            let begun = auditor.begin(deed);
            let changed = disk.change(&name, to, describe);
            if matches!(changed, Ok(()) | Err(StoreError::OnlyRenamed { .. })) {
                begun.done();
            }
            changed
        })
        .await
    }

    /// Sets what a person calls a profile, or takes it back: for display alone, never a path.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`], and those of writing.
    pub async fn label(&self, name: &ProfileName, label: Option<String>) -> Result<(), StoreError> {
        let (disk, auditor, name) = (self.disk.clone(), self.auditor(), name.clone());
        blocking(move || {
            let begun = auditor.begin(Deed::of(Action::Describe, &name));
            disk.describe(&name, |state| {
                state.set_label(name.as_str(), label.as_deref());
            })?;
            begun.done();
            Ok(())
        })
        .await
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

    pub(crate) fn default_name(&self, login: &AuthDotJson) -> ProfileName {
        let email = login.display_claims().email;
        let name = match (&email, login.mode()) {
            (Some(email), _) => ProfileName::suggest(email.as_str()),
            (None, AuthMode::ApiKey) => ProfileName::suggest("api-key"),
            (None, _) => ProfileName::suggest("profile"),
        };
        let numbered = (2..).map(|n| name.numbered(n));
        self.free_name(std::iter::once(name.clone()).chain(numbered))
    }

    fn change(
        &self,
        name: &ProfileName,
        to: Option<ProfileName>,
        describe: impl FnOnce(&mut State, &ProfileName),
    ) -> Result<(), StoreError> {
        let Some(to) = to else {
            return self.describe(name, |state| describe(state, name));
        };
        self.rename(name, &to)?;
        let described = self.describe(&to, |state| describe(state, &to));
        described.map_err(|error| StoreError::OnlyRenamed {
            to,
            source: Box::new(error),
        })
    }

    fn describe(
        &self,
        name: &ProfileName,
        change: impl FnOnce(&mut State),
    ) -> Result<(), StoreError> {
        let _lock = self.lock_profiles()?;
        if !self.is_taken(name) {
            return Err(StoreError::UnknownProfile(name.clone()));
        }
        State::update(&self.home, change).map(drop)
    }
}

#[cfg(test)]
mod tests;
