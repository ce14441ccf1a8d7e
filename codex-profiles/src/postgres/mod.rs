//! Logins in PostgreSQL, for a service that runs on several machines.

mod error;
mod exchange;
mod intent;
mod known;
mod link;
mod provider;
mod rescue;
mod schema;
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
    shared::{Shared, follow},
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
    async fn connect_inner(
        settings: PostgresSettings,
        endpoint: TokenEndpoint,
    ) -> Result<Self, PostgresError> {
        let shared = Arc::new(Shared {
            link: Link::new(&settings)?,
            endpoint,
            known: Known::default(),
            flights: FlightMap::default(),
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

    pub(crate) async fn connect(
        settings: PostgresSettings,
        endpoint: TokenEndpoint,
    ) -> Result<Self, PostgresError> {
        Self::connect_inner(settings, endpoint).await
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
    pub async fn finish_refreshes(&self) -> Result<(), PostgresError> {
        let mut done = Ok(());
        for flight in self.shared.flights.all() {
            let mut flight = flight.lock().await;
            if let Some(answer) = flight.unlanded.take()
                && let Err(error) = self.shared.land(&answer).await
            {
                flight.unlanded = Some(answer);
                done = Err(error);
            }
        }
        done
    }
}
