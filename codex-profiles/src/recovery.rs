//! What an earlier run left half done is finished or undone, before anything else happens.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use codex_auth::AuthDotJson;
use tracing::{info, warn};

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::{
        ReadError, atomic,
        lock::{FileLock, LockError},
        read,
    },
    journal::RefreshJournal,
    profile::ProfileName,
};

/// No write takes this long.
const STRAY_AGE: Duration = Duration::from_mins(10);

impl Disk {
    /// Resolves every left-over. What cannot be resolved now stays as it is, and is met again by
    /// the next refresh or switch that it concerns.
    pub(crate) fn recover(&self) {
        if let Err(error) = self.recover_switch() {
            warn!(%error, "a switch that was cut short could not be resolved");
        }
        if let Err(error) = self.recover_rename() {
            warn!(%error, "a new name that was cut short could not be given");
        }
        if let Err(error) = self.recover_refreshes() {
            warn!(%error, "the refresh journal could not be read");
        }
        if let Err(error) = self.recover_stray_files() {
            warn!(%error, "files that a crash left behind could not be looked at");
        }
        if let Err(error) = self.recover_attachment() {
            warn!(%error, "what is remembered of an attachment could not be compared");
        }
        if let Err(error) = self.recover_begun_changes() {
            warn!(%error, "changes that were cut short could not be looked for");
        }
    }

    fn recover_switch(&self) -> Result<(), StoreError> {
        match self.switch_intent()? {
            Some(_) => self.settle_switch(&self.lock_profiles()?),
            None => Ok(()),
        }
    }

    fn recover_rename(&self) -> Result<(), StoreError> {
        match self.rename_intent()? {
            // Taking the lock settles it.
            Some(_) => self.lock_profiles().map(drop),
            None => Ok(()),
        }
    }

    fn recover_refreshes(&self) -> Result<(), StoreError> {
        for token in self.begun_refreshes()? {
            if let Err(error) = self.recover_refresh(&token) {
                warn!(%error, "a refresh that was cut short could not be resolved");
            }
        }
        Ok(())
    }

    fn recover_refresh(&self, token: &str) -> Result<(), StoreError> {
        let lock = self.home.refresh_lock(token);
        match FileLock::acquire(&lock, 0o600, Duration::ZERO) {
            Ok(_lock) => self.settle(&RefreshJournal::new(self, token)),
            // Not a left-over: another process is at it.
            Err(LockError::Busy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A program that dies between writing a temporary file and renaming it leaves that behind, and
    /// what is in it may be newer than anything else: Codex keeps no journal.
    fn recover_stray_files(&self) -> Result<(), StoreError> {
        for path in self.stray_files() {
            if let Ok(login) = read::login(&path)
                && !self.salvage(&login)?
            {
                continue;
            }
            info!(path = %path.display(), "a file that a crash left behind is removed");
            atomic::remove(&path).map_err(StoreError::io(&path))?;
        }
        Ok(())
    }

    /// Takes in a login that is newer than the copy there is of it. Says whether it is that of
    /// anybody known; else it may be all that is left of a sign-in, and is not for us to remove.
    fn salvage(&self, login: &AuthDotJson) -> Result<bool, StoreError> {
        let lock = self.lock_profiles()?;
        let copies = self.of_identity(&login.identity())?;
        let live = self
            .live()
            .is_ok_and(|live| live.identity() == login.identity());
        for (name, _) in &copies {
            if self.adopt_locked(&lock, name, login)? {
                info!(profile = %name, "a login that a crash left behind was taken in");
            }
        }
        drop(lock);
        self.publish_newer(login)?;
        Ok(live || !copies.is_empty())
    }

    pub(crate) fn stray_files(&self) -> Vec<PathBuf> {
        let profiles = self.names().unwrap_or_default();
        let folders = profiles.iter().map(|name| self.home.profile(name));
        let ours = [
            self.home.root().to_owned(),
            self.home.router(),
            self.home.journal(),
        ];
        folders
            .chain(ours)
            .filter_map(|folder| folder.read_dir().ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
            .filter(|path| is_stray(path))
            .collect()
    }

    /// A switch that had published its target is finished; one that had not is undone, by
    /// forgetting it: all it did before was to keep a copy of the live login. While the live login
    /// is in a keyring that does not open, nobody knows which it was.
    pub(crate) fn settle_switch(&self, _lock: &ProfilesLock) -> Result<(), StoreError> {
        let Some(intent) = self.switch_intent()? else {
            return Ok(());
        };
        if let Ok(target) = ProfileName::parse(&intent.to) {
            match self.is_published(&target) {
                Some(true) => {
                    self.set_current(&target)?;
                    info!(profile = %target, "a switch that was cut short is finished");
                }
                Some(false) => {}
                None => return Ok(()),
            }
        }
        self.end_switch()
    }

    pub(crate) fn is_published(&self, target: &ProfileName) -> Option<bool> {
        match (self.profile(target), self.live()) {
            (_, Err(ReadError::LiveUnknown(unknown))) if unknown.may_pass() => None,
            (Ok(target), Ok(live)) => Some(target.identity() == live.identity()),
            _ => Some(false),
        }
    }
}

/// Whether this is a temporary file, of ours or of Codex (wire reference 1.4), that nobody writes
/// any more.
fn is_stray(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let mark = name.and_then(|name| name.strip_prefix(atomic::TEMPORARY_PREFIX));
    let ours = mark.is_some_and(|mark| {
        mark.len() == 6 && mark.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let modified = path.symlink_metadata().and_then(|file| file.modified());
    let age = modified.ok().and_then(|at| at.elapsed().ok());
    ours && path.is_file() && age.is_some_and(|age| age > STRAY_AGE)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        time::{Duration, SystemTime},
    };

    use codex_auth::CredentialProvider as _;

    use crate::testing::{World, put, token};

    fn grow_old(path: &std::path::Path) {
        let then = SystemTime::now() - Duration::from_hours(1);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(then)
            .unwrap();
    }

    #[tokio::test]
    async fn tokens_that_codex_could_not_put_in_place_are_taken_in() {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        let newer = world.codex_posts(&old).await;
        let (stray, young) = (
            world.home.root().join(".auth-AbCd12"),
            world.home.root().join(".auth-EfGh34"),
        );
        put(&stray, &newer);
        grow_old(&stray);
        put(&young, &newer);

        let store = world.store();

        assert_eq!(token(&world.profile("work")), token(&newer));
        assert_eq!(token(&world.live()), token(&newer));
        assert!(!stray.exists() && young.exists());
        store
            .credentials(&codex_auth::RouteHint::default())
            .await
            .unwrap();
        assert_eq!(world.posts(), 1, "Codex's own");
    }

    #[tokio::test]
    async fn what_is_old_or_torn_is_removed_and_changes_nothing() {
        let world = World::new().await;
        let old = world.fake.auth_json(&world.ada());
        let newer = world.codex_posts(&old).await;
        world.put_profile("work", &newer);
        let strangers = world.fake.auth_json(&world.bob());
        let folder = world.home.profiles().join("work");
        for (n, content) in [old.to_string(), strangers.to_string(), "{\"tok".to_owned()]
            .iter()
            .enumerate()
        {
            let path = folder.join(format!(".auth-Stra{n}y"));
            crate::fs::atomic::write(&path, content.as_bytes()).unwrap();
            grow_old(&path);
        }
        put(&folder.join(".auth-work.json"), &old);
        grow_old(&folder.join(".auth-work.json"));
        drop(world.store());
        assert_eq!(world.profile("work"), newer);
        let left = |name: &str| folder.join(name).exists();
        assert!(!left(".auth-Stra0y") && !left(".auth-Stra2y"));
        assert!(
            left(".auth-Stra1y"),
            "all there may be of a sign-in is not removed"
        );
        assert!(left(".auth-work.json"), "a file of somebody's own");
        assert_eq!(world.home.profiles().read_dir().unwrap().count(), 1);
    }
}
