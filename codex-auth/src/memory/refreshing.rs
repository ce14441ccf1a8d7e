use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::{self, Instant},
};

use super::{credentials_of, login_required, require_asked};
use crate::{
    auth_json::AuthDotJson,
    credentials::Credentials,
    provider::{
        CredentialError, CredentialProvider, LoginReason, ProfileRef, RouteHint, SharedError,
    },
    refresh::{
        Backoff, Freshness, RefreshError, RefreshReason, TokenEndpoint, pause_after_unanswered,
    },
};

/// How far apart two refreshes on account of a 401 are at least.
const RECOVERY_INTERVAL: Duration = Duration::from_mins(1);
/// Whoever keeps the login may do so a moment later.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_secs(1),
];

/// Keeps a login that has changed: in a secret store, a database, a file.
///
/// Any `async` function of a login is one.
pub trait Keep: Send + Sync + 'static {
    /// Keeps `login` in place of the one before, which is of no use any more.
    ///
    /// # Errors
    /// Why it could not. It is asked again, a moment later and with every refresh.
    fn keep(&self, login: AuthDotJson) -> impl Future<Output = Result<(), SharedError>> + Send;
}

impl<F, R> Keep for F
where
    F: Fn(AuthDotJson) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), SharedError>> + Send,
{
    fn keep(&self, login: AuthDotJson) -> impl Future<Output = Result<(), SharedError>> + Send {
        self(login)
    }
}

/// One login in memory, refreshed when it is due, by one request at a time.
///
/// **For one program alone**: two that begin with the same login spend the same token, which ends
/// it. Several share one through `codex-profiles`, on disk or in a database. There is no note of
/// a refresh under way either: a program that is killed between the issuer's answer and the end of
/// [`Keep::keep`] has lost the login.
///
/// Cheap to clone; clones share everything.
pub struct MemoryLogin<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    profile: ProfileRef,
    endpoint: TokenEndpoint,
    keep: K,
    login: Mutex<Arc<AuthDotJson>>,
    flight: Arc<AsyncMutex<Flight>>,
}

/// What is known of the refreshes so far, and the right to begin one.
#[derive(Debug, Default)]
struct Flight {
    backoff: Backoff,
    refused: Option<LoginReason>,
    /// How often the token was posted without an answer, and when the last time.
    unanswered: Option<(u32, Instant)>,
    recovered_at: Option<Instant>,
    is_kept: Kept,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Kept {
    #[default]
    Yes,
    NotYet,
}

#[derive(Debug, thiserror::Error)]
#[error("the issuer did not answer before; it is asked again later")]
struct Unanswered;

#[derive(Debug, thiserror::Error)]
#[error("the refresh was cut short")]
struct Interrupted;

impl<K: Keep> MemoryLogin<K> {
    /// Serves `login` under a name, and hands it to `keep` whenever it was refreshed.
    pub fn new(profile: ProfileRef, login: AuthDotJson, endpoint: TokenEndpoint, keep: K) -> Self {
        let shared = Shared {
            profile,
            endpoint,
            keep,
            login: Mutex::new(Arc::new(login)),
            flight: Arc::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The login as it is now.
    #[must_use]
    pub fn login(&self) -> Arc<AuthDotJson> {
        self.shared.login()
    }

    /// Waits until no refresh is under way, and has a login kept that could not be before: to be
    /// awaited before the program ends.
    ///
    /// # Errors
    /// Why it could not be kept. It is lost with the program then.
    pub async fn finish(&self) -> Result<(), SharedError> {
        let mut flight = self.shared.flight.lock().await;
        self.shared.keep_once(&mut flight).await
    }

    async fn rotate(
        &self,
        held: Arc<AuthDotJson>,
        reason: RefreshReason,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let flight = self.shared.flight.clone().lock_owned().await;
        // A task of its own: a client that hangs up must not cut a rotation in half.
        let task = self.shared.clone().refresh(held, reason, flight);
        let done = tokio::spawn(task).await;
        done.unwrap_or_else(|_| Err(self.shared.unavailable(Arc::new(Interrupted))))
    }

    fn serve_and_refresh_aside(&self, held: Arc<AuthDotJson>) -> Arc<AuthDotJson> {
        if held.refresh_token().is_some()
            && let Ok(flight) = self.shared.flight.clone().try_lock_owned()
        {
            let (shared, reason) = (self.shared.clone(), RefreshReason::ProactiveExpiry);
            tokio::spawn(shared.refresh(held.clone(), reason, flight));
        }
        held
    }
}

impl<K: Keep> CredentialProvider for MemoryLogin<K> {
    /// The login at once while it is fresh; refreshed aside when it is due, and first when it is
    /// about to expire.
    ///
    /// # Errors
    /// A [`CredentialError`].
    ///
    /// # Cancellation
    /// A refresh under way goes on to its end.
    async fn credentials(&self, hint: &RouteHint) -> Result<Credentials, CredentialError> {
        let held = self.login();
        require_asked(hint, &self.shared.profile, &held)?;
        let login = match Freshness::of(&held, Timestamp::now()) {
            Freshness::Fresh => held,
            Freshness::Due => self.serve_and_refresh_aside(held),
            Freshness::Expiring => {
                let rotated = self.rotate(held.clone(), RefreshReason::ProactiveExpiry);
                match rotated.await {
                    Err(_) if still_lives(&held) => held,
                    done => done?,
                }
            }
        };
        credentials_of(&self.shared.profile, &login)
    }

    async fn refresh(&self, stale: &Credentials) -> Result<Credentials, CredentialError> {
        let held = self.login();
        let now = credentials_of(&self.shared.profile, &held)?;
        if !now.same_bearer(stale) {
            return Ok(now);
        }
        let login = self
            .rotate(held, RefreshReason::UnauthorizedRecovery)
            .await?;
        credentials_of(&self.shared.profile, &login)
    }
}

impl<K: Keep> Shared<K> {
    fn login(&self) -> Arc<AuthDotJson> {
        let login = self.login.lock();
        login.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn refresh(
        self: Arc<Self>,
        held: Arc<AuthDotJson>,
        reason: RefreshReason,
        mut flight: OwnedMutexGuard<Flight>,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        // Whoever held the flight before us has refreshed it.
        let now = self.login();
        if !Arc::ptr_eq(&now, &held) {
            return Ok(now);
        }
        // What is nowhere else yet must not be replaced by what may not be kept either.
        if let Err(source) = self.keep_once(&mut flight).await {
            return Err(self.unavailable(source));
        }
        if let Some(obstacle) = self.obstacle(&held, reason, &flight) {
            return Err(obstacle);
        }
        let attempts = flight.unanswered.map_or(1, |(times, _)| times + 1);
        match self.endpoint.refresh(&held, reason).await {
            Ok(fresh) => {
                let login = self.endpoint.successor(&held, fresh);
                if !login.may_follow(&held) {
                    return Err(self.refuse(&mut flight, LoginReason::OutcomeUnknown));
                }
                *flight = Flight {
                    recovered_at: (reason == RefreshReason::UnauthorizedRecovery)
                        .then(Instant::now),
                    is_kept: Kept::NotYet,
                    ..Flight::default()
                };
                Ok(self.replace(login, &mut flight).await)
            }
            Err(RefreshError::Refused(reason)) if attempts > 1 => {
                Err(self.refuse(&mut flight, reason.after_unanswered()))
            }
            Err(RefreshError::Refused(reason)) => Err(self.refuse(&mut flight, reason)),
            Err(error) => {
                if error.leaves_outcome_unknown() {
                    flight.unanswered = Some((attempts, Instant::now()));
                }
                let source: SharedError = Arc::new(error);
                flight.backoff.failed(source.clone());
                Err(self.unavailable(source))
            }
        }
    }

    /// Serves a new login, and has it kept. One that cannot be kept serves all the same: the one
    /// before is of no use to anybody.
    async fn replace(&self, login: AuthDotJson, flight: &mut Flight) -> Arc<AuthDotJson> {
        let login = Arc::new(login);
        *self.login.lock().unwrap_or_else(PoisonError::into_inner) = login.clone();
        for pause in PAUSES {
            time::sleep(pause).await;
            if self.keep_once(flight).await.is_ok() {
                break;
            }
        }
        login
    }

    async fn keep_once(&self, flight: &mut Flight) -> Result<(), SharedError> {
        if flight.is_kept == Kept::NotYet {
            self.keep.keep(AuthDotJson::clone(&self.login())).await?;
            flight.is_kept = Kept::Yes;
        }
        Ok(())
    }

    /// Why the token may not be posted now.
    fn obstacle(
        &self,
        held: &AuthDotJson,
        reason: RefreshReason,
        flight: &Flight,
    ) -> Option<CredentialError> {
        if held.refresh_token().is_none() {
            let reason = match reason {
                RefreshReason::UnauthorizedRecovery => LoginReason::Refused,
                _ => LoginReason::NoRefreshToken,
            };
            return Some(login_required(&self.profile, reason));
        }
        if let Some(reason) = flight.refused {
            return Some(login_required(&self.profile, reason));
        }
        let just_recovered = flight
            .recovered_at
            .is_some_and(|at| at.elapsed() < RECOVERY_INTERVAL);
        if reason == RefreshReason::UnauthorizedRecovery && just_recovered {
            return Some(login_required(&self.profile, LoginReason::Refused));
        }
        if let Some((times, at)) = flight.unanswered
            && at.elapsed() < pause_after_unanswered(times)
        {
            return Some(self.unavailable(Arc::new(Unanswered)));
        }
        Some(self.unavailable(flight.backoff.blocked(None)?))
    }

    fn refuse(&self, flight: &mut Flight, reason: LoginReason) -> CredentialError {
        flight.refused = Some(reason);
        login_required(&self.profile, reason)
    }

    fn unavailable(&self, source: SharedError) -> CredentialError {
        CredentialError::Unavailable {
            profile: self.profile.clone(),
            source,
        }
    }
}

fn still_lives(login: &AuthDotJson) -> bool {
    let ends = login.access_token_expires_at();
    ends.is_some_and(|ends| ends > Timestamp::now())
}

impl<K> Clone for MemoryLogin<K> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<K> fmt::Debug for MemoryLogin<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLogin")
            .field("profile", &self.shared.profile)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
