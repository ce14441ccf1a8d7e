//! The replica as a [`CredentialProvider`].

use std::{path::PathBuf, time::Duration};

use codex_auth::{
    AuthMode, CredentialError, CredentialProvider, Credentials, LoginReason, ProfileRef, RouteHint,
    credentials::UnusableInHeader,
    refresh::{Freshness, RefreshReason},
};
use jiff::Timestamp;
use tokio::{sync::Mutex as AsyncMutex, time::timeout};
use tracing::{Instrument as _, debug};

use crate::{
    error::{StoreError, storage},
    postgres::{
        PostgresLogins,
        error::TABLE,
        exchange::Exchange,
        table::{Answer, Stored},
    },
    refresher::{flight::Flight, same_access, still_lives},
};

/// How long a request waits for a refresh while the old access token would still serve it.
const COURTESY: Duration = Duration::from_secs(5);

impl CredentialProvider for PostgresLogins {
    /// Fresh credentials at once, from memory. Those due for refresh too, and the refresh runs
    /// aside. Those about to expire are refreshed first; when that fails, or takes long, the old
    /// ones serve while they live.
    ///
    /// # Errors
    /// A [`CredentialError`]; a database that is needed and away is a
    /// [`Storage`](CredentialError::Storage).
    ///
    /// # Cancellation
    /// A refresh under way goes on to its end, as long as the runtime does: a program awaits
    /// [`finish_refreshes`](PostgresLogins::finish_refreshes) before it ends.
    async fn credentials(&self, hint: &RouteHint) -> Result<Credentials, CredentialError> {
        let profile = self.chosen(hint)?;
        let (stored, identity) = self.known(&profile).await?;
        hint.require_identity(&profile, &identity)?;
        let serving = match Freshness::of(&stored.login, Timestamp::now()) {
            Freshness::Fresh => return credentials_of(&stored),
            Freshness::Due => self.serve_and_refresh_aside(stored),
            Freshness::Expiring => self.refresh_or_serve(stored).await?,
        };
        // While this one was refreshed, another account's may have taken its place.
        hint.require_identity(&profile, &serving.login.identity().fingerprint())?;
        credentials_of(&serving)
    }

    /// Other credentials than `stale`: from the database when it has some, else from the issuer,
    /// once a minute at most, whichever replica asks.
    async fn refresh(&self, stale: &Credentials) -> Result<Credentials, CredentialError> {
        let (stored, _) = self.known(stale.profile()).await?;
        let credentials = credentials_of(&stored)?;
        if !credentials.same_account(stale) {
            // What the request holds was meant for the account before.
            return Err(login_required(&stored.profile, LoginReason::Replaced));
        }
        if !credentials.same_bearer(stale) {
            return Ok(credentials);
        }
        if stored.login.mode() == AuthMode::ApiKey {
            return self.other_key(&stored).await;
        }
        let reason = RefreshReason::UnauthorizedRecovery;
        credentials_of(&self.rotate(stored, reason).await?)
    }
}

impl PostgresLogins {
    fn chosen(&self, hint: &RouteHint) -> Result<ProfileRef, CredentialError> {
        let profile = hint.profile.as_ref();
        let chosen = profile.or(self.shared.default_profile.as_ref()).cloned();
        chosen.ok_or_else(|| CredentialError::NotLoggedIn {
            looked_at: PathBuf::from("a request without a profile"),
        })
    }

    /// From memory, or from the database where it is asked for the first time.
    async fn known(
        &self,
        profile: &ProfileRef,
    ) -> Result<(Stored, std::sync::Arc<str>), CredentialError> {
        if let Some(known) = self.shared.known.of(profile.as_str()) {
            return Ok(known);
        }
        let read = self.shared.read(profile.as_str()).await;
        let stored = read.map_err(super::PostgresError::for_credentials)?;
        let stored = stored.ok_or_else(|| CredentialError::UnknownProfile(profile.clone()))?;
        let identity = stored.login.identity().fingerprint().into();
        Ok((stored, identity))
    }

    /// Another key that somebody has put in the place of the one that was refused.
    async fn other_key(&self, refused: &Stored) -> Result<Credentials, CredentialError> {
        let read = self.shared.read(refused.profile.as_str()).await;
        match read.map_err(super::PostgresError::for_credentials)? {
            Some(now) if !now.login.holds_same_secrets(&refused.login) => credentials_of(&now),
            _ => Err(login_required(&refused.profile, LoginReason::Refused)),
        }
    }

    fn flight(&self, stored: &Stored) -> std::sync::Arc<AsyncMutex<Flight<Answer>>> {
        self.shared.flights.of(stored.profile.as_str())
    }

    fn serve_and_refresh_aside(&self, stored: Stored) -> Stored {
        // Taken already: somebody refreshes this login just now.
        if let Ok(flight) = self.flight(&stored).try_lock_owned()
            && stored.login.refresh_token().is_some()
            && flight.obstacle(&stored.profile, &stored.login).is_none()
        {
            let reason = match stored.login.access_token_expires_at() {
                Some(_) => RefreshReason::ProactiveExpiry,
                None => RefreshReason::Scheduled,
            };
            let exchange = Exchange::new(&self.shared, stored.clone(), reason, flight);
            tokio::spawn(exchange.run().in_current_span());
        }
        stored
    }

    async fn refresh_or_serve(&self, stored: Stored) -> Result<Stored, CredentialError> {
        let rotation = self.rotate(stored.clone(), RefreshReason::ProactiveExpiry);
        if !still_lives(&stored.login) {
            return rotation.await;
        }
        match timeout(COURTESY, rotation).await {
            Ok(Ok(fresh)) => Ok(fresh),
            Ok(Err(error)) => {
                debug!(profile = %stored.profile, %error, "the old access token serves");
                Ok(stored)
            }
            Err(_late) => Ok(stored),
        }
    }

    /// Another login than `held` for the same profile.
    pub(super) async fn rotate(
        &self,
        held: Stored,
        reason: RefreshReason,
    ) -> Result<Stored, CredentialError> {
        if held.login.refresh_token().is_none() {
            return Err(login_required(&held.profile, LoginReason::NoRefreshToken));
        }
        let flight = self.flight(&held).lock_owned().await;
        // Whoever held the flight before us has refreshed it, most likely.
        if let Some((now, _)) = self.shared.known.of(held.profile.as_str())
            && !same_access(&now.login, &held.login)
        {
            return Ok(now);
        }
        if let Some(obstacle) = flight.obstacle(&held.profile, &held.login) {
            return Err(obstacle);
        }
        // A task of its own: a client that hangs up must not cut a rotation in half.
        let exchange = Exchange::new(&self.shared, held, reason, flight);
        let done = tokio::spawn(exchange.run().in_current_span()).await;
        done.unwrap_or_else(|_| Err(storage(PathBuf::from(TABLE), StoreError::Interrupted)))
    }
}

pub(super) fn credentials_of(stored: &Stored) -> Result<Credentials, CredentialError> {
    let profile = stored.profile.clone();
    let credentials = stored.login.credentials(profile.clone());
    credentials.ok_or_else(|| match stored.login.mode() {
        AuthMode::ApiKey | AuthMode::ChatGpt | AuthMode::ChatGptAuthTokens => {
            storage(PathBuf::from(TABLE), UnusableInHeader)
        }
        mode => CredentialError::UnsupportedMode {
            profile,
            mode: mode.as_str(),
        },
    })
}

fn login_required(profile: &ProfileRef, reason: LoginReason) -> CredentialError {
    CredentialError::LoginRequired {
        profile: profile.clone(),
        reason,
    }
}
