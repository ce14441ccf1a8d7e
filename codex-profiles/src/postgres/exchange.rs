//! One refresh from its lock to its end, in a task of its own.

use std::{sync::Arc, time::Duration};

use codex_auth::{
    CredentialError, LoginReason,
    auth_json::FreshTokens,
    provider::SharedError,
    refresh::{RefreshError, RefreshReason},
};
use tokio::{
    sync::OwnedMutexGuard,
    time::{self, Instant},
};
use tracing::{info, warn};

use crate::{
    faults::Step,
    postgres::{
        PostgresError,
        intent::{Begun, Intent},
        shared::{Claim, Shared},
        table::{self, Answer, Landed, Look, Stored, Wish},
    },
    refresher::flight::Flight,
};

/// How often a token is looked at that another replica is at work on.
const POLL: Duration = Duration::from_millis(200);
/// How long another replica is waited for, beyond the time that it may need.
const WAIT_LIMIT: Duration = Duration::from_secs(20);
/// A database that does not take the answer may do so a moment later.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(250),
];
/// How often a database that is away is tried again. Well within every other replica's patience.
const RETRY: Duration = Duration::from_millis(500);

/// A refresh that holds its flight.
pub(super) struct Exchange {
    shared: Arc<Shared>,
    flight: OwnedMutexGuard<Flight<Answer>>,
    wish: Wish,
    claim: Option<Arc<Claim>>,
}

/// An attempt of another replica's, over which connection it is watched, and since when.
#[derive(Default)]
struct Watch(Option<(String, u64, Instant)>);

/// What was seen over which connection, and when it was asked for.
struct Seen {
    look: Look,
    session: u64,
    asked_at: Instant,
}

#[derive(Debug, thiserror::Error)]
#[error("another replica is at work on this login")]
struct AtWork;

#[derive(Debug, thiserror::Error)]
#[error("the issuer did not answer before; it is asked again later")]
struct Unanswered;

#[derive(Debug, thiserror::Error)]
#[error("this program did not come to post the token in time")]
struct TooLate;

impl Exchange {
    pub(super) fn new(
        shared: &Arc<Shared>,
        held: Stored,
        reason: RefreshReason,
        flight: OwnedMutexGuard<Flight<Answer>>,
    ) -> Self {
        let wish = Wish {
            held,
            reason,
            attempt: shared.attempt(),
            watched: None,
        };
        Self {
            shared: shared.clone(),
            flight,
            wish,
            claim: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<Stored, CredentialError> {
        if let Some(answer) = self.flight.unlanded.take() {
            return match self.shared.land(&answer).await {
                Ok(landed) => self.landed(landed),
                // Whoever tries again and again does so still.
                Err(_) => self.keep_in_memory(answer),
            };
        }
        match self.look_until_decided().await {
            Ok(seen) => self.go_on(seen).await,
            Err(error) => {
                let error = error.for_credentials();
                // Nothing was spent; a database that is away is not asked at every request, and not
                // much later than it is back.
                self.pause(Some(RETRY), Arc::new(error.clone()));
                Err(error)
            }
        }
    }

    async fn go_on(&mut self, seen: Seen) -> Result<Stored, CredentialError> {
        match seen.look {
            Look::Have(stored) => {
                self.shared.known.remember(&stored);
                Ok(stored)
            }
            Look::Gone => {
                self.shared.known.forget(self.wish.held.profile.as_str());
                let profile = self.wish.held.profile.clone();
                Err(CredentialError::UnknownProfile(profile))
            }
            Look::Refused(reason) => Err(self.remember_refusal(reason)),
            Look::JustRecovered => Err(self.login_required(LoginReason::Refused)),
            Look::NotYet(pause) => Err(self.pause(Some(pause), Arc::new(Unanswered))),
            Look::Busy | Look::Begun(_) => Err(self.pause(Some(POLL), Arc::new(AtWork))),
            Look::Spend(intent) => self.spend(intent, seen.asked_at).await,
        }
    }

    /// Looks again for as long as another replica is at work on the token. One whose attempt does
    /// not end, and whose lock is free, is taken for dead once it was watched for longer than its
    /// attempt can take, over one and the same connection: while the database was away, it could
    /// not have written what it got.
    async fn look_until_decided(&mut self) -> Result<Seen, PostgresError> {
        let since = Instant::now();
        let mut patience = self.shared.patience();
        let mut watch = Watch::default();
        loop {
            let seen = self.look().await?;
            match &seen.look {
                Look::Begun(begun) => {
                    patience = patience.max(begun.patience);
                    if watch.has_lasted(begun, seen.session) {
                        self.wish.watched = Some(begun.attempt.clone());
                        continue;
                    }
                }
                Look::Busy => watch = Watch::default(),
                _ => return Ok(seen),
            }
            if since.elapsed() > patience + WAIT_LIMIT {
                return Ok(seen);
            }
            time::sleep(POLL).await;
        }
    }

    async fn look(&mut self) -> Result<Seen, PostgresError> {
        self.shared.at(Step::BeforeIntentNoted);
        if self.claim.is_none() {
            self.claim = self.shared.claims.claim(self.wish.held.token());
        }
        if self.claim.is_none() {
            return Ok(Seen {
                look: Look::Busy,
                session: u64::MAX,
                asked_at: Instant::now(),
            });
        }
        let mut turn = self.shared.link.turn().await?;
        let (session, asked_at) = (turn.session(), Instant::now());
        let wish = &self.wish;
        let look = turn
            .run(async move |client| table::look(client, wish).await)
            .await?;
        Ok(Seen {
            look,
            session,
            asked_at,
        })
    }

    async fn spend(
        &mut self,
        intent: Intent,
        asked_at: Instant,
    ) -> Result<Stored, CredentialError> {
        self.shared.at(Step::IntentNoted);
        // Half of what others allow for beyond the post itself; the rest is for storing the answer.
        if asked_at.elapsed() > self.shared.slack() / 2 {
            return self.take_back(&intent, Arc::new(TooLate)).await;
        }
        let posted = self
            .shared
            .endpoint
            .refresh(&self.wish.held.login, self.wish.reason)
            .await;
        self.shared.at(Step::Answered);
        match posted {
            Ok(fresh) => self.rotate(fresh).await,
            Err(RefreshError::Refused(reason)) => self.refused(&intent, reason).await,
            Err(error) if error.leaves_outcome_unknown() => {
                self.leave_unanswered(&intent, error).await
            }
            Err(error) => self.take_back(&intent, Arc::new(error)).await,
        }
    }

    async fn rotate(&mut self, fresh: FreshTokens) -> Result<Stored, CredentialError> {
        let held = &self.wish.held;
        let login = self.shared.endpoint.successor(&held.login, fresh);
        let stranger = !login.may_follow(&held.login);
        if stranger {
            warn!(profile = %held.profile, "a refresh brought the login of another account");
        }
        let answer = Answer {
            profile: held.profile.clone(),
            spent: held.token(),
            reason: Some(self.wish.reason),
            login: Arc::new(login),
            stranger,
            claim: self.claim.clone(),
        };
        if let Err(error) = self.shared.rescue.note(&answer).await {
            warn!(profile = %answer.profile, %error, "an answer has no rescue file");
        }
        self.shared.at(Step::AnswerNoted);
        self.land(answer).await
    }

    /// Brings an answer to the database. Where that is away, the answer serves from memory, and is
    /// tried again until it is there.
    async fn land(&mut self, answer: Answer) -> Result<Stored, CredentialError> {
        let mut landed = Err(PostgresError::TimedOut);
        for pause in PAUSES {
            time::sleep(pause).await;
            landed = self.shared.land(&answer).await;
            if landed.is_ok() {
                break;
            }
        }
        match landed {
            Ok(landed) => self.landed(landed),
            Err(error) => {
                warn!(profile = %answer.profile, %error, "refreshed tokens are not stored yet");
                let flight = OwnedMutexGuard::mutex(&self.flight).clone();
                tokio::spawn(self.shared.clone().land_later(flight, RETRY));
                self.keep_in_memory(answer)
            }
        }
    }

    /// Nobody else has it. What came for another account serves nobody here.
    fn keep_in_memory(&mut self, answer: Answer) -> Result<Stored, CredentialError> {
        let login = answer.login.clone();
        let stranger = answer.stranger;
        if !stranger {
            self.shared.known.serve_unwritten(&answer);
        }
        self.flight.unlanded = Some(answer);
        if stranger {
            return Err(self.login_required(LoginReason::OutcomeUnknown));
        }
        Ok(Stored {
            login,
            refused: None,
            ..self.wish.held.clone()
        })
    }

    fn landed(&mut self, landed: Landed) -> Result<Stored, CredentialError> {
        self.flight.backoff.reset();
        self.flight.refused = None;
        match landed {
            Landed::Stored(stored) if stored.profile == self.wish.held.profile => {
                info!(profile = %stored.profile, "refreshed");
                Ok(stored)
            }
            Landed::Superseded(stored) => match stored.refused {
                Some(reason) => Err(self.remember_refusal(reason)),
                None => Ok(stored),
            },
            // Removed, and the login perhaps put again under another name.
            Landed::Stored(_) | Landed::Gone => {
                let profile = self.wish.held.profile.clone();
                Err(CredentialError::UnknownProfile(profile))
            }
        }
    }

    async fn refused(
        &mut self,
        intent: &Intent,
        reason: LoginReason,
    ) -> Result<Stored, CredentialError> {
        let reason = match intent.attempts {
            0 | 1 => reason,
            _unanswered => reason.after_unanswered(),
        };
        match self.shared.refuse(&self.wish.held, reason).await {
            // Somebody has signed in again meanwhile.
            Ok(Some(other)) => return Ok(other),
            Ok(None) => {}
            // The intent stays, and says enough to whoever comes after us.
            Err(error) => warn!(%error, "a final refusal could not be recorded"),
        }
        Err(self.remember_refusal(reason))
    }

    /// Leaves the token for a later attempt, which may find it used.
    async fn leave_unanswered(
        &mut self,
        intent: &Intent,
        error: RefreshError,
    ) -> Result<Stored, CredentialError> {
        let profile = &self.wish.held.profile;
        warn!(%profile, %error, "not refreshed: it is tried again later");
        let noted = self
            .shared
            .end_attempt(&self.wish.held, async |client| {
                intent.leave_unanswered(client).await
            })
            .await;
        warn_unnoted(noted);
        Err(self.pause(None, Arc::new(error)))
    }

    /// Leaves the token for a later attempt: it is as good as before.
    async fn take_back(
        &mut self,
        intent: &Intent,
        source: SharedError,
    ) -> Result<Stored, CredentialError> {
        let profile = &self.wish.held.profile;
        warn!(%profile, error = %source, "not refreshed: it is tried again later");
        let noted = self
            .shared
            .end_attempt(&self.wish.held, async |client| {
                intent.take_back(client).await
            })
            .await;
        warn_unnoted(noted);
        Err(self.pause(None, source))
    }

    /// Posts nothing for this token for a while: so long, or longer after each failure.
    fn pause(&mut self, length: Option<Duration>, source: SharedError) -> CredentialError {
        let token = table::token_of(&self.wish.held.login);
        let backoff = self.flight.backoff.of_token(token);
        match length {
            Some(length) => backoff.pause(length, source.clone()),
            None => backoff.failed(source.clone()),
        }
        let profile = self.wish.held.profile.clone();
        CredentialError::Unavailable { profile, source }
    }

    fn remember_refusal(&mut self, reason: LoginReason) -> CredentialError {
        self.flight.refused = Some((self.wish.held.token(), reason));
        self.login_required(reason)
    }

    fn login_required(&self, reason: LoginReason) -> CredentialError {
        let profile = self.wish.held.profile.clone();
        CredentialError::LoginRequired { profile, reason }
    }
}

fn warn_unnoted(noted: Result<(), PostgresError>) {
    if let Err(error) = noted {
        warn!(%error, "the end of an attempt could not be noted");
    }
}

impl Watch {
    /// Whether this attempt was seen for as long as it has to be; a new one begins anew.
    fn has_lasted(&mut self, begun: &Begun, session: u64) -> bool {
        match &self.0 {
            Some((attempt, watched_over, since))
                if *attempt == begun.attempt && *watched_over == session =>
            {
                since.elapsed() >= begun.patience
            }
            _ => {
                self.0 = Some((begun.attempt.clone(), session, Instant::now()));
                false
            }
        }
    }
}
