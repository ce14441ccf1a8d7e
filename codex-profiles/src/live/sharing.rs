//! A token that Codex has too, while nobody can look.
//!
//! Codex may spend it, and what it gets cannot be seen; we may, and what we get cannot be published.
//! Either way the other one posts a spent token next, for which the issuer ends the login (RFC 9700,
//! section 4.14). So the token last seen in a keyring is noted, and left alone while that is shut.

use codex_auth::{AuthDotJson, secret::RefreshToken};
use tracing::warn;

use crate::{
    disk::{Disk, LiveRead},
    error::StoreError,
    fs::ReadError,
    memory::lock,
    state::State,
};

impl Disk {
    pub(super) fn note_shared(&self, live: &LiveRead) {
        if self.live_store.is_only_looked_at {
            return;
        }
        match live {
            Ok(login) => self.note_shared_token(&token_of(login)),
            Err(ReadError::Missing) => self.note_shared_token(""),
            Err(_) => {}
        }
    }

    /// Notes, for good, which token Codex has. That it fails leaves the note before.
    pub(super) fn note_shared_token(&self, token: &str) {
        if lock(&self.live_store.noted).as_deref() == Some(token) {
            return;
        }
        match self.write_shared_token(token) {
            Ok(()) => *lock(&self.live_store.noted) = Some(token.to_owned()),
            Err(error) => warn!(%error, "it could not be noted which token Codex has"),
        }
    }

    fn write_shared_token(&self, token: &str) -> Result<(), StoreError> {
        let token = (!token.is_empty()).then_some(token);
        if State::load(&self.home)?.shared_token().as_deref() == token {
            return Ok(());
        }
        State::update(&self.home, |state| state.set_shared_token(token)).map(drop)
    }

    /// Refuses to spend a token that Codex had when that could still be seen.
    pub(crate) fn leave_shared_token_alone(&self, token: &str) -> Result<(), StoreError> {
        if self.is_live_a_file()
            || State::load(&self.home)?.shared_token().as_deref() != Some(token)
        {
            return Ok(());
        }
        match self.live() {
            Err(source) if hides_a_login(&source) => Err(StoreError::Unusable {
                path: self.live_label(),
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// The fingerprint of its refresh token; empty without one.
pub(super) fn token_of(login: &AuthDotJson) -> String {
    let token = login.refresh_token().map(RefreshToken::fingerprint);
    token.unwrap_or_default()
}

fn hides_a_login(error: &ReadError) -> bool {
    matches!(error, ReadError::LiveUnknown(unknown) if unknown.may_hide_a_login())
}
