//! What a replica has, and its tasks share.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use codex_auth::{LoginReason, ProfileRef, refresh::TokenEndpoint};
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{self, Instant},
};
use tokio_postgres::Client;
use tracing::{debug, info, warn};

use crate::{
    faults::{Faults, Step},
    memory::lock,
    postgres::{
        PostgresError,
        intent::Attempt,
        known::Known,
        link::{Dirty, Link},
        rescue::RescueFolder,
        table::{self, Answer, Landed, Stored},
    },
    refresher::flight::{Flight, FlightMap},
};

/// How often is asked whether anything has changed that nobody told of.
const POLL: Duration = Duration::from_secs(30);
/// How soon a database that is away is asked again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) endpoint: TokenEndpoint,
    pub(super) known: Known,
    pub(super) flights: FlightMap<Answer>,
    pub(super) claims: Claims,
    pub(super) rescue: RescueFolder,
    pub(super) default_profile: Option<ProfileRef>,
    pub(super) faults: Faults,
    /// Tells this replica's attempts from the others'.
    pub(super) replica: String,
}

/// The tokens that this replica is at work on. Flights go by profile, and the database's locks by
/// session: neither keeps two profiles of one replica from one token, which a profile that is
/// removed leaves to the one that it is put as next.
#[derive(Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<String>>>);

/// The right to look at a token, and to spend it; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    token: String,
    claims: Arc<Mutex<HashSet<String>>>,
}

impl Claims {
    /// `None` while somebody else here has it.
    pub(super) fn claim(&self, token: String) -> Option<Arc<Claim>> {
        let claims = self.0.clone();
        let is_ours = lock(&claims).insert(token.clone());
        is_ours.then(|| Arc::new(Claim { token, claims }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.claims).remove(&self.token);
    }
}

impl Shared {
    pub(super) fn attempt(&self) -> Attempt {
        Attempt {
            replica: self.replica.clone(),
            patience: self.patience(),
        }
    }

    /// How long an attempt of ours can take, from its note to its end, and a third of that more.
    pub(super) fn patience(&self) -> Duration {
        self.endpoint.answer_limit() + self.slack()
    }

    pub(super) fn slack(&self) -> Duration {
        self.endpoint.answer_limit() / 3
    }

    /// Passes a step, unless a test has the program die there.
    pub(super) fn at(&self, step: Step) {
        let _ = self.faults.at(step);
    }

    /// The login of a profile as the database has it now, or `None` where there is none.
    pub(super) async fn read(&self, profile: &str) -> Result<Option<Stored>, PostgresError> {
        let mut turn = self.link.turn().await?;
        let stored = turn
            .run(async |client| table::read(client, profile).await)
            .await?;
        match &stored {
            Some(stored) => self.known.remember(stored),
            None => self.known.forget(profile),
        }
        Ok(stored)
    }

    /// Brings an answer to the database, and forgets it elsewhere.
    pub(super) async fn land(&self, answer: &Answer) -> Result<Landed, PostgresError> {
        let landed = self.store(answer).await?;
        self.rescue.forget(answer).await;
        Ok(landed)
    }

    async fn store(&self, answer: &Answer) -> Result<Landed, PostgresError> {
        let mut turn = self.link.turn().await?;
        let schema = self.link.schema();
        let landed = turn
            .run(async |client| table::land(client, answer, schema).await)
            .await?;
        self.at(Step::Landed);
        if let Landed::Stored(stored) | Landed::Superseded(stored) = &landed {
            self.known.remember(stored);
        }
        let unlocked = turn
            .run(async |client| table::unlock(client, &answer.spent).await)
            .await;
        if let Err(error) = unlocked {
            debug!(%error, "the lock of a spent token ended with its connection");
        }
        Ok(landed)
    }

    /// Tries until the database has taken the answer, however long that is.
    pub(super) async fn land_later(
        self: Arc<Self>,
        flight: Arc<AsyncMutex<Flight<Answer>>>,
        pause: Duration,
    ) {
        loop {
            time::sleep(pause).await;
            let mut flight = flight.lock().await;
            let Some(answer) = flight.unlanded.take() else {
                return;
            };
            match self.land(&answer).await {
                Ok(_) => {
                    info!(profile = %answer.profile, "refreshed tokens are stored now");
                    return;
                }
                Err(error) => {
                    debug!(profile = %answer.profile, %error, "not stored yet");
                    flight.unlanded = Some(answer);
                }
            }
        }
    }

    /// Puts what an earlier run could not store in its place.
    pub(super) async fn land_rescued(&self) -> Result<(), PostgresError> {
        for answer in self.rescue.answers().await? {
            // It may be another database than the one of the run that left it.
            if let Landed::Gone = self.store(&answer).await? {
                warn!(profile = %answer.profile, "a rescued answer is of a profile that is not here");
                continue;
            }
            self.rescue.forget(&answer).await;
            info!(profile = %answer.profile, "the answer of an earlier run is stored");
        }
        Ok(())
    }

    pub(super) async fn refuse(
        &self,
        held: &Stored,
        reason: LoginReason,
    ) -> Result<Option<Stored>, PostgresError> {
        let (token, schema) = (held.token(), self.link.schema());
        let mut turn = self.link.turn().await?;
        let other = turn
            .run(async |client| {
                let other = table::refuse(client, &held.profile, &token, reason, schema).await?;
                table::unlock(client, &token).await?;
                Ok(other)
            })
            .await?;
        if let Some(other) = &other {
            self.known.remember(other);
        }
        Ok(other)
    }

    /// Notes how an attempt ended that brought nothing, and lets others have the token.
    pub(super) async fn end_attempt(
        &self,
        held: &Stored,
        note: impl AsyncFnOnce(&mut Client) -> Result<(), PostgresError>,
    ) -> Result<(), PostgresError> {
        let token = held.token();
        let mut turn = self.link.turn().await?;
        turn.run(async |client| {
            note(client).await?;
            table::unlock(client, &token).await
        })
        .await
    }

    /// Reads again what others have changed.
    async fn reload(&self) -> Result<(), PostgresError> {
        // The connection first: a new one makes everything worth reading.
        let mut turn = self.link.turn().await?;
        let changed = self.link.dirty.take();
        let wanted = |profile: &str| changed.all || changed.profiles.contains(profile);
        let known = self.known.versions(wanted);
        if known.is_empty() {
            return Ok(());
        }
        let read = turn.run(async |client| table::changed(client, &known).await);
        for (profile, stored) in read.await? {
            match stored {
                Some(stored) => self.known.remember(&stored),
                None => self.known.forget(&profile),
            }
        }
        Ok(())
    }
}

/// Keeps what is known in step with the database, for as long as somebody has the replica.
pub(super) async fn follow(shared: Weak<Shared>, dirty: Arc<Dirty>) {
    let mut ask_at = Instant::now() + POLL;
    let mut reached = true;
    loop {
        if time::timeout_at(ask_at, dirty.told()).await.is_err() {
            dirty.all();
            ask_at = Instant::now() + POLL;
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let reloaded = shared.reload().await;
        drop(shared);
        match reloaded {
            Ok(()) => reached = true,
            Err(error) => {
                if mem::replace(&mut reached, false) {
                    warn!(%error, "logins are served from memory alone");
                }
                dirty.all();
                time::sleep(RETRY).await;
            }
        }
    }
}
