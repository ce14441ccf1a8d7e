//! Profiles that are no longer wanted: taken out of the list, brought back, deleted for good.
//!
//! A removed profile lies in a hidden folder of `profiles/`, `.removed-<name>-<time>`. It is a
//! login that nobody keeps alive: its refresh token ends some weeks after its last use.

mod mark;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use codex_auth::AuthDotJson;
use jiff::Timestamp;

use crate::{
    audit::{Action, Deed},
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::{atomic, read},
    keep::in_place_of,
    profile::ProfileName,
    state::State,
    store::{ProfileStore, blocking},
};

pub use self::mark::RemovedId;
pub(crate) use self::mark::is_mark;
use self::mark::{new_mark, parse_mark, removed_prefix};

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
    /// Whether an import was taken back: what it had brought is put away in its turn.
    pub took_back_import: bool,
}

/// A profile that was removed and can be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedProfile {
    /// Which one it is, among all that were removed under its name or another.
    pub id: RemovedId,
    /// The name it had.
    pub name: ProfileName,
    /// What it was called.
    pub label: Option<String>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
}

impl ProfileStore {
    /// What [`restore`](Self::restore) can bring back, the latest first, each name once. A login
    /// that an import replaced is not among them as long as its profile is there.
    ///
    /// # Errors
    /// [`StoreError::Io`] when `profiles/` itself cannot be read.
    pub async fn removed(&self) -> Result<Vec<RemovedProfile>, StoreError> {
        let disk = self.disk.clone();
        blocking(move || disk.all_removed()).await
    }

    /// Takes a profile out of the list, together with its label. It is kept until
    /// [`purge`](Self::purge), and [`restore`](Self::restore) brings it back. Revokes nothing, and
    /// nobody keeps the login alive meanwhile. The answer of a refresh under way is not lost: it
    /// becomes a profile of its own, `unsaved-<n>`.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`]; [`StoreError::IsCurrent`], unless it is the only one, which
    /// leaves nothing chosen; and those of writing.
    pub async fn remove(&self, name: &ProfileName) -> Result<(), StoreError> {
        let (disk, auditor, name) = (self.disk.clone(), self.auditor(), name.clone());
        blocking(move || {
            let begun = auditor.begin(Deed::of(Action::Remove, &name));
            disk.remove(&disk.lock_profiles()?, &name)?;
            begun.done();
            Ok(())
        })
        .await
    }

    /// Brings back what was last removed under this name, with its label. Where a newer copy of
    /// the same login was kept meanwhile, its tokens are taken over: the old ones may be spent.
    ///
    /// Where an [import](Self::import) replaced the login of the profile, it gets back what it held,
    /// as it was; and what had been imported, if this is done once more.
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
        let (disk, auditor, name) = (self.disk.clone(), self.auditor(), name.clone());
        blocking(move || {
            let begun = auditor.begin(Deed::of(Action::Restore, &name));
            let restored = disk.restore(&disk.lock_profiles()?, &name)?;
            begun.done();
            Ok(restored)
        })
        .await
    }

    /// Deletes a profile for good, and whatever [`remove`](Self::remove) kept under its name. Says
    /// how many copies that were.
    ///
    /// # Errors
    /// [`StoreError::UnknownProfile`] when there is neither, [`StoreError::IsCurrent`],
    /// [`StoreError::MoreThanALogin`] before anything is deleted, and those of writing.
    pub async fn purge(&self, name: &ProfileName) -> Result<usize, StoreError> {
        self.purge_if(name, |_, _| true).await
    }

    /// The same, but only while there is a profile of this name: what was removed under it, alone,
    /// is deleted by [`purge_removed`](Self::purge_removed).
    ///
    /// # Errors
    /// As for [`purge`](Self::purge); [`StoreError::UnknownProfile`] when there is no profile.
    pub async fn purge_listed(&self, name: &ProfileName) -> Result<usize, StoreError> {
        let is_listed = |disk: &Disk, name: &ProfileName| {
            let folder = disk.home.profile(name);
            folder.symlink_metadata().is_ok()
        };
        self.purge_if(name, is_listed).await
    }

    async fn purge_if(
        &self,
        name: &ProfileName,
        is_meant: fn(&Disk, &ProfileName) -> bool,
    ) -> Result<usize, StoreError> {
        let (disk, auditor, name) = (self.disk.clone(), self.auditor(), name.clone());
        blocking(move || {
            let begun = auditor.begin(Deed::of(Action::Purge, &name));
            let lock = disk.lock_profiles()?;
            if !is_meant(&disk, &name) {
                return Err(StoreError::UnknownProfile(name));
            }
            let copies = disk.purge(&lock, &name)?;
            begun.done();
            Ok(copies)
        })
        .await
    }

    /// Deletes for good one profile that was removed, whatever is called by its name now.
    ///
    /// # Errors
    /// [`StoreError::NothingRemoved`] when it is not there, [`StoreError::MoreThanALogin`] before
    /// anything is deleted, and those of writing.
    pub async fn purge_removed(&self, id: &RemovedId) -> Result<(), StoreError> {
        let (disk, auditor, id) = (self.disk.clone(), self.auditor(), id.clone());
        blocking(move || {
            let deed = Deed::of(Action::Purge, &id.name).with_detail(PUT_AWAY);
            let begun = auditor.begin(deed);
            disk.purge_removed(&disk.lock_profiles()?, &id)?;
            begun.done();
            Ok(())
        })
        .await
    }
}

/// What an audit line says of a copy that was deleted, and not the profile of its name.
const PUT_AWAY: &str = "what was removed";

/// How the files begin that are ours to delete: a login and what was set aside of it, and the
/// temporary files that a power cut left.
const OURS: [&str; 2] = [AUTH_JSON, atomic::TEMPORARY_PREFIX];
const AUTH_JSON: &str = "auth.json";

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
        self.give_up_choice(name)?;
        let mark = new_mark(name);
        let hidden = self.home.profiles().join(&mark);
        atomic::rename_folder(&path, &hidden).map_err(StoreError::io(&path))?;
        // A profile that takes this name next is not to inherit the label.
        self.move_facts(name.as_str(), &mark)
    }

    fn restore(&self, lock: &ProfilesLock, name: &ProfileName) -> Result<Restored, StoreError> {
        self.clear_empty_folder(name);
        let is_taken = self.home.profile(name).symlink_metadata().is_ok();
        let mut kept = self.removed(name)?;
        let latest = kept.pop();
        let replaced = latest.as_ref().map(|latest| self.was_replaced(latest));
        let replaced = replaced.transpose()?.unwrap_or(false);
        match latest {
            Some(latest) if is_taken && replaced => self.take_back(lock, name, &latest, kept.len()),
            _ if is_taken => Err(StoreError::NameTaken(name.clone())),
            Some(latest) => self.bring_back(lock, name, &latest, kept.len()),
            None => Err(StoreError::NothingRemoved(name.clone())),
        }
    }

    fn bring_back(
        &self,
        lock: &ProfilesLock,
        name: &ProfileName,
        latest: &Removed,
        older: usize,
    ) -> Result<Restored, StoreError> {
        let target = self.home.profile(name);
        atomic::rename_folder(&latest.path, &target).map_err(StoreError::io(&latest.path))?;
        self.move_facts(&latest.mark, name.as_str())?;
        Ok(Restored {
            removed_at: Timestamp::from_nanosecond(latest.at).ok(),
            renewed: self.renew_from_copies(lock, name)?,
            older,
            took_back_import: false,
        })
    }

    /// Gives a profile the login that an import replaced, and Codex too if the import got that far.
    fn take_back(
        &self,
        lock: &ProfilesLock,
        name: &ProfileName,
        latest: &Removed,
        older: usize,
    ) -> Result<Restored, StoreError> {
        let path = latest.path.join(AUTH_JSON);
        let old = read::login(&path).map_err(StoreError::unusable(&path))?;
        let imported = self.profile(name).ok();
        if let Some(imported) = &imported {
            self.put_away(lock, name, imported)?;
        }
        self.write_profile(lock, name, &old)?;
        self.change_live(|live| {
            let live = live.as_ref().ok()?;
            let is_imported = imported.as_ref()?.holds_same_secrets(live);
            is_imported.then(|| in_place_of(live, &old))
        })?;
        delete(latest)?;
        State::update(&self.home, |state| state.forget_profile(&latest.mark))?;
        Ok(Restored {
            removed_at: Timestamp::from_nanosecond(latest.at).ok(),
            renewed: false,
            older,
            took_back_import: true,
        })
    }

    /// Keeps a profile's login as if it had been removed: an import is about to take its place.
    pub(crate) fn put_away(
        &self,
        _lock: &ProfilesLock,
        name: &ProfileName,
        login: &AuthDotJson,
    ) -> Result<(), StoreError> {
        let mark = new_mark(name);
        let path = self.home.profiles().join(&mark).join(AUTH_JSON);
        atomic::write(&path, &login.to_bytes()).map_err(StoreError::io(&path))?;
        State::update(&self.home, |state| state.set_replaced(&mark)).map(drop)
    }

    fn was_replaced(&self, removed: &Removed) -> Result<bool, StoreError> {
        Ok(State::load(&self.home)?.was_replaced(&removed.mark))
    }

    /// The current profile is removed only as the last one: nothing could be chosen in its place.
    fn give_up_choice(&self, name: &ProfileName) -> Result<(), StoreError> {
        if self.current()?.as_ref() != Some(name) {
            return Ok(());
        }
        let is_other = |other: &ProfileName| other != name && self.is_taken(other);
        if self.names()?.iter().any(is_other) {
            return Err(StoreError::IsCurrent(name.clone()));
        }
        let path = self.home.current_profile();
        atomic::remove(&path).map_err(StoreError::io(&path))
    }

    fn purge(&self, lock: &ProfilesLock, name: &ProfileName) -> Result<usize, StoreError> {
        refuse_foreign_files(&self.home.profile(name))?;
        for removed in self.removed(name)? {
            refuse_foreign_files(&removed.path)?;
        }
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

    fn purge_removed(&self, _lock: &ProfilesLock, id: &RemovedId) -> Result<(), StoreError> {
        let kept = self.removed(&id.name)?;
        let Some(removed) = kept.iter().find(|removed| removed.mark == id.mark) else {
            return Err(StoreError::NothingRemoved(id.name.clone()));
        };
        refuse_foreign_files(&removed.path)?;
        delete(removed)?;
        State::update(&self.home, |state| state.forget_profile(&removed.mark)).map(drop)
    }

    /// A program that died when the folder was out of the list had not put its facts away.
    pub(crate) fn finish_removal(&self, name: &ProfileName) -> Result<(), StoreError> {
        let _lock = self.lock_profiles()?;
        match self.removed(name)?.pop() {
            Some(latest) if !self.is_taken(name) => self.move_facts(name.as_str(), &latest.mark),
            _ => Ok(()),
        }
    }

    /// Whether anything is kept under a name.
    pub(crate) fn is_any_removed(&self, name: &ProfileName) -> bool {
        self.removed(name).is_ok_and(|kept| !kept.is_empty())
    }

    fn all_removed(&self) -> Result<Vec<RemovedProfile>, StoreError> {
        let state = State::load(&self.home)?;
        let mut latest: BTreeMap<ProfileName, (i128, String)> = BTreeMap::new();
        for (name, at, mark) in self.removed_marks()? {
            let kept = latest.entry(name).or_insert((at, mark.clone()));
            *kept = kept.clone().max((at, mark));
        }
        let mut latest: Vec<_> = latest.into_iter().collect();
        latest.retain(|(name, (_, mark))| !(state.was_replaced(mark) && self.is_taken(name)));
        latest.sort_by_key(|(_, (at, _))| std::cmp::Reverse(*at));
        Ok(latest
            .into_iter()
            .map(|(name, (at, mark))| RemovedProfile {
                label: state.profile(&mark).label,
                removed_at: Timestamp::from_nanosecond(at).ok(),
                id: RemovedId {
                    name: name.clone(),
                    mark,
                },
                name,
            })
            .collect())
    }

    /// Every hidden folder of ours: whose it was, since when, and its name.
    fn removed_marks(&self) -> Result<Vec<(ProfileName, i128, String)>, StoreError> {
        let profiles = self.home.profiles();
        let entries = match fs::read_dir(&profiles) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::io(&profiles))?,
        };
        Ok(entries
            .flatten()
            .filter_map(|entry| {
                let mark = entry.file_name().into_string().ok()?;
                let (name, at) = parse_mark(&mark)?;
                Some((name, at, mark))
            })
            .collect())
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
    let deleted = || {
        if path.is_symlink() || path.is_file() {
            return fs::remove_file(path);
        }
        for entry in fs::read_dir(path)?.flatten() {
            if is_ours(&entry) {
                fs::remove_file(entry.path())?;
            }
        }
        fs::remove_dir(path)
    };
    deleted()
        .and_then(|()| atomic::sync_folder_of(path))
        .map_err(StoreError::io(path))
}

/// What is not ours may be precious, and nobody was asked about it.
fn refuse_foreign_files(folder: &Path) -> Result<(), StoreError> {
    if !folder.is_dir() || folder.is_symlink() {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(StoreError::io(folder))?;
    match entries.flatten().find(|entry| !is_ours(entry)) {
        Some(foreign) => Err(StoreError::MoreThanALogin {
            path: folder.to_owned(),
            name: foreign.file_name().to_string_lossy().into_owned(),
        }),
        None => Ok(()),
    }
}

fn is_ours(entry: &fs::DirEntry) -> bool {
    let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
    let name = entry.file_name();
    is_file
        && OURS
            .iter()
            .any(|ours| name.to_string_lossy().starts_with(ours))
}

#[cfg(test)]
mod tests;
