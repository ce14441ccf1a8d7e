//! One refresh at a time in this process, and what is remembered from one to the next.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use codex_auth::{
    AuthDotJson, CredentialError, LoginReason, ProfileRef, refresh::Backoff, secret::RefreshToken,
};
use tokio::sync::Mutex as AsyncMutex;

use crate::memory::lock;

/// Flights by what they are about; `A` is an answer that is kept nowhere yet.
#[derive(Debug)]
pub(crate) struct FlightMap<A>(Mutex<HashMap<String, Arc<AsyncMutex<Flight<A>>>>>);

/// What is known about one login's refreshes, and the right to begin one.
#[derive(Debug)]
pub(crate) struct Flight<A> {
    pub(crate) backoff: Backoff,
    /// The token, by its fingerprint, that the issuer refused for good.
    pub(crate) refused: Option<(String, LoginReason)>,
    /// An answer that could not be written.
    pub(crate) unlanded: Option<A>,
}

impl<A> Default for FlightMap<A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<A> Default for Flight<A> {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            refused: None,
            unlanded: None,
        }
    }
}

impl<A> FlightMap<A> {
    pub(crate) fn of(&self, key: &str) -> Arc<AsyncMutex<Flight<A>>> {
        let mut flights = lock(&self.0);
        flights.entry(key.to_owned()).or_default().clone()
    }

    pub(crate) fn all(&self) -> Vec<Arc<AsyncMutex<Flight<A>>>> {
        lock(&self.0).values().cloned().collect()
    }
}

impl<A> Flight<A> {
    /// Why nothing may be posted for this login now.
    pub(crate) fn obstacle(
        &self,
        profile: &ProfileRef,
        login: &AuthDotJson,
    ) -> Option<CredentialError> {
        let token = login.refresh_token().map(RefreshToken::fingerprint);
        if let Some((refused, reason)) = &self.refused
            && token.as_ref() == Some(refused)
        {
            return Some(CredentialError::LoginRequired {
                profile: profile.clone(),
                reason: *reason,
            });
        }
        let source = self.backoff.blocked(token.as_deref())?;
        Some(CredentialError::Unavailable {
            profile: profile.clone(),
            source,
        })
    }
}
