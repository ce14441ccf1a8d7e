//! One refresh from its lock to its end.

use std::{sync::Arc, time::Duration};

use codex_auth::{
    AuthDotJson, CredentialError, LoginReason,
    auth_json::FreshTokens,
    refresh::{RefreshError, RefreshReason},
    secret::RefreshToken,
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::OwnedMutexGuard,
    time::{self, Instant},
};
use tracing::{info, warn};

use crate::{
    disk::Disk,
    error::StoreError,
    faults::Step,
    fs::{ReadError, atomic, lock::FileLock},
    journal::{RefreshIntent, RefreshJournal, Rescue},
    keep::is_newer,
    profile::Place,
    refresher::{Flight, landing::Unlanded, login_required, same_access},
    state::{NeedsLogin, State},
    store::{ProfileStore, blocking},
};

/// Longer than a refresh of another process can take.
const LOCK_LIMIT: Duration = Duration::from_mins(1);
/// How often a token is posted when no answer comes back.
const MAX_ATTEMPTS: u32 = 2;
/// How long Codex may take to write what it got for the token that we find spent.
const CODEX_COMMIT: [Duration; 6] = [Duration::from_millis(250); 6];

/// A refresh that holds its flight, to be run in a task of its own.
pub(super) struct Exchange {
    store: ProfileStore,
    place: Place,
    held: Arc<AuthDotJson>,
    reason: RefreshReason,
    flight: OwnedMutexGuard<Flight>,
}

/// What the files say once the lock is had.
enum Prepared {
    /// Somebody has refreshed it: this one serves.
    Have(Arc<AuthDotJson>),
    /// The token was refused before, for good.
    Refused { token: String, reason: LoginReason },
    /// The token may be spent.
    Spend(Spend),
}

/// The right to spend one token, and all that is known about it.
struct Spend {
    journal: RefreshJournal,
    intent: RefreshIntent,
    login: Arc<AuthDotJson>,
    lock: Arc<FileLock>,
}

impl Exchange {
    pub(super) fn new(
        store: &ProfileStore,
        place: &Place,
        held: Arc<AuthDotJson>,
        reason: RefreshReason,
        flight: OwnedMutexGuard<Flight>,
    ) -> Self {
        Self {
            store: store.clone(),
            place: place.clone(),
            held,
            reason,
            flight,
        }
    }

    pub(super) async fn run(mut self) -> Result<Arc<AuthDotJson>, CredentialError> {
        if let Some(answer) = self.flight.unlanded.take() {
            return self.land(answer).await;
        }
        match self.prepare().await {
            Ok(Prepared::Have(login)) => Ok(login),
            Ok(Prepared::Refused { token, reason }) => Err(self.refuse(token, reason)),
            Ok(Prepared::Spend(spend)) => self.spend(spend).await,
            Err(error) => {
                let path = self.store.disk.path_of(&self.place);
                let error = error.for_credentials(&path);
                // Nothing was spent; a full disk is not asked again at every request.
                self.flight.backoff.failed(Arc::new(error.clone()));
                Err(error)
            }
        }
    }

    async fn prepare(&self) -> Result<Prepared, StoreError> {
        let disk = self.store.disk.clone();
        let (place, held) = (self.place.clone(), self.held.clone());
        blocking(move || disk.prepare(&place, &held)).await
    }

    async fn spend(&mut self, spend: Spend) -> Result<Arc<AuthDotJson>, CredentialError> {
        let answer = self.store.endpoint.refresh(&spend.login, self.reason).await;
        let _ = self.store.disk.faults.at(Step::Answered);
        match answer {
            Ok(fresh) => self.rotate(spend, fresh).await,
            Err(RefreshError::Refused(reason)) => self.refused(spend, reason).await,
            Err(RefreshError::UnreadableAnswer) => {
                self.give_up(spend, LoginReason::OutcomeUnknown).await
            }
            Err(error) => self.postpone(spend, error).await,
        }
    }

    async fn rotate(
        &mut self,
        spend: Spend,
        fresh: FreshTokens,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let mut login = AuthDotJson::clone(&spend.login);
        login.rotate(fresh, later_than(&spend.login));
        if !login.may_follow(&spend.login) {
            return self.keep_stranger(spend, login).await;
        }
        let answer = Unlanded {
            journal: spend.journal.clone(),
            place: self.place.clone(),
            spent: spend.intent.token_fingerprint.clone(),
            login: Arc::new(login),
            _lock: spend.lock.clone(),
        };
        self.land(answer).await
    }

    async fn land(&mut self, answer: Unlanded) -> Result<Arc<AuthDotJson>, CredentialError> {
        let (disk, landing) = (self.store.disk.clone(), answer.clone());
        match blocking(move || disk.land(&landing)).await {
            Ok(()) => {
                self.flight.backoff.reset();
                self.flight.refused = None;
                if self.reason == RefreshReason::UnauthorizedRecovery {
                    self.note_recovery(&answer.login);
                }
                info!(profile = %self.place.reference(), "refreshed");
                Ok(answer.login)
            }
            Err(error) => {
                self.flight.unlanded = Some(answer);
                Err(self.store.failed(error))
            }
        }
    }

    fn note_recovery(&mut self, login: &AuthDotJson) {
        let now = Some(Instant::now());
        self.flight.recovered = now;
        // A login that named no owner has another identity, so another flight, from now on.
        let next = self.store.flights.of(&login.identity().fingerprint());
        if let Ok(mut next) = next.try_lock_owned() {
            next.recovered = now;
        }
    }

    /// The issuer answered with somebody else's tokens. They are kept as a profile of their own,
    /// never written over this one, whose token is spent.
    async fn keep_stranger(
        &mut self,
        spend: Spend,
        login: AuthDotJson,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        warn!(profile = %self.place.reference(), "a refresh brought the login of another account");
        let (disk, journal) = (self.store.disk.clone(), spend.journal.clone());
        let kept = blocking(move || {
            journal.note_answer(&login)?;
            disk.keep(&disk.lock_profiles()?, &login, None)
        });
        match kept.await {
            Ok(_) => self.give_up(spend, LoginReason::OutcomeUnknown).await,
            Err(error) => Err(self.store.failed(error)),
        }
    }

    async fn refused(
        &mut self,
        spend: Spend,
        reason: LoginReason,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        if let Some(login) = self.wait_for_another_owner(&spend.login, reason).await {
            self.clear(&spend).await;
            return Ok(login);
        }
        let unanswered_before = spend.intent.attempts > 1;
        let reason = match reason {
            LoginReason::Reused | LoginReason::Revoked if unanswered_before => {
                LoginReason::OutcomeUnknown
            }
            reason => reason,
        };
        self.give_up(spend, reason).await
    }

    /// A token that is used up was spent by somebody: Codex, most likely, which writes what it got
    /// a moment later.
    async fn wait_for_another_owner(
        &self,
        spent: &Arc<AuthDotJson>,
        reason: LoginReason,
    ) -> Option<Arc<AuthDotJson>> {
        if !matches!(reason, LoginReason::Reused | LoginReason::Revoked) {
            return None;
        }
        for pause in CODEX_COMMIT {
            let (disk, place) = (self.store.disk.clone(), self.place.clone());
            let newest = blocking(move || Ok(disk.newest(&place).ok())).await.ok()?;
            let newest = newest.filter(|login| !same_access(login, spent));
            if newest.is_some() || !self.is_shared_with_codex().await {
                return newest;
            }
            time::sleep(pause).await;
        }
        None
    }

    async fn is_shared_with_codex(&self) -> bool {
        let live = self.store.login_at(&Place::Live).await;
        live.is_ok_and(|live| live.is_ok_and(|live| live.identity() == self.held.identity()))
    }

    /// Records that this very token is of no use any more, so that it is never posted again.
    async fn give_up(
        &mut self,
        spend: Spend,
        reason: LoginReason,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let token = spend.intent.token_fingerprint.clone();
        let (disk, place, refused) = (self.store.disk.clone(), self.place.clone(), token.clone());
        let recorded = blocking(move || disk.record_refusal(&place, &refused, reason));
        match recorded.await {
            Ok(()) => self.clear(&spend).await,
            // The intent stays, and says enough to whoever comes after us.
            Err(error) => warn!(%error, "a final refusal could not be recorded"),
        }
        Err(self.refuse(token, reason))
    }

    fn refuse(&mut self, token: String, reason: LoginReason) -> CredentialError {
        warn!(profile = %self.place.reference(), %reason, "must log in again");
        self.flight.refused = Some((token, reason));
        login_required(&self.place, reason)
    }

    /// Leaves the token for a later attempt.
    async fn postpone(
        &mut self,
        spend: Spend,
        error: RefreshError,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let profile = self.place.reference();
        warn!(%profile, %error, "not refreshed: it is tried again later");
        let (journal, mut intent) = (spend.journal.clone(), spend.intent.clone());
        let lost = !matches!(error, RefreshError::NotSent(_) | RefreshError::Failed(_));
        let noted = blocking(move || {
            if lost {
                return Ok(());
            }
            // This attempt does not count: the issuer did not use the token.
            intent.attempts -= 1;
            match intent.attempts {
                0 => journal.clear(),
                _ => journal.rewrite(&intent),
            }
        });
        if let Err(error) = noted.await {
            warn!(%error, "the journal of a refresh could not be brought up to date");
        }
        drop(spend);
        let source: codex_auth::provider::SharedError = Arc::new(error);
        self.flight.backoff.failed(source.clone());
        Err(CredentialError::Unavailable { profile, source })
    }

    async fn clear(&self, spend: &Spend) {
        let journal = spend.journal.clone();
        if let Err(error) = blocking(move || journal.clear()).await {
            warn!(%error, "a settled journal could not be removed");
        }
    }
}

/// Now, or just after the login was last written by a clock that was ahead of ours: what follows
/// must not look older than what it replaces.
fn later_than(login: &AuthDotJson) -> Timestamp {
    let tick = SignedDuration::from_nanos(1);
    let after = login
        .last_refresh()
        .and_then(|at| at.checked_add(tick).ok());
    after.unwrap_or(Timestamp::MIN).max(Timestamp::now())
}

impl Disk {
    /// Takes the identity's lock, reads everything again, and notes the intent if there is no way
    /// around spending the token.
    fn prepare(&self, place: &Place, held: &Arc<AuthDotJson>) -> Result<Prepared, StoreError> {
        let fingerprint = held.identity().fingerprint();
        let lock = FileLock::acquire(&self.home.refresh_lock(&fingerprint), 0o600, LOCK_LIMIT)?;
        let journal = RefreshJournal::new(self, &fingerprint);
        self.wait_for_codex_to_commit(held);
        let rescued = journal.rescue()?;
        if let Err(error) = self.settle(&journal) {
            // The answer of an earlier refresh is on disk, if not where it belongs.
            return match rescued {
                Rescue::Answer(login) if login.may_follow(held) => {
                    Ok(Prepared::Have(Arc::new(login)))
                }
                _ => Err(error),
            };
        }
        let login = self
            .newest(place)
            .map_err(StoreError::unusable(&self.path_of(place)))?;
        if !same_access(&login, held) || login.identity() != held.identity() {
            self.adopt_for(place, &login);
            return Ok(Prepared::Have(login));
        }
        self.prepare_to_spend(place, login, journal, lock)
    }

    /// Codex has its answer already while it holds this lock: what it writes is to be adopted.
    fn wait_for_codex_to_commit(&self, held: &AuthDotJson) {
        if self
            .live()
            .is_ok_and(|live| live.identity() == held.identity())
            && let Err(error) = self.lock_codex()
        {
            warn!(%error, "Codex may be writing its login");
        }
    }

    fn prepare_to_spend(
        &self,
        place: &Place,
        login: Arc<AuthDotJson>,
        journal: RefreshJournal,
        lock: FileLock,
    ) -> Result<Prepared, StoreError> {
        let token = login.refresh_token().map(RefreshToken::fingerprint);
        let token = token.unwrap_or_default();
        if let Some(reason) = State::load(&self.home)?.refusal_of(&token) {
            return Ok(Prepared::Refused { token, reason });
        }
        let before = journal
            .intent()?
            .filter(|intent| intent.token_fingerprint == token);
        let attempts = before.map_or(1, |intent| intent.attempts + 1);
        if attempts > MAX_ATTEMPTS {
            let reason = LoginReason::OutcomeUnknown;
            self.record_refusal(place, &token, reason)?;
            return Ok(Prepared::Refused { token, reason });
        }
        self.probe(place, &login)?;
        let intent = RefreshIntent::new(place, token, attempts);
        journal.begin(&intent, &login)?;
        Ok(Prepared::Spend(Spend {
            journal,
            intent,
            login,
            lock: Arc::new(lock),
        }))
    }

    /// Whether the answer could be written just now; else the token is not spent.
    fn probe(&self, place: &Place, login: &AuthDotJson) -> Result<(), StoreError> {
        let path = self.path_of(place);
        atomic::probe(&path, login.to_bytes().len()).map_err(StoreError::io(&path))
    }

    pub(super) fn record_refusal(
        &self,
        place: &Place,
        token: &str,
        reason: LoginReason,
    ) -> Result<(), StoreError> {
        let fact = NeedsLogin {
            reason,
            token_fingerprint: token.to_owned(),
            at: Timestamp::now(),
        };
        let label = place.reference();
        State::update(&self.home, |state| {
            state.set_needs_login(label.as_str(), Some(&fact));
        })
        .map(drop)
    }

    /// The newest copy of the login at a place, wherever it lies.
    fn newest(&self, place: &Place) -> Result<Arc<AuthDotJson>, ReadError> {
        let mut newest = self.login(place)?;
        let copies = self.of_identity(&newest.identity()).unwrap_or_default();
        let copies = copies.into_iter().map(|(_, login)| login);
        for copy in copies.chain(self.live()) {
            if copy.identity() == newest.identity() && is_newer(&copy, &newest) {
                newest = copy;
            }
        }
        Ok(newest)
    }

    fn adopt_for(&self, place: &Place, login: &AuthDotJson) {
        let adopted = match place {
            Place::Profile(name) => self.adopt(name, login),
            Place::Live => self.publish_newer(login),
        };
        if let Err(error) = adopted {
            warn!(%error, "a newer copy of a login could not be adopted");
        }
    }
}
