//! Logins in PostgreSQL, for a service that runs on several machines.
//!
//! Every replica opens one connection, and is a
//! [`CredentialProvider`](codex_auth::CredentialProvider) that serves from memory: a request whose
//! login is fresh costs no query. What one replica changes the others hear of (`LISTEN`), read
//! again when their connection was lost, and ask for every 30 seconds; one that has heard of
//! nothing still learns of it before it would spend a token.
//!
//! ```no_run
//! use codex_auth::{AuthDotJson, Issuer, ProfileRef, refresh::TokenEndpoint};
//! use codex_profiles::postgres::PostgresSettings;
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = PostgresSettings::parse("postgres://router@db.example/router?sslmode=require")?
//!     .with_default_profile(ProfileRef::new("work"))
//!     .with_rescue_folder("/var/lib/my-service/codex");
//! let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::default());
//! let logins = settings.connect(endpoint).await?;
//! logins.migrate().await?;
//! let login = AuthDotJson::parse(&std::fs::read("auth.json")?)?; // of a sign-in of its own
//! logins.put(&ProfileRef::new("work"), &login).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A refresh
//!
//! By whichever replica, in a task of its own that a client which hangs up does not end:
//!
//! 1. One transaction: take the advisory lock **of the token**, for the session; read the row
//!    again; take over what another replica has written, and post nothing; never post a token of
//!    the table `spent`; else write the row of `intent` (the token's hash, how many attempts, when,
//!    by which replica, and how long an attempt of its can take). Commit.
//! 2. Post. No transaction is open meanwhile. Where half of what others allow for has passed before
//!    the post began, it is not made.
//! 3. Note the answer in the rescue folder, if there is one.
//! 4. One transaction: put the answer in the place of the very token that was spent (else somebody
//!    has signed in again, and nothing is replaced); add the token to `spent`; remove the intent;
//!    tell the others. Commit, unlock.
//!
//! **No answer**: as on disk; one more attempt, then one after a minute, ten, an hour. Only the
//! issuer's own word ends that: [`LoginReason::OutcomeUnknown`].
//!
//! **A lock says that its owner may be at work; a free lock does not say that it is not**: its
//! connection may have died while it posted. So an attempt which its replica has not ended is
//! waited for, from when another one first sees it, for the time limit of an answer and a third of
//! that (40 seconds unless [`with_answer_limit`](TokenEndpoint::with_answer_limit) says otherwise),
//! over one and the same connection: where the database was away, the time begins anew, since
//! whoever holds an answer could not write it either. It tries twice a second. This waiting goes by
//! each replica's own monotonic clock; ages are the database's. Meanwhile the old access token
//! serves while it lives.
//!
//! **The database is away**: logins that are known go on serving. Nothing is posted, since nothing
//! can be noted. An answer that had been asked for already serves from memory at the replica that
//! has it, which tries until it is stored.
//!
//! # The windows that remain
//!
//! - A replica is killed between the issuer's answer and the commit, or the rescue file:
//!   milliseconds. One more attempt is made, and ends as `OutcomeUnknown`.
//! - The same while the database is away, which may be long. A rescue folder closes it, if the
//!   replica is started again on that folder before others have waited long enough.
//! - A replica that has an answer is cut off from the database, for longer than others wait, while
//!   these are not: they make one more attempt, which ends the login.
//! - A replica is frozen, with its connection dead, just between its last look at the clock and
//!   the post, for longer than others wait.
//! - The database forgets commits: an older backup is restored, or an asynchronous standby
//!   promoted. The spent token is back, and is posted once.
//!
//! # What it needs
//!
//! A schema of its own, `codex_router`, made by [`PostgresLogins::migrate`] (or empty, and given to
//! its user); PostgreSQL 12 or newer; a connection that stays the same session (no `PgBouncer` in
//! transaction mode), to the primary. One sign-in belongs to one profile: a login that is in a
//! Codex's `auth.json` as well would be spent by both.
//!
//! The column `auth_json` holds living tokens in the clear: who may read the table, its backups and
//! its replication may use the logins. Encryption at rest is the database's matter. Statements have
//! the tokens as parameters, which PostgreSQL logs only where `log_statement` or a low
//! `log_min_duration_statement` is set and `log_parameter_max_length` is not 0. The log of this
//! program does not show them, also at the level `debug`.

mod error;
mod exchange;
mod intent;
mod known;
mod link;
mod provider;
mod rescue;
mod schema;
mod secret;
mod settings;
mod shared;
mod table;

use std::sync::Arc;

use codex_auth::{
    AuthDotJson, CredentialError, Credentials, LoginReason, ProfileRef,
    refresh::{Freshness, RefreshReason, TokenEndpoint},
};
use jiff::Timestamp;
use tracing::warn;

pub use error::PostgresError;
pub use settings::PostgresSettings;

use self::{
    known::Known,
    link::Link,
    provider::credentials_of,
    rescue::RescueFolder,
    shared::{Claims, Shared, follow},
    table::Stored,
};
use crate::refresher::flight::FlightMap;

/// The longest name of a profile.
const MAX_NAME_BYTES: usize = 200;

/// The logins of one database, as one replica sees them: a
/// [`CredentialProvider`](codex_auth::CredentialProvider). Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct PostgresLogins {
    shared: Arc<Shared>,
}

/// A login as the database has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredLogin {
    /// What it is called.
    pub profile: ProfileRef,
    /// The login itself.
    pub login: Arc<AuthDotJson>,
    /// Why one must sign in again, if one must.
    pub refused: Option<LoginReason>,
}

impl From<Stored> for StoredLogin {
    fn from(stored: Stored) -> Self {
        Self {
            profile: stored.profile,
            login: stored.login,
            refused: stored.refused,
        }
    }
}

impl PostgresLogins {
    async fn connect(
        settings: PostgresSettings,
        endpoint: TokenEndpoint,
    ) -> Result<Self, PostgresError> {
        let shared = Arc::new(Shared {
            link: Link::new(&settings)?,
            endpoint,
            known: Known::default(),
            flights: FlightMap::default(),
            claims: Claims::default(),
            rescue: RescueFolder(settings.rescue_folder),
            default_profile: settings.default_profile,
            faults: settings.faults,
            replica: uuid::Uuid::new_v4().to_string(),
        });
        drop(shared.link.turn().await?);
        match shared.land_rescued().await {
            // They wait for their tables.
            Ok(()) | Err(PostgresError::NotMigrated) => {}
            Err(error) => return Err(error),
        }
        tokio::spawn(follow(Arc::downgrade(&shared), shared.link.dirty.clone()));
        Ok(Self { shared })
    }

    /// Makes the tables, and their schema, where they are missing; else does nothing. Any number of
    /// replicas may do so at the same time.
    ///
    /// # Errors
    /// [`PostgresError::Refused`] where the user may not create them.
    pub async fn migrate(&self) -> Result<(), PostgresError> {
        let schema = self.shared.link.schema();
        let mut turn = self.shared.link.turn().await?;
        turn.run(async |client| schema::migrate(client, schema).await)
            .await?;
        drop(turn);
        self.shared.land_rescued().await
    }

    /// Stores a login under a name: a new one, or what a person signed in with again. What is
    /// stored already stays as it is.
    ///
    /// # Errors
    /// [`PostgresError::Spent`] for a copy that is older than what is stored,
    /// [`PostgresError::AlreadyStored`] for one that another profile has,
    /// [`PostgresError::AnotherAccount`] where the profile is somebody else's.
    pub async fn put(
        &self,
        profile: &ProfileRef,
        login: &AuthDotJson,
    ) -> Result<(), PostgresError> {
        if profile.as_str().is_empty() || profile.as_str().len() > MAX_NAME_BYTES {
            return Err(PostgresError::Name);
        }
        let schema = self.shared.link.schema();
        let mut turn = self.shared.link.turn().await?;
        let put = turn.run(async |client| table::put(client, profile, login, schema).await);
        self.shared.known.remember(&put.await?);
        Ok(())
    }

    /// Removes a login for good, and says whether there was one. It is not signed out.
    ///
    /// # Errors
    /// A [`PostgresError`] of the database's.
    pub async fn remove(&self, profile: &ProfileRef) -> Result<bool, PostgresError> {
        let schema = self.shared.link.schema();
        let mut turn = self.shared.link.turn().await?;
        let removed = turn.run(async |client| table::remove(client, profile, schema).await);
        let removed = removed.await?;
        self.shared.known.forget(profile.as_str());
        Ok(removed)
    }

    /// Every login, by name. One that cannot be understood is left out, and logged.
    ///
    /// # Errors
    /// A [`PostgresError`] of the database's.
    pub async fn list(&self) -> Result<Vec<StoredLogin>, PostgresError> {
        let stored = self.all().await?;
        Ok(stored.into_iter().map(StoredLogin::from).collect())
    }

    async fn all(&self) -> Result<Vec<Stored>, PostgresError> {
        let mut turn = self.shared.link.turn().await?;
        let rows = turn.run(async |client| table::all(client).await).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| row.inspect_err(|error| warn!(%error, "left out")).ok())
            .collect())
    }

    /// Refreshes a login now, however fresh it is, under the same rules as every refresh.
    ///
    /// # Errors
    /// A [`CredentialError`]; a login without a refresh token is `LoginRequired`.
    ///
    /// # Cancellation
    /// A refresh under way goes on to its end.
    pub async fn refresh_profile(
        &self,
        profile: &ProfileRef,
        reason: RefreshReason,
    ) -> Result<Credentials, CredentialError> {
        let read = self.shared.read(profile.as_str()).await;
        let stored = read.map_err(PostgresError::for_credentials)?;
        let stored = stored.ok_or_else(|| CredentialError::UnknownProfile(profile.clone()))?;
        credentials_of(&self.rotate(stored, reason).await?)
    }

    /// Refreshes every login that is due, also those that nobody asks for, one after the other:
    /// what keeps idle logins alive when it is called every hour or so, by any replica. Says of
    /// each that failed why it did.
    ///
    /// # Errors
    /// A [`PostgresError`] where the logins cannot be listed.
    pub async fn refresh_due(&self) -> Result<Vec<CredentialError>, PostgresError> {
        let mut failed = Vec::new();
        for stored in self.all().await? {
            let fresh = Freshness::of(&stored.login, Timestamp::now()) == Freshness::Fresh;
            if fresh || stored.refused.is_some() || stored.login.refresh_token().is_none() {
                continue;
            }
            let rotated = self.rotate(stored, RefreshReason::ProactiveExpiry).await;
            failed.extend(rotated.err());
        }
        Ok(failed)
    }

    /// Waits until no refresh is under way, and tries once more to store what is in memory alone:
    /// to be awaited before the program ends.
    ///
    /// # Errors
    /// Why an answer could not be stored. Without a rescue folder it is lost with the program.
    ///
    /// # Cancellation
    /// Loses nothing: an answer that is not stored stays in memory, and is tried again.
    pub async fn finish_refreshes(&self) -> Result<(), PostgresError> {
        let mut done = Ok(());
        for flight in self.shared.flights.all() {
            let mut flight = flight.lock().await;
            let Some(answer) = flight.unlanded.clone() else {
                continue;
            };
            match self.shared.land(&answer).await {
                Ok(_) => flight.unlanded = None,
                Err(error) => done = Err(error),
            }
        }
        done
    }
}
