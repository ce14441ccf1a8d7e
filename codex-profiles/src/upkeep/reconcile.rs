//! Taking in what other programs did to the live login.

use std::sync::Arc;

use codex_auth::{AuthDotJson, AuthJsonError, Identity, secret::RefreshToken};
use jiff::Timestamp;

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    fs::ReadError,
    profile::ProfileName,
    state::{SignedOut, State},
    upkeep::Notice,
};

impl Disk {
    /// Brings the profiles in step with the live login, and says what has happened to it since the
    /// last time. Under the lock of a switch, so that a switch of ours is never taken for somebody
    /// else's doing.
    pub(crate) fn reconcile(&self) -> Result<Vec<Notice>, StoreError> {
        let lock = self.lock_profiles()?;
        self.settle_switch(&lock)?;
        let live = match self.live() {
            Ok(login) => Some(login),
            Err(ReadError::Missing | ReadError::Content(AuthJsonError::NoLogin)) => None,
            // Somebody writes it, or it is broken: it says nothing about the login before it.
            Err(_) => return Ok(Vec::new()),
        };
        let mut notices = match &live {
            Some(login) => self.take_in(&lock, login)?,
            None => Vec::new(),
        };
        notices.extend(self.follow_live(live.as_ref())?);
        drop(lock);
        if let Some(live) = &live {
            self.bring_live_up_to_date(live)?;
        }
        Ok(notices)
    }

    /// Publishes what could not be published when it came. Not under the lock of a switch: Codex may
    /// hold its own for long.
    fn bring_live_up_to_date(&self, live: &AuthDotJson) -> Result<(), StoreError> {
        for (_, copy) in self.of_identity(&live.identity())? {
            if self.supersedes_live(&copy, live) {
                self.publish_newer(&copy)?;
            }
        }
        Ok(())
    }

    /// A newer copy goes into every profile of its identity.
    fn take_in(&self, lock: &ProfilesLock, live: &AuthDotJson) -> Result<Vec<Notice>, StoreError> {
        let mut notices = Vec::new();
        for (name, _) in self.of_identity(&live.identity())? {
            if self.adopt_locked(lock, &name, live)? {
                let profile = name.reference();
                notices.push(Notice::Adopted { profile });
            }
        }
        Ok(notices)
    }

    /// What it means that the live login is another one than it was.
    fn follow_live(&self, live: Option<&Arc<AuthDotJson>>) -> Result<Vec<Notice>, StoreError> {
        let identity = live.map(|login| login.identity());
        let seen = identity.as_ref().map(Identity::fingerprint);
        let before = State::load(&self.home)?.live_identity();
        if before == seen {
            return Ok(Vec::new());
        }
        let signed_out = match before {
            Some(before) if !self.is_of_current(identity.as_ref()) => self.holder_of(&before)?,
            _ => None,
        };
        let mut notices = Vec::new();
        if let Some(identity) = &identity
            && self.of_identity(identity)?.is_empty()
        {
            notices.push(Notice::UnsavedLogin);
        }
        self.note_live(seen.as_deref(), signed_out.as_ref())?;
        notices.extend(signed_out.map(|(name, _)| Notice::SignedOutElsewhere {
            profile: name.reference(),
        }));
        Ok(notices)
    }

    fn note_live(
        &self,
        seen: Option<&str>,
        signed_out: Option<&(ProfileName, Arc<AuthDotJson>)>,
    ) -> Result<(), StoreError> {
        let fact = signed_out.and_then(|(name, login)| {
            let fact = SignedOut {
                token_fingerprint: login.refresh_token().map(RefreshToken::fingerprint)?,
                at: Timestamp::now(),
            };
            Some((name.to_string(), fact))
        });
        State::update(&self.home, |state| {
            state.set_live_identity(seen);
            if let Some((name, fact)) = &fact {
                state.set_signed_out(name, fact);
            }
        })
        .map(drop)
    }

    /// Whether a switch of ours put the live login there: it is the current profile's then.
    fn is_of_current(&self, live: Option<&Identity>) -> bool {
        let current = self.current().ok().flatten();
        let current = current.and_then(|name| self.profile(&name).ok());
        live.is_some() && current.map(|login| login.identity()).as_ref() == live
    }

    fn holder_of(
        &self,
        identity: &str,
    ) -> Result<Option<(ProfileName, Arc<AuthDotJson>)>, StoreError> {
        let mut holders = self.names()?.into_iter().filter_map(|name| {
            let login = self.profile(&name).ok()?;
            (login.identity().fingerprint() == identity).then_some((name, login))
        });
        Ok(holders.next())
    }
}
