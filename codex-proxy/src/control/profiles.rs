//! What can be done with profiles.

use codex_auth::{
    AuthDotJson, refresh::RefreshReason, secret::ApiKey, text::printable, usage::Usage,
};
use codex_profiles::{
    KeptSignIn, ProfileName, RemovedId, Restored, Saved, SignOutScope, StoreError, Switched,
    state::{MAX_LABEL_CHARS, State},
};

use super::{Change, Control, ControlError, Overview};
use crate::usage::UsageError;

/// No key is that long.
const MAX_KEY_BYTES: usize = 16 << 10;

/// What may be changed about how a profile is shown.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// Another name.
    pub name: Option<ProfileName>,
    /// What it is called.
    pub label: Change<String>,
    /// The colour it is shown in, such as `#3b82f6`.
    pub color: Change<String>,
}

impl Control {
    /// Looks at every file anew, and asks for the quota of every profile. What cannot be asked for
    /// stays as it was.
    ///
    /// # Errors
    /// A [`StoreError`] when `profiles/` itself cannot be read.
    pub async fn refresh(&self) -> Result<Overview, ControlError> {
        let store = &self.inner.store;
        if let Err(error) = store.reconcile().await {
            tracing::warn!(%error, "the live login could not be looked at");
        }
        if let Some(usage) = &self.inner.usage {
            usage.poll_all().await?;
        }
        self.changed();
        Ok(self.overview().await?)
    }

    /// Asks for the quota of a profile.
    ///
    /// # Errors
    /// [`ControlError::Usage`]: what was known before stays.
    pub async fn ask_usage(&self, name: &ProfileName) -> Result<Usage, ControlError> {
        let usage = self.inner.usage.as_ref();
        let usage = usage.ok_or(UsageError::NoQuota)?.poll_now(name).await?;
        self.changed();
        Ok(usage)
    }

    /// Makes a profile the current one. A login that Codex could not read yet is refreshed first,
    /// which makes it whole.
    ///
    /// # Errors
    /// A [`StoreError`], or that such a refresh did not work.
    pub async fn use_profile(&self, name: &ProfileName) -> Result<Switched, ControlError> {
        let store = &self.inner.store;
        let switched = match store.use_profile(name).await {
            Err(StoreError::CodexCannotRead(_)) => {
                store.refresh_profile(name, RefreshReason::Forced).await?;
                store.use_profile(name).await?
            }
            switched => switched?,
        };
        self.changed();
        Ok(switched)
    }

    /// Changes what a profile is called and how it is shown. Nothing is, where one of the values
    /// cannot be; once begun, all of it is done, whether or not anybody still waits.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`StoreError::UnknownProfile`], [`StoreError::NameTaken`],
    /// [`StoreError::OnlyRenamed`], and those of writing.
    pub async fn change(
        &self,
        profile: &ProfileName,
        change: ProfileChange,
    ) -> Result<(), ControlError> {
        let label = change.label.written().map(checked_label).transpose()?;
        let color = change.color.written().map(checked_color).transpose()?;
        let to = change.name.filter(|name| name != profile);
        let describe = move |state: &mut State, name: &ProfileName| {
            if let Some(label) = label {
                state.set_label(name.as_str(), label.as_deref());
            }
            if let Some(color) = color {
                state.set_color(name.as_str(), color.as_deref());
            }
        };
        let changed = self.inner.store.change(profile, to, describe).await;
        // A change in part is one, too.
        self.changed();
        Ok(changed?)
    }

    /// Gives a profile another name.
    ///
    /// # Errors
    /// As for [`change`](Self::change).
    pub async fn rename(&self, from: &ProfileName, to: ProfileName) -> Result<(), ControlError> {
        let change = ProfileChange {
            name: Some(to),
            ..ProfileChange::default()
        };
        self.change(from, change).await
    }

    /// Takes a profile out of the list; [`restore`](Self::restore) brings it back.
    ///
    /// # Errors
    /// Those of [`ProfileStore::remove`](codex_profiles::ProfileStore::remove).
    pub async fn remove(&self, name: &ProfileName) -> Result<(), ControlError> {
        self.inner.store.remove(name).await?;
        self.changed();
        Ok(())
    }

    /// Deletes a profile for good, and what was removed under its name. Says how many copies.
    ///
    /// # Errors
    /// Those of [`ProfileStore::purge`](codex_profiles::ProfileStore::purge).
    pub async fn purge(&self, name: &ProfileName) -> Result<usize, ControlError> {
        let copies = self.inner.store.purge(name).await?;
        self.changed();
        Ok(copies)
    }

    /// As [`purge`](Self::purge), for a profile that is in the list alone: what was only removed is
    /// no profile, and asked for by its own id.
    ///
    /// # Errors
    /// Those of [`ProfileStore::purge_listed`](codex_profiles::ProfileStore::purge_listed).
    pub async fn purge_listed(&self, name: &ProfileName) -> Result<usize, ControlError> {
        let copies = self.inner.store.purge_listed(name).await?;
        self.changed();
        Ok(copies)
    }

    /// Deletes for good one profile that was removed, whatever is called by its name now.
    ///
    /// # Errors
    /// Those of [`ProfileStore::purge_removed`](codex_profiles::ProfileStore::purge_removed).
    pub async fn purge_removed(&self, id: &RemovedId) -> Result<(), ControlError> {
        self.inner.store.purge_removed(id).await?;
        self.changed();
        Ok(())
    }

    /// Brings back what was last removed under this name.
    ///
    /// # Errors
    /// Those of [`ProfileStore::restore`](codex_profiles::ProfileStore::restore).
    pub async fn restore(&self, name: &ProfileName) -> Result<Restored, ControlError> {
        let restored = self.inner.store.restore(name).await?;
        self.changed();
        Ok(restored)
    }

    /// What would end with a sign-out.
    ///
    /// # Errors
    /// [`ControlError::SignOut`].
    pub async fn sign_out_scope(&self, name: &ProfileName) -> Result<SignOutScope, ControlError> {
        Ok(self.inner.store.sign_out_scope(name).await?)
    }

    /// **Ends** a profile's login at OpenAI, with every copy of it.
    ///
    /// # Errors
    /// [`ControlError::SignOut`].
    pub async fn sign_out(&self, name: &ProfileName) -> Result<SignOutScope, ControlError> {
        let ended = self.inner.store.sign_out(name).await;
        // A sign-out in part is a change, too.
        self.changed();
        Ok(ended?)
    }

    /// Makes a profile of the login that Codex uses, or brings the one that has it up to date.
    ///
    /// # Errors
    /// Those of [`ProfileStore::save`](codex_profiles::ProfileStore::save).
    pub async fn save_live(&self, name: Option<ProfileName>) -> Result<Saved, ControlError> {
        let saved = self.inner.store.save(name).await?;
        self.changed();
        Ok(saved)
    }

    /// Makes a profile of an API key. Nobody is asked whether it is good for anything.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for what is no key, and those of writing.
    pub async fn add_api_key(
        &self,
        key: &str,
        name: Option<ProfileName>,
    ) -> Result<KeptSignIn, ControlError> {
        let login = AuthDotJson::from_api_key(checked_key(key)?);
        let kept = self.inner.store.keep_sign_in(&login, name).await?;
        self.changed();
        Ok(kept)
    }
}

fn checked_label(label: Option<String>) -> Result<Option<String>, ControlError> {
    let label = label.map(|label| label.trim().to_owned());
    let label = label.filter(|label| !label.is_empty());
    if label
        .as_ref()
        .is_some_and(|label| printable(label, MAX_LABEL_CHARS) != *label)
    {
        let message = format!(
            "a label has at most {MAX_LABEL_CHARS} characters, and no control characters in it"
        );
        return Err(ControlError::invalid("label", message));
    }
    Ok(label)
}

fn checked_color(color: Option<String>) -> Result<Option<String>, ControlError> {
    let is_color = |text: &String| {
        let digits = text.strip_prefix('#').unwrap_or_default();
        digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match color {
        Some(color) if !is_color(&color) => Err(ControlError::invalid(
            "color",
            "a colour is written as #3b82f6",
        )),
        color => Ok(color.map(|color| color.to_ascii_lowercase())),
    }
}

fn checked_key(text: &str) -> Result<ApiKey, ControlError> {
    let key = text.trim();
    let is_key = !key.is_empty()
        && key.len() <= MAX_KEY_BYTES
        && !key.contains(|c: char| c.is_whitespace() || c.is_control());
    let wrong = || ControlError::invalid("key", "that is no API key: paste it as it is, alone");
    is_key.then(|| ApiKey::new(key)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::{fs, pin::pin, task::Context};

    use codex_profiles::{
        CodexHome, ProfileStore, State,
        audit::{Action, Actor},
    };

    use super::*;

    fn name(text: &str) -> ProfileName {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn what_the_tray_does_is_its_own_doing_and_what_the_page_asks_for_is_the_pages() {
        let folder = tempfile::tempdir().unwrap();
        let store = ProfileStore::open(CodexHome::at(folder.path())).unwrap();
        // As the program gives it to its tray, which calls it without a request around it.
        let control = Control::new(store.clone().acting_as(Actor::Tray));
        control
            .add_api_key("sk-x", Some(name("one")))
            .await
            .unwrap();
        control
            .add_api_key("sk-y", Some(name("two")))
            .await
            .unwrap();
        control.use_profile(&name("one")).await.unwrap();
        let two = name("two");
        let switch = Actor::Page.scope(control.use_profile(&two));
        switch.await.unwrap();
        let entries = store.audit_log().await.unwrap().entries;
        let told = entries.iter().skip(2).map(|it| (it.action, it.by));
        let told: Vec<_> = told.collect();
        assert_eq!(
            told,
            [(Action::Switch, Actor::Tray), (Action::Switch, Actor::Page)]
        );
    }

    fn everything() -> ProfileChange {
        ProfileChange {
            name: Some(name("new")),
            label: Change::Set("Label".to_owned()),
            color: Change::Set("#3b82f6".to_owned()),
        }
    }

    /// A router with the profile `old`.
    async fn control(folder: &tempfile::TempDir) -> Control {
        let control = Control::new(ProfileStore::open(CodexHome::at(folder.path())).unwrap());
        let added = control.add_api_key("sk-x", Some(name("old"))).await;
        assert_eq!(added.unwrap().name, name("old"));
        control
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_leaves_no_half_of_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let control = control(&folder).await;
        let mut changes = control.changes();
        let old = name("old");
        {
            let mut change = pin!(control.change(&old, everything()));
            let begun = change
                .as_mut()
                .poll(&mut Context::from_waker(std::task::Waker::noop()));
            assert!(begun.is_pending());
        }
        let facts = loop {
            let state = control.inner.store.state().await.unwrap();
            let facts = state.profile("new");
            if facts.label.is_some() {
                break facts;
            }
            let _ =
                tokio::time::timeout(std::time::Duration::from_millis(5), changes.changed()).await;
        };
        assert_eq!(facts.label.as_deref(), Some("Label"));
        assert_eq!(facts.color.as_deref(), Some("#3b82f6"));
    }

    #[tokio::test]
    async fn a_change_in_part_says_what_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let control = control(&folder).await;
        let state = folder.path().join("router/state.json");
        let in_the_way = move |_: &mut State, _: &ProfileName| {
            // Settings that cannot be written.
            let _ = fs::remove_file(&state);
            fs::create_dir(&state).unwrap();
        };
        let (old, new) = (name("old"), Some(name("new")));
        let changed = control.inner.store.change(&old, new, in_the_way).await;
        let text = changed.unwrap_err().to_string();
        assert!(text.contains("is named `new` now"), "{text}");
        assert!(folder.path().join("profiles/new").exists());
    }

    #[test]
    fn a_label_is_one_line_and_nothing_is_no_label() {
        let checked = |text: &str| checked_label(Some(text.to_owned()));
        assert_eq!(
            checked(" Work 工作 ").unwrap().as_deref(),
            Some("Work 工作")
        );
        assert_eq!(checked("  ").unwrap(), None);
        assert_eq!(checked_label(None).unwrap(), None);
        for wrong in ["a\nb", "a\u{1b}[31m", &"x".repeat(MAX_LABEL_CHARS + 1)] {
            assert!(checked(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_colour_is_six_digits_and_nothing_that_a_style_could_be_made_of() {
        let checked = |text: &str| checked_color(Some(text.to_owned()));
        assert_eq!(checked("#3B82F6").unwrap().as_deref(), Some("#3b82f6"));
        assert_eq!(checked_color(None).unwrap(), None);
        for wrong in ["", "red", "#fff", "#3b82f6;x", "3b82f6", "#３b82f"] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_one_word_and_no_error_quotes_it() {
        assert_eq!(checked_key(" sk-x\r\n").unwrap().expose(), "sk-x");
        for wrong in ["", " ", "sk-planted one", "sk-planted\u{0}"] {
            let error = checked_key(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("planted"));
        }
    }
}
