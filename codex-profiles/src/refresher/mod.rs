//! One refresh, whoever asks: the store as a [`CredentialProvider`].
//!
//! A refresh token works once, so it is posted by one task at a time in this process (a *flight*,
//! one per identity), by one process at a time (a lock file), after the file was read again, and
//! after the intent and the room for the answer are on disk. New tokens serve only once they are
//! on disk, and a caller that stops waiting stops nothing.

mod counts;
mod exchange;
pub(crate) mod flight;
mod landing;
pub(crate) mod prepare;

use std::sync::Arc;

use codex_auth::{
    AuthDotJson, AuthMode, CredentialError, CredentialProvider, Credentials, LoginReason,
    RouteHint,
    credentials::UnusableInHeader,
    refresh::{Freshness, RefreshReason},
};
use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tracing::{Instrument as _, debug};

pub use counts::RefreshCounts;

use crate::{
    error::{StoreError, storage},
    profile::{Place, ProfileName},
    refresher::{exchange::Exchange, flight::FlightMap, landing::Unlanded},
    route::Resolved,
    store::{ProfileStore, blocking},
};

/// The refreshes of this process, one at a time for each identity.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    by_identity: FlightMap<Unlanded>,
    publishing: Arc<AsyncMutex<()>>,
    tally: counts::Tally,
}

impl Flights {
    /// The right to publish aside, unless somebody does so already.
    pub(crate) fn publishing(&self) -> Option<OwnedMutexGuard<()>> {
        self.publishing.clone().try_lock_owned().ok()
    }
}

/// See [`credentials`](CredentialProvider::credentials) for which login serves: the one of
/// [`route`](ProfileStore::route).
impl CredentialProvider for ProfileStore {
    /// Fresh credentials at once. Those due for refresh too, and the refresh runs aside. Those
    /// about to expire are refreshed first; when that fails, the old ones serve while they live.
    ///
    /// # Errors
    /// A [`CredentialError`]; [`LoginChanged`](CredentialError::LoginChanged) where the hint names
    /// an identity and the profile has another account's login by now.
    ///
    /// # Cancellation
    /// A refresh under way goes on to its end, as long as the runtime does: a program awaits
    /// [`finish_refreshes`](ProfileStore::finish_refreshes) before it ends.
    async fn credentials(&self, hint: &RouteHint) -> Result<Credentials, CredentialError> {
        let found = self.resolve(hint.profile.as_ref()).await?;
        hint.require_identity(&found.place.reference(), &found.route.identity)?;
        let login = match Freshness::of(&found.login, Timestamp::now()) {
            Freshness::Fresh => found.login.clone(),
            Freshness::Due => self.serve_and_refresh_aside(&found),
            Freshness::Expiring => self.refresh_or_serve(&found).await?,
        };
        // While this one was refreshed, another account's may have taken its place.
        if !Arc::ptr_eq(&login, &found.login) {
            let identity = login.identity().fingerprint();
            hint.require_identity(&found.place.reference(), &identity)?;
        }
        self.credentials_of(&found.place, &login)
    }

    /// Other credentials than `stale`: from disk when there are some, else from the issuer, once a
    /// minute at most. A login that is refused again before that is [`LoginReason::Refused`].
    async fn refresh(&self, stale: &Credentials) -> Result<Credentials, CredentialError> {
        let found = self.resolve(Some(stale.profile())).await?;
        let credentials = self.credentials_of(&found.place, &found.login)?;
        if !credentials.same_account(stale) {
            // What the request holds was meant for the account before.
            return Err(login_required(&found.place, LoginReason::Replaced));
        }
        if !credentials.same_bearer(stale) {
            return Ok(credentials);
        }
        if found.login.mode() == AuthMode::ApiKey {
            return Err(login_required(&found.place, LoginReason::Refused));
        }
        let reason = RefreshReason::UnauthorizedRecovery;
        let login = self.rotate(&found.place, found.login, reason).await?;
        self.credentials_of(&found.place, &login)
    }
}

impl ProfileStore {
    /// Refreshes a profile now, however fresh it is, under the same rules as every refresh: for a
    /// scheduler that keeps idle logins alive, or a person who asks for it.
    ///
    /// # Errors
    /// A [`CredentialError`]; a login without a refresh token is `LoginRequired`.
    ///
    /// # Cancellation
    /// A refresh under way goes on to its end.
    pub async fn refresh_profile(
        &self,
        name: &ProfileName,
        reason: RefreshReason,
    ) -> Result<Credentials, CredentialError> {
        let found = self.resolve(Some(&name.reference())).await?;
        let login = self.rotate(&found.place, found.login, reason).await?;
        self.credentials_of(&found.place, &login)
    }

    /// The same, for whoever wants no credentials: whether the login is another one now.
    pub(crate) async fn renew(
        &self,
        name: &ProfileName,
        reason: RefreshReason,
    ) -> Result<bool, CredentialError> {
        let found = self.resolve(Some(&name.reference())).await?;
        let before = found.login.clone();
        let after = self.rotate(&found.place, found.login, reason).await?;
        Ok(!same_access(&before, &after))
    }

    /// How the refreshes ended that this store and its clones have begun.
    #[must_use]
    pub fn refresh_counts(&self) -> RefreshCounts {
        self.flights.tally.counts()
    }

    /// Waits until no refresh is under way: to be awaited before the program ends, so that no
    /// answer of the issuer is missed. A refresh takes 30 s at most, and hardly ever more than one.
    ///
    /// # Cancellation
    /// Loses nothing: an answer that is not on disk stays in memory.
    pub async fn finish_refreshes(&self) {
        for flight in self.flights.by_identity.all() {
            let mut flight = flight.lock().await;
            if let Some(answer) = flight.unlanded.clone() {
                flight.unlanded = self.land_at_last(answer).await;
            }
        }
    }

    /// Tries again to bring an answer to disk that is in memory alone; gives it back if it stays so.
    async fn land_at_last(&self, answer: Unlanded) -> Option<Unlanded> {
        let (disk, landing) = (self.disk.clone(), answer.clone());
        let landed = blocking(move || disk.land(&landing)).await;
        landed.is_err().then_some(answer)
    }

    fn serve_and_refresh_aside(&self, found: &Resolved) -> Arc<AuthDotJson> {
        let flight = self
            .flights
            .by_identity
            .of(&found.login.identity().fingerprint());
        // Taken already: somebody refreshes this login just now.
        if let Ok(flight) = flight.try_lock_owned()
            && found.login.refresh_token().is_some()
            && flight
                .obstacle(&found.place.reference(), &found.login)
                .is_none()
        {
            let reason = match found.login.access_token_expires_at() {
                Some(_) => RefreshReason::ProactiveExpiry,
                None => RefreshReason::Scheduled,
            };
            let login = found.login.clone();
            let exchange = Exchange::new(self, &found.place, login, reason, flight);
            tokio::spawn(exchange.run().in_current_span());
        }
        found.login.clone()
    }

    async fn refresh_or_serve(
        &self,
        found: &Resolved,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let reason = RefreshReason::ProactiveExpiry;
        match self.rotate(&found.place, found.login.clone(), reason).await {
            Err(error) if still_lives(&found.login) => {
                debug!(profile = %found.place.reference(), %error, "the old access token serves");
                Ok(found.login.clone())
            }
            done => done,
        }
    }

    /// Another login than `held` for the same place.
    async fn rotate(
        &self,
        place: &Place,
        held: Arc<AuthDotJson>,
        reason: RefreshReason,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        if held.refresh_token().is_none() {
            return Err(login_required(place, LoginReason::NoRefreshToken));
        }
        let flight = self.flights.by_identity.of(&held.identity().fingerprint());
        let flight = flight.lock_owned().await;
        // Whoever held the flight before us has refreshed it, most likely.
        let newest = self.newest(place).await;
        let newest = newest.map_err(|error| storage(self.disk.path_of(place), error))?;
        if !same_access(&newest, &held) {
            return Ok(newest);
        }
        if let Some(obstacle) = flight.obstacle(&place.reference(), &held) {
            return Err(obstacle);
        }
        // A task of its own: a client that hangs up must not cut a rotation in half.
        let exchange = Exchange::new(self, place, newest, reason, flight);
        let done = tokio::spawn(exchange.run().in_current_span()).await;
        done.unwrap_or_else(|_| Err(self.failed(StoreError::Interrupted)))
    }

    fn credentials_of(
        &self,
        place: &Place,
        login: &AuthDotJson,
    ) -> Result<Credentials, CredentialError> {
        let profile = place.reference();
        login
            .credentials(profile.clone())
            .ok_or_else(|| match login.mode() {
                AuthMode::ApiKey | AuthMode::ChatGpt | AuthMode::ChatGptAuthTokens => {
                    storage(self.disk.path_of(place), UnusableInHeader)
                }
                mode => CredentialError::UnsupportedMode {
                    profile,
                    mode: mode.as_str(),
                },
            })
    }
}

fn login_required(place: &Place, reason: LoginReason) -> CredentialError {
    CredentialError::LoginRequired {
        profile: place.reference(),
        reason,
    }
}

/// Whether both put the same bearer token on a request.
pub(crate) fn same_access(one: &AuthDotJson, other: &AuthDotJson) -> bool {
    one.access_token() == other.access_token()
}

pub(crate) fn still_lives(login: &AuthDotJson) -> bool {
    let expires_at = login.access_token_expires_at();
    expires_at.is_some_and(|at| at > Timestamp::now())
}

#[cfg(test)]
mod tests;
