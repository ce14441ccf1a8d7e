//! The tokens that are spent, so that no copy of one, wherever it comes back from, is posted again
//! or taken for the newer login.
//!
//! A copy of `auth.json` made by hand, a backup, or a Codex that writes what it had in memory may
//! bring a spent token back under a younger date. Posting it would make the issuer revoke the
//! whole family (RFC 9700, section 4.14).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use codex_auth::{AuthDotJson, refresh::RefreshReason, secret::RefreshToken};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    disk::Disk,
    error::StoreError,
    fs::{ReadError, atomic, lock::FileLock, read, stamp::Stamp},
    home::CodexHome,
    memory::lock,
};

/// Ten profiles that rotate once a week fill this in two years.
const MAX_ENTRIES: usize = 1024;
/// A login and the note about it are written within this time.
const SAME_MOMENT: SignedDuration = SignedDuration::from_mins(1);
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// The spent tokens of one home, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Spent>,
    tokens: HashSet<String>,
}

/// A token that was spent, by its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    token: String,
    /// The token that came for it, if any did.
    next: Option<String>,
    at: Timestamp,
    reason: Option<RefreshReason>,
}

/// The ledger as it was read, for as long as its file stays the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct LedgerCache(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    ledger: Arc<Ledger>,
}

#[derive(Serialize, Deserialize)]
struct LedgerFile {
    version: u32,
    spent: Vec<Spent>,
}

impl Spent {
    pub(crate) fn new(
        token: &str,
        successor: Option<&AuthDotJson>,
        reason: Option<RefreshReason>,
    ) -> Self {
        let next = successor.and_then(AuthDotJson::refresh_token);
        Self {
            token: token.to_owned(),
            next: next.map(RefreshToken::fingerprint),
            at: Timestamp::now(),
            reason,
        }
    }

    /// None for an entry that lies in the future: the clock was set back since.
    fn age(&self) -> Option<SignedDuration> {
        let age = Timestamp::now().duration_since(self.at);
        (!age.is_negative()).then_some(age)
    }
}

impl Ledger {
    /// Whether a token, by its fingerprint, is spent.
    pub(crate) fn holds(&self, token: &str) -> bool {
        self.tokens.contains(token)
    }

    /// Whether the token of a login is spent.
    pub(crate) fn is_spent(&self, login: &AuthDotJson) -> bool {
        !self.tokens.is_empty()
            && login
                .refresh_token()
                .is_some_and(|token| self.holds(&token.fingerprint()))
    }

    /// Whether the token of a login is one that we have seen follow another.
    pub(crate) fn is_known(&self, login: &AuthDotJson) -> bool {
        let token = login.refresh_token().map(RefreshToken::fingerprint);
        token.is_some_and(|token| self.origin_of(&token).is_some())
    }

    /// Whether this token came for another one within `interval`, because of a 401.
    pub(crate) fn has_just_recovered(&self, token: &str, interval: SignedDuration) -> bool {
        self.origin_of(token).is_some_and(|spent| {
            spent.reason == Some(RefreshReason::UnauthorizedRecovery)
                && spent.age().is_some_and(|age| age < interval)
        })
    }

    /// How long ago all of a login came for another token, by our clock; `None` where only its
    /// refresh token did, or nothing is known.
    pub(crate) fn age_of(&self, login: &AuthDotJson) -> Option<SignedDuration> {
        let token = login.refresh_token().map(RefreshToken::fingerprint)?;
        let origin = self.origin_of(&token)?;
        let apart = origin.at.duration_since(login.last_refresh()?).abs();
        origin.age().filter(|_| apart < SAME_MOMENT)
    }

    /// The last token that followed this one, if it is spent and any did.
    pub(crate) fn last_after(&self, token: &str) -> Option<String> {
        let mut last = token;
        // No longer than the ledger, in case that it was made to go in a circle.
        for _ in 0..self.entries.len() {
            let mut entries = self.entries.iter().rev();
            let next = entries.find(|spent| spent.token == last);
            match next.and_then(|spent| spent.next.as_deref()) {
                Some(next) => last = next,
                None => break,
            }
        }
        (last != token).then(|| last.to_owned())
    }

    fn origin_of(&self, token: &str) -> Option<&Spent> {
        let mut origins = self.entries.iter().rev();
        origins.find(|spent| spent.next.as_deref() == Some(token))
    }

    fn of(entries: Vec<Spent>) -> Self {
        let tokens = entries.iter().map(|spent| spent.token.clone()).collect();
        Self { entries, tokens }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let file: LedgerFile = serde_json::from_slice(bytes).ok()?;
        Some(Self::of(file.spent))
    }

    fn load(home: &CodexHome) -> Result<Self, StoreError> {
        let path = home.spent_tokens();
        match read::bytes(&path) {
            // A broken one counts as empty, and is set aside by whoever writes the next.
            Ok(bytes) => Ok(Self::parse(&bytes).unwrap_or_default()),
            Err(ReadError::Missing | ReadError::Content(_)) => Ok(Self::default()),
            Err(error) => Err(StoreError::unusable(&path)(error)),
        }
    }

    fn with(&self, spent: Spent) -> LedgerFile {
        let skipped = (self.entries.len() + 1).saturating_sub(MAX_ENTRIES);
        let mut entries: Vec<Spent> = self.entries[skipped..].to_vec();
        entries.push(spent);
        LedgerFile {
            version: 1,
            spent: entries,
        }
    }
}

impl Disk {
    /// The ledger as it is now; a file is read only when it has changed.
    pub(crate) fn ledger(&self) -> Result<Arc<Ledger>, StoreError> {
        let read_at = SystemTime::now();
        let stamp = Stamp::of(&self.home.spent_tokens());
        if let (Some(stamp), Some(known)) = (stamp, &*lock(&self.ledger_cache.0))
            && known.stamp == stamp
        {
            return Ok(known.ledger.clone());
        }
        let ledger = Arc::new(Ledger::load(&self.home)?);
        let settled = stamp.filter(|stamp| stamp.is_settled(read_at));
        *lock(&self.ledger_cache.0) = settled.map(|stamp| Known {
            stamp,
            ledger: ledger.clone(),
        });
        Ok(ledger)
    }

    /// Notes, for good, that a token is spent.
    pub(crate) fn record_spent(&self, spent: Spent) -> Result<(), StoreError> {
        let _lock = FileLock::acquire(&self.home.spent_lock(), 0o600, LOCK_LIMIT)?;
        let ledger = self.ledger()?;
        if ledger.holds(&spent.token) {
            return Ok(());
        }
        let path = self.home.spent_tokens();
        if ledger.entries.is_empty() && path.symlink_metadata().is_ok() {
            set_aside(&self.home)?;
        }
        let bytes = serde_json::to_vec(&ledger.with(spent)).map_err(|error| StoreError::Io {
            path: path.clone(),
            source: error.into(),
        })?;
        atomic::write(&path, &bytes).map_err(StoreError::io(&path))
    }
}

/// What cannot be understood is kept for whoever can. Only under the ledger's lock.
fn set_aside(home: &CodexHome) -> Result<(), StoreError> {
    let path = home.spent_tokens();
    let mark = format!("broken-{}", Timestamp::now().as_nanosecond());
    let aside = atomic::set_aside(&path, &mark).map_err(StoreError::io(&path))?;
    tracing::warn!(aside = %aside.display(), "a broken ledger of spent tokens was set aside");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, Disk) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(CodexHome::at(folder.path()));
        (folder, disk)
    }

    fn spent(token: &str) -> Spent {
        Spent::new(token, None, None)
    }

    #[test]
    fn what_was_recorded_is_known_to_every_process() {
        let (_folder, disk) = disk();
        assert!(!disk.ledger().unwrap().holds("a"));
        disk.record_spent(spent("a")).unwrap();
        disk.record_spent(spent("a")).unwrap();
        disk.record_spent(spent("b")).unwrap();
        for disk in [disk.clone(), Disk::new(disk.home.clone())] {
            let ledger = disk.ledger().unwrap();
            assert!(ledger.holds("a") && ledger.holds("b") && !ledger.holds("c"));
            assert_eq!(ledger.entries.len(), 2);
        }
    }

    #[test]
    fn only_the_latest_are_kept() {
        let entries = (0..MAX_ENTRIES).map(|n| spent(&n.to_string())).collect();
        let file = Ledger::of(entries).with(spent("new"));
        assert_eq!(file.spent.len(), MAX_ENTRIES);
        assert_eq!(file.spent[0].token, "1");
        assert_eq!(file.spent[MAX_ENTRIES - 1].token, "new");
    }

    #[test]
    fn a_broken_ledger_is_set_aside_and_not_lost() {
        let (_folder, disk) = disk();
        atomic::write(&disk.home.spent_tokens(), b"{\"spent\": torn").unwrap();
        disk.record_spent(spent("a")).unwrap();
        assert!(disk.ledger().unwrap().holds("a"));
        let files = std::fs::read_dir(disk.home.router()).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        assert!(names.any(|name| name.starts_with("spent.json.broken-")));
    }

    #[test]
    fn writers_at_the_same_time_do_not_undo_each_other() {
        let (_folder, disk) = disk();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let disk = Disk::new(disk.home.clone());
                scope.spawn(move || disk.record_spent(spent(&n.to_string())).unwrap());
            }
        });
        let ledger = disk.ledger().unwrap();
        assert!((0..8).all(|n| ledger.holds(&n.to_string())));
    }

    #[test]
    fn a_token_that_came_for_another_after_a_401_is_young_for_a_while() {
        let minute = SignedDuration::from_mins(1);
        let entry = |reason, age: i64| Spent {
            next: Some("new".into()),
            at: Timestamp::now() - SignedDuration::from_secs(age),
            reason: Some(reason),
            ..spent("old")
        };
        let young = |entry| Ledger::of(vec![entry]).has_just_recovered("new", minute);
        assert!(young(entry(RefreshReason::UnauthorizedRecovery, 30)));
        assert!(!young(entry(RefreshReason::UnauthorizedRecovery, 61)));
        assert!(!young(entry(RefreshReason::UnauthorizedRecovery, -3600)));
        assert!(!young(entry(RefreshReason::Forced, 30)));
        assert!(!young(entry(RefreshReason::UnauthorizedRecovery, -30)));
    }

    #[test]
    fn a_chain_is_followed_to_its_end_and_a_circle_not_for_ever() {
        let follows = |token: &str, next: &str| Spent {
            next: Some(next.into()),
            ..spent(token)
        };
        let ledger = Ledger::of(vec![follows("a", "b"), follows("b", "c"), spent("x")]);
        assert_eq!(ledger.last_after("a").as_deref(), Some("c"));
        assert_eq!(
            (ledger.last_after("c"), ledger.last_after("x")),
            (None, None)
        );
        let circle = Ledger::of(vec![follows("a", "b"), follows("b", "a")]);
        assert!(circle.last_after("a").is_none_or(|last| last == "b"));
    }
}
