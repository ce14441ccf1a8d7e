use codex_auth::AuthDotJson;
use jiff::{SignedDuration, Timestamp};

use super::Entry;
use crate::{
    audit::{Action, Deed},
    disk::{Disk, ProfilesLock},
    error::StoreError,
    keep::{Age, Change, Kept},
    profile::{Place, ProfileName},
    save::Saved,
    state::State,
    store::{ProfileStore, blocking},
};

/// How far clocks differ. What is dated later than that is not believed.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(24);

/// What importing one login did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Where it is now.
    pub saved: Saved,
    /// Whether Codex itself can read it. If not, it serves through the router, and has to be
    /// refreshed once before it can be made Codex's own.
    pub codex_can_read: bool,
    /// Whether it holds a refresh token, and so has two owners from now on.
    pub has_refresh_token: bool,
}

impl ProfileStore {
    /// Saves a login of a file as a profile: the one of its identity, if there is one, is renewed
    /// where the import is newer, and never set back. Else it gets the entry's name, or one made
    /// from the address, with a number behind it where that is taken. Posts nothing.
    ///
    /// The dates in a file are the word of whoever wrote it. So the login that a profile held
    /// before is put away, where [`restore`](Self::restore) finds it, and counts as spent no more
    /// than it did.
    ///
    /// # Errors
    /// [`StoreError::Import`] when the entry is no login; [`StoreError::FromTheFuture`]; those of
    /// reading and writing.
    pub async fn import(&self, entry: Entry) -> Result<Imported, StoreError> {
        let (disk, auditor) = (self.disk.clone(), self.auditor());
        blocking(move || {
            let begun = auditor.begin(Deed::new(Action::Import));
            let imported = disk.import(&disk.lock_profiles()?, entry)?;
            begun.done_as(|deed| deed.with_profile(imported.saved.name.as_str()));
            Ok(imported)
        })
        .await
    }
}

impl Disk {
    fn import(&self, lock: &ProfilesLock, entry: Entry) -> Result<Imported, StoreError> {
        let login = self.with_id_token(entry.login.map_err(StoreError::Import)?)?;
        let wanted = entry.name.unwrap_or_else(|| self.default_name(&login));
        let kept = self.keep_import(lock, &login, &wanted)?;
        let created = kept.change == Change::Created;
        if created && let Some(label) = entry.label {
            let set = |state: &mut State| state.set_label(kept.name.as_str(), Some(&label));
            State::update(&self.home, set)?;
        }
        Ok(Imported {
            codex_can_read: login.codex_can_read(),
            has_refresh_token: login.refresh_token().is_some(),
            saved: Saved {
                name: kept.name,
                created,
                renewed: kept.change == Change::Renewed,
            },
        })
    }

    fn keep_import(
        &self,
        lock: &ProfilesLock,
        login: &AuthDotJson,
        wanted: &ProfileName,
    ) -> Result<Kept, StoreError> {
        let copies = self.of_identity(&login.identity())?;
        let of_age = |wanted: &[Age]| {
            let mut copies = copies.iter();
            copies.find(|(_, copy)| wanted.contains(&self.age(login, copy)))
        };
        let kept = |name: &ProfileName, change| Kept {
            name: name.clone(),
            change,
        };
        if let Some((name, _)) = of_age(&[Age::Same, Age::Older]) {
            return Ok(kept(name, Change::None));
        }
        self.refuse_the_future(login, copies.first().map(|(name, _)| name))?;
        if let Some((name, old)) = of_age(&[Age::Newer]) {
            self.put_away(lock, name, old)?;
            self.renew(lock, name, login, old)?;
            return Ok(kept(name, Change::Renewed));
        }
        self.keep(lock, login, Some(self.numbered_if_taken(wanted)))
    }

    /// A date that cannot be true would make the file win over every login of its identity, now and
    /// later, whatever it holds.
    fn refuse_the_future(
        &self,
        login: &AuthDotJson,
        held_by: Option<&ProfileName>,
    ) -> Result<(), StoreError> {
        let live = || {
            self.live()
                .is_ok_and(|it| it.identity() == login.identity())
        };
        let holder = match held_by {
            Some(name) => Place::Profile(name.clone()),
            None if live() => Place::Live,
            None => return Ok(()),
        };
        let latest = Timestamp::now() + CLOCKS_DIFFER;
        let dates = [login.access_token_issued_at(), login.last_refresh()];
        match dates.into_iter().flatten().find(|at| *at > latest) {
            Some(at) => Err(StoreError::FromTheFuture {
                at,
                holder: holder.reference(),
            }),
            None => Ok(()),
        }
    }

    /// A copy without an id token must not cost the profile the one it has: Codex could not read
    /// what is published from it.
    fn with_id_token(&self, mut login: AuthDotJson) -> Result<AuthDotJson, StoreError> {
        if login.codex_can_read() {
            return Ok(login);
        }
        let copies = self.of_identity(&login.identity())?.into_iter();
        let mut copies = copies.filter(|(_, copy)| copy.codex_can_read());
        if let Some((_, copy)) = copies.next() {
            login.carry_id_token_from(&copy);
        }
        Ok(login)
    }

    fn numbered_if_taken(&self, name: &ProfileName) -> ProfileName {
        let numbered = (2..).map(|n| name.numbered_within_limit(n));
        self.free_name(std::iter::once(name.clone()).chain(numbered))
    }
}

#[cfg(test)]
mod tests;
