//! Keeping a login among the profiles, so that nothing newer and nobody else's is written over.

use std::{cmp::Ordering, sync::Arc};

use codex_auth::{AuthDotJson, auth_json::FreshTokens};
use jiff::Timestamp;
use tracing::{info, warn};

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::ReadError,
    ledger::Spent,
    profile::ProfileName,
};

/// The name of a login that was kept without being asked for, followed by a number.
const UNSAVED: &str = "unsaved";

/// How a copy of a login compares with another of the same identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Newer,
    Same,
    Older,
    /// Equally old by every sign, yet with other tokens: neither may be thrown away.
    Unclear,
}

impl Age {
    fn by_time(copy: &AuthDotJson, other: &AuthDotJson) -> Self {
        match copy.generation().cmp(&other.generation()) {
            Ordering::Greater => Self::Newer,
            Ordering::Less => Self::Older,
            Ordering::Equal => Self::Unclear,
        }
    }
}

/// Where a login is kept now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: ProfileName,
    pub(crate) change: Change,
}

/// What keeping a login changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Renewed,
    Created,
}

impl Disk {
    /// How old `copy` is beside `other`. One whose token is spent is the older one, whatever the
    /// times in it say: clocks differ, and tokens need not say when they were issued.
    pub(crate) fn age(&self, copy: &AuthDotJson, other: &AuthDotJson) -> Age {
        if copy.holds_same_secrets(other) {
            return Age::Same;
        }
        let ledger = match self.ledger() {
            Ok(ledger) => ledger,
            Err(error) => {
                warn!(%error, "the ledger of spent tokens cannot be read");
                return Age::Unclear;
            }
        };
        match (ledger.is_spent(copy), ledger.is_spent(other)) {
            (true, false) => return Age::Older,
            (false, true) => return Age::Newer,
            _ => {}
        }
        if issue_times(copy, other).is_some_and(|(one, other)| one != other) {
            return Age::by_time(copy, other);
        }
        // Without the issuer's word, a token that we have never seen came after the one we know.
        match (ledger.is_known(copy), ledger.is_known(other)) {
            (true, false) => Age::Older,
            (false, true) => Age::Newer,
            _ => Age::by_time(copy, other),
        }
    }

    /// Whether `login` may take the place of the live login without anybody asking for it. Codex may
    /// have written that one a moment ago, so dates that clocks may have set wrong are not enough:
    /// the issuer's own must say so, or the live token be known as spent.
    pub(crate) fn supersedes_live(&self, login: &AuthDotJson, live: &AuthDotJson) -> bool {
        let issued = login
            .access_token_issued_at()
            .zip(live.access_token_issued_at());
        let later = issued.is_some_and(|(ours, theirs)| ours > theirs);
        self.is_newer(login, live) && (later || self.is_spent(live))
    }

    /// Whether the token of a login is known as spent.
    pub(crate) fn is_spent(&self, login: &AuthDotJson) -> bool {
        self.ledger().is_ok_and(|ledger| ledger.is_spent(login))
    }

    pub(crate) fn is_newer(&self, copy: &AuthDotJson, other: &AuthDotJson) -> bool {
        self.age(copy, other) == Age::Newer
    }

    /// Keeps `login` in the profile of its identity if it is newer, else in a new one: `named`, or
    /// `unsaved-<n>`.
    pub(crate) fn keep(
        &self,
        lock: &ProfilesLock,
        login: &AuthDotJson,
        named: Option<ProfileName>,
    ) -> Result<Kept, StoreError> {
        let copies = self.of_identity(&login.identity())?;
        if let Some(kept) = self.keep_in_one_of(lock, login, &copies)? {
            return Ok(kept);
        }
        let name = match named.filter(|name| !self.is_taken(name)) {
            Some(name) => name,
            None => self.unsaved_name(),
        };
        self.write_profile(lock, &name, login)?;
        info!(profile = %name, "a login was kept as a new profile");
        Ok(Kept {
            name,
            change: Change::Created,
        })
    }

    fn keep_in_one_of(
        &self,
        lock: &ProfilesLock,
        login: &AuthDotJson,
        copies: &[(ProfileName, Arc<AuthDotJson>)],
    ) -> Result<Option<Kept>, StoreError> {
        let known = |age: Age| matches!(age, Age::Same | Age::Older);
        let kept = |name: &ProfileName, change| {
            let name = name.clone();
            Ok(Some(Kept { name, change }))
        };
        for (name, copy) in copies {
            if known(self.age(login, copy)) {
                return kept(name, Change::None);
            }
        }
        for (name, copy) in copies {
            if self.age(login, copy) == Age::Newer {
                self.follow_elsewhere(lock, name, copy, login)?;
                self.renew(lock, name, login, copy)?;
                return kept(name, Change::Renewed);
            }
        }
        Ok(None)
    }

    /// Writes a newer copy of the same login into a profile, with the fields only the old one had.
    pub(crate) fn renew(
        &self,
        lock: &ProfilesLock,
        name: &ProfileName,
        login: &AuthDotJson,
        old: &AuthDotJson,
    ) -> Result<(), StoreError> {
        self.write_profile(lock, name, &in_place_of(old, login))
    }

    /// Takes a newer copy, from the live file, into a profile of the same identity. Says whether
    /// it did; a profile that has changed hands meanwhile is left alone.
    pub(crate) fn adopt(
        &self,
        name: &ProfileName,
        login: &AuthDotJson,
    ) -> Result<bool, StoreError> {
        let lock = self.lock_profiles()?;
        self.adopt_locked(&lock, name, login)
    }

    pub(crate) fn adopt_locked(
        &self,
        lock: &ProfilesLock,
        name: &ProfileName,
        login: &AuthDotJson,
    ) -> Result<bool, StoreError> {
        match self.profile(name) {
            Ok(own) if own.identity() == login.identity() && self.is_newer(login, &own) => {
                self.follow_elsewhere(lock, name, &own, login)?;
                self.renew(lock, name, login, &own)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Another program has refreshed `own`, and `login` is what it got: the token before is spent,
    /// and whatever still holds it follows too. Before the profile itself: were this cut short
    /// after it, nobody would see any more that something is to follow.
    fn follow_elsewhere(
        &self,
        lock: &ProfilesLock,
        name: &ProfileName,
        own: &AuthDotJson,
        login: &AuthDotJson,
    ) -> Result<(), StoreError> {
        match own.refresh_token() {
            Some(token) if own.is_same_sign_in(login) && login.refresh_token() != Some(token) => {
                let spent = token.fingerprint();
                self.record_spent(Spent::new(&spent, Some(login), None))?;
                self.renew_copies_locked(lock, login, &spent, Some(name))
                    .map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Writes what the issuer answered into the profile whose token, `spent`, was posted for it.
    /// Where that profile is gone or has changed hands, it goes to another one: it is the only
    /// copy of a living login.
    pub(crate) fn keep_rotation(
        &self,
        lock: &ProfilesLock,
        name: &ProfileName,
        login: &AuthDotJson,
        spent: &str,
    ) -> Result<(), StoreError> {
        if self.is_spent(login) {
            // It was followed by the next one already.
            return Ok(());
        }
        match self.profile(name) {
            // A later token may look older; that it succeeds the one in the file is what counts.
            Ok(own) if is_succeeded(&own, login, spent) => self.renew(lock, name, login, &own),
            // A sign-in made meanwhile: what came for the one before is of no use beside it.
            Ok(own) if self.is_another_sign_in(&own, login) => Ok(()),
            Ok(own) if own.identity().is_compatible_with(&login.identity()) => {
                match self.age(login, &own) {
                    Age::Newer => self.renew(lock, name, login, &own),
                    Age::Same | Age::Older => Ok(()),
                    Age::Unclear => self.keep(lock, login, None).map(drop),
                }
            }
            Err(ReadError::Content(_)) => self.write_profile(lock, name, login),
            _ => self.keep_rotation_elsewhere(lock, login, spent),
        }
    }

    /// A profile that was renamed still holds the spent token.
    fn keep_rotation_elsewhere(
        &self,
        lock: &ProfilesLock,
        login: &AuthDotJson,
        spent: &str,
    ) -> Result<(), StoreError> {
        for name in self.names()? {
            match self.profile(&name) {
                Ok(own) if is_succeeded(&own, login, spent) => {
                    return self.renew(lock, &name, login, &own);
                }
                _ => {}
            }
        }
        self.keep(lock, login, None).map(drop)
    }

    /// Renews every profile that still holds the spent token and would post it again: copies made
    /// by hand, and the other workspaces of one sign-in.
    /// Says whether there were any.
    pub(crate) fn renew_copies(
        &self,
        login: &AuthDotJson,
        spent: &str,
    ) -> Result<bool, StoreError> {
        self.renew_copies_locked(&self.lock_profiles()?, login, spent, None)
    }

    fn renew_copies_locked(
        &self,
        lock: &ProfilesLock,
        login: &AuthDotJson,
        spent: &str,
        but: Option<&ProfileName>,
    ) -> Result<bool, StoreError> {
        let mut any = false;
        for name in self.names()? {
            if but != Some(&name)
                && let Ok(own) = self.profile(&name)
                && let Some(renewed) = self.succession(&own, login, spent)
            {
                self.write_profile(lock, &name, &renewed)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Writes what the issuer answered to the live file, if that holds the same login.
    pub(crate) fn publish_rotation(
        &self,
        login: &AuthDotJson,
        spent: &str,
    ) -> Result<bool, StoreError> {
        self.change_live(|live| {
            let live = live.as_ref().ok()?;
            let same = live.identity().is_compatible_with(&login.identity());
            let due =
                same && !self.is_another_sign_in(live, login) && self.supersedes_live(login, live);
            let newer = due.then(|| in_place_of(live, login));
            self.succession(live, login, spent).or(newer)
        })
    }

    /// Writes a newer copy of the live login to the live file; another identity is left alone.
    pub(crate) fn publish_newer(&self, login: &AuthDotJson) -> Result<bool, StoreError> {
        self.change_live(|live| {
            let live = live.as_ref().ok()?;
            let same = live.identity() == login.identity();
            let due = same && self.supersedes_live(login, live);
            due.then(|| in_place_of(live, login))
        })
    }

    /// Whether `own` is the living login of another sign-in of the same account.
    fn is_another_sign_in(&self, own: &AuthDotJson, login: &AuthDotJson) -> bool {
        own.identity().is_compatible_with(&login.identity())
            && !own.is_same_sign_in(login)
            && !self.is_spent(own)
    }

    /// What is to stand in place of `own`, where that still holds the spent token. Another workspace
    /// of the same person goes on with its own access token: only the refresh token was shared (wire
    /// reference 4.7). Anybody else's answer replaces nothing, nor does one that is spent by now.
    fn succession(
        &self,
        own: &AuthDotJson,
        login: &AuthDotJson,
        spent: &str,
    ) -> Option<AuthDotJson> {
        if !was_spent(own, spent) || self.is_spent(login) {
            return None;
        }
        if login.may_follow(own) {
            return Some(in_place_of(own, login));
        }
        if !own.identity().is_same_person(&login.identity()) || !own.is_same_sign_in(login) {
            return None;
        }
        let fresh = FreshTokens {
            refresh_token: Some(login.refresh_token()?.clone()),
            ..FreshTokens::default()
        };
        let mut own = own.clone();
        own.rotate(fresh, own.last_refresh().unwrap_or_else(Timestamp::now));
        Some(own)
    }

    fn unsaved_name(&self) -> ProfileName {
        let unsaved = ProfileName::suggest(UNSAVED);
        self.free_name((1..).map(|n| unsaved.numbered(n)))
    }

    /// The first of these names that is free.
    pub(crate) fn free_name(&self, names: impl Iterator<Item = ProfileName>) -> ProfileName {
        let mut names = names;
        names
            .find(|name| !self.is_taken(name))
            .unwrap_or_else(|| ProfileName::suggest(UNSAVED))
    }
}

/// When both access tokens were issued, if both say so.
fn issue_times(one: &AuthDotJson, other: &AuthDotJson) -> Option<(Timestamp, Timestamp)> {
    one.access_token_issued_at()
        .zip(other.access_token_issued_at())
}

/// Whether `login` is what the issuer gave for the token that `own` still holds.
fn is_succeeded(own: &AuthDotJson, login: &AuthDotJson, spent: &str) -> bool {
    was_spent(own, spent) && login.may_follow(own)
}

/// `login`, with the fields that only `old` has.
pub(crate) fn in_place_of(old: &AuthDotJson, login: &AuthDotJson) -> AuthDotJson {
    let mut login = login.clone();
    login.carry_unknown_from(old);
    login.carry_id_token_from(old);
    login
}

/// Whether `login` still holds the token of this fingerprint.
pub(crate) fn was_spent(login: &AuthDotJson, fingerprint: &str) -> bool {
    login
        .refresh_token()
        .is_some_and(|token| token.fingerprint() == fingerprint)
}
