//! One refresh from its lock to its end.

use std::{sync::Arc, time::Duration};

use codex_auth::{
    AuthDotJson, CredentialError, LoginReason,
    auth_json::FreshTokens,
    provider::SharedError,
    refresh::{Backoff, RefreshError, RefreshReason},
    secret::RefreshToken,
};
use jiff::Timestamp;
use tokio::{sync::OwnedMutexGuard, time};
use tracing::{info, warn};

use crate::{
    audit::{Action, Auditor, Deed},
    error::StoreError,
    faults::Step,
    ledger::Spent,
    profile::Place,
    refresher::{
        counts::Outcome,
        flight::Flight,
        landing::Unlanded,
        login_required,
        prepare::{Prepared, Spend, Wish},
        same_access,
    },
    store::{ProfileStore, blocking},
    upkeep::Notice,
};

/// How soon a refresh that was left to Codex is looked at again.
const LEFT_TO_CODEX: Duration = Duration::from_secs(5);
/// How long Codex may take to write what it got for the token that we find spent.
const CODEX_COMMIT: [Duration; 6] = [Duration::from_millis(250); 6];

/// A refresh that holds its flight, to be run in a task of its own.
pub(super) struct Exchange {
    store: ProfileStore,
    wish: Arc<Wish>,
    flight: OwnedMutexGuard<Flight<Unlanded>>,
    auditor: Auditor,
    /// Whether what comes of it is the issuer's answer.
    has_spent: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("Codex is running and about to refresh this login itself")]
struct LeftToCodex;

#[derive(Debug, thiserror::Error)]
#[error("the issuer did not answer before; it is asked again later")]
struct Unanswered;

impl Exchange {
    pub(super) fn new(
        store: &ProfileStore,
        place: &Place,
        held: Arc<AuthDotJson>,
        reason: RefreshReason,
        flight: OwnedMutexGuard<Flight<Unlanded>>,
    ) -> Self {
        let wish = Wish {
            place: place.clone(),
            held,
            reason,
        };
        Self {
            store: store.clone(),
            wish: Arc::new(wish),
            flight,
            auditor: store.auditor(),
            has_spent: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<Arc<AuthDotJson>, CredentialError> {
        let done = self.exchange().await;
        let outcome = Outcome::of(&done, &self.wish.held, self.has_spent);
        if let Some(outcome) = outcome {
            self.store.flights.tally.note(outcome);
            self.audit(outcome, &done).await;
        }
        done
    }

    /// What the issuer made of the token; what is only tried again changes nothing.
    async fn audit(&self, outcome: Outcome, done: &Result<Arc<AuthDotJson>, CredentialError>) {
        let deed = match (outcome, done) {
            (Outcome::Refreshed, _) => Deed::new(Action::Refresh),
            (_, Err(CredentialError::LoginRequired { reason, .. })) if self.has_spent => {
                Deed::new(Action::NeedsLogin).with_detail(reason)
            }
            _ => return,
        };
        let deed = deed.with_profile(self.wish.place.reference().as_str());
        self.auditor.note_aside(deed).await;
    }

    async fn exchange(&mut self) -> Result<Arc<AuthDotJson>, CredentialError> {
        if let Some(answer) = self.flight.unlanded.take() {
            self.has_spent = true;
            return self.land(answer).await;
        }
        match self.prepare().await {
            Ok(Prepared::Have(login)) => Ok(login),
            Ok(Prepared::Refused { token, reason }) => Err(self.refuse(token, reason)),
            Ok(Prepared::JustRecovered) => {
                Err(login_required(&self.wish.place, LoginReason::Refused))
            }
            Ok(Prepared::NotYet(pause)) => Err(self.wait(pause, Arc::new(Unanswered))),
            Ok(Prepared::LeftToCodex) => Err(self.leave_to_codex()),
            Ok(Prepared::Spend(spend)) => {
                self.has_spent = true;
                self.spend(spend).await
            }
            Err(error) => {
                let path = self.store.disk.path_of(&self.wish.place);
                let error = error.for_credentials(&path);
                // Nothing was spent; a full disk is not asked again at every request.
                self.backoff().failed(Arc::new(error.clone()));
                Err(error)
            }
        }
    }

    async fn prepare(&self) -> Result<Prepared, StoreError> {
        let (disk, wish) = (self.store.disk.clone(), self.wish.clone());
        blocking(move || disk.prepare(&wish)).await
    }

    /// Asks again soon, and at the latest when the old access token serves no longer.
    fn leave_to_codex(&mut self) -> CredentialError {
        let left = self.wish.held.access_token_expires_at().map(|at| {
            let left = at.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or_default()
        });
        let pause = left.unwrap_or_default().min(LEFT_TO_CODEX);
        self.wait(pause, Arc::new(LeftToCodex))
    }

    fn backoff(&mut self) -> &mut Backoff {
        let token = self.wish.held.refresh_token();
        let token = token.map(RefreshToken::fingerprint);
        self.flight.backoff.of_token(token)
    }

    fn wait(&mut self, pause: Duration, source: SharedError) -> CredentialError {
        self.backoff().pause(pause, source.clone());
        let profile = self.wish.place.reference();
        CredentialError::Unavailable { profile, source }
    }

    async fn spend(&mut self, spend: Spend) -> Result<Arc<AuthDotJson>, CredentialError> {
        let answer = self
            .store
            .endpoint
            .refresh(&spend.login, self.wish.reason)
            .await;
        let _ = self.store.disk.faults.at(Step::Answered);
        match answer {
            Ok(fresh) => self.rotate(spend, fresh).await,
            Err(RefreshError::Refused(reason)) => self.refused(spend, reason).await,
            Err(error) => self.postpone(spend, error).await,
        }
    }

    async fn rotate(
        &mut self,
        spend: Spend,
        fresh: FreshTokens,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let login = self.store.endpoint.successor(&spend.login, fresh);
        if !login.may_follow(&spend.login) {
            return self.keep_stranger(spend, login).await;
        }
        let answer = Unlanded {
            journal: spend.journal.clone(),
            place: self.wish.place.clone(),
            spent: spend.intent.token_fingerprint.clone(),
            reason: Some(self.wish.reason),
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
                info!(profile = %self.wish.place.reference(), "refreshed");
                Ok(answer.login)
            }
            Err(error) => {
                self.flight.unlanded = Some(answer);
                Err(self.store.failed(error))
            }
        }
    }

    /// The issuer answered with somebody else's tokens. They are kept as a profile of their own,
    /// never written over this one, whose token is spent.
    async fn keep_stranger(
        &mut self,
        spend: Spend,
        login: AuthDotJson,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        warn!(profile = %self.wish.place.reference(), "a refresh brought the login of another account");
        let (disk, journal) = (self.store.disk.clone(), spend.journal.clone());
        self.record_spent(&spend).await;
        let kept = blocking(move || {
            if let Err(error) = journal.note_answer(&login) {
                warn!(%error, "another account's tokens could not be noted");
            }
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
        self.record_spent(&spend).await;
        if let Some(login) = self.wait_for_another_owner(&spend.login, reason).await {
            self.has_spent = false;
            self.clear(&spend).await;
            return Ok(login);
        }
        let reason = match spend.intent.attempts {
            0 | 1 => reason,
            _unanswered => reason.after_unanswered(),
        };
        self.give_up(spend, reason).await
    }

    /// Whoever follows is the newer login then, whatever its dates say.
    async fn record_spent(&self, spend: &Spend) {
        let entry = Spent::new(
            &spend.intent.token_fingerprint,
            None,
            Some(self.wish.reason),
        );
        let disk = self.store.disk.clone();
        if let Err(error) = blocking(move || disk.record_spent(entry)).await {
            warn!(%error, "a token could not be noted as spent");
        }
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
            let (disk, place) = (self.store.disk.clone(), self.wish.place.clone());
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
        live.is_ok_and(|live| live.is_ok_and(|live| live.identity() == self.wish.held.identity()))
    }

    /// Records that this very token is of no use any more, so that it is never posted again.
    async fn give_up(
        &mut self,
        spend: Spend,
        reason: LoginReason,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let token = spend.intent.token_fingerprint.clone();
        let (disk, place, refused) = (
            self.store.disk.clone(),
            self.wish.place.clone(),
            token.clone(),
        );
        let recorded = blocking(move || disk.record_refusal(&place, &refused, reason));
        match recorded.await {
            Ok(()) => self.clear(&spend).await,
            // The intent stays, and says enough to whoever comes after us.
            Err(error) => warn!(%error, "a final refusal could not be recorded"),
        }
        Err(self.refuse(token, reason))
    }

    fn refuse(&mut self, token: String, reason: LoginReason) -> CredentialError {
        let profile = self.wish.place.reference();
        let notices = &self.store.notices;
        notices.tell(Notice::LoginRequired { profile, reason });
        self.flight.refused = Some((token, reason));
        login_required(&self.wish.place, reason)
    }

    /// Leaves the token for a later attempt.
    async fn postpone(
        &mut self,
        spend: Spend,
        error: RefreshError,
    ) -> Result<Arc<AuthDotJson>, CredentialError> {
        let profile = self.wish.place.reference();
        warn!(%profile, %error, "not refreshed: it is tried again later");
        let (journal, mut intent) = (spend.journal.clone(), spend.intent.clone());
        let lost = error.leaves_outcome_unknown();
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
        let source: SharedError = Arc::new(error);
        self.backoff().failed(source.clone());
        Err(CredentialError::Unavailable { profile, source })
    }

    async fn clear(&self, spend: &Spend) {
        let journal = spend.journal.clone();
        if let Err(error) = blocking(move || journal.clear()).await {
            warn!(%error, "a settled journal could not be removed");
        }
    }
}
