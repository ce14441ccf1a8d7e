//! The one connection of a replica: opened anew when it is lost, and listening to what the others
//! write.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    mem,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Mutex as AsyncMutex, MutexGuard, Notify},
    task::AbortHandle,
    time::{Instant, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    memory::lock,
    postgres::{PostgresError, PostgresSettings, settings::CONNECT_LIMIT},
};

/// Nothing that is asked of the database takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(5);
/// Whoever asks just after a connection failed is told the same.
const JUST_FAILED: Duration = Duration::from_millis(250);
/// Beyond so many, everything is read again.
const MAX_TOLD: usize = 1000;

/// What others have changed since it was asked last.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    changed: Mutex<Changed>,
    told: Notify,
}

/// Profiles to be read again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) all: bool,
    pub(super) profiles: BTreeSet<String>,
}

/// The way to the database.
pub(super) struct Link {
    config: Config,
    tls: MakeRustlsConnect,
    schema: String,
    state: AsyncMutex<State>,
    opened: AtomicU64,
    pub(super) dirty: Arc<Dirty>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    failed: Option<(Instant, PostgresError)>,
}

struct Session {
    client: Client,
    number: u64,
    driver: AbortHandle,
}

/// The right to use the connection, alone.
pub(super) struct Turn<'a>(MutexGuard<'a, State>);

impl Link {
    pub(super) fn new(settings: &PostgresSettings) -> Result<Self, PostgresError> {
        Ok(Self {
            config: settings.config.clone(),
            tls: settings.tls()?,
            schema: settings.schema.clone(),
            state: AsyncMutex::default(),
            opened: AtomicU64::default(),
            dirty: Arc::default(),
        })
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// Waits for the connection, and opens it where there is none.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, PostgresError> {
        let mut state = self.state.lock().await;
        if state.session.as_ref().is_none_or(Session::is_lost) {
            state.session = None;
            if let Some((at, error)) = &state.failed
                && at.elapsed() < JUST_FAILED
            {
                return Err(error.clone());
            }
            match self.open().await {
                Ok(session) => state.session = Some(session),
                Err(error) => {
                    state.failed = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
            }
        }
        Ok(Turn(state))
    }

    async fn open(&self) -> Result<Session, PostgresError> {
        let connected = timeout(CONNECT_LIMIT, self.config.connect(self.tls.clone())).await;
        let (client, connection) = connected.map_err(|_| PostgresError::TimedOut)??;
        let driver = tokio::spawn(drive(connection, self.dirty.clone())).abort_handle();
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let session = Session {
            client,
            number,
            driver,
        };
        within_limit(session.set_up(&self.schema)).await?;
        // What was told while nobody listened is not known.
        self.dirty.all();
        Ok(session)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Session {
    fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Limits, so that a replica which has vanished holds neither locks nor transactions for long;
    /// and commits that are on disk when they return, whatever the database's default is.
    async fn set_up(&self, schema: &str) -> Result<(), PostgresError> {
        let set_up = format!(
            "SET search_path TO {schema};
             SET statement_timeout = '4s';
             SET idle_in_transaction_session_timeout = '10s';
             SET tcp_keepalives_idle = 10;
             SET tcp_keepalives_interval = 5;
             SET tcp_keepalives_count = 2;
             SELECT set_config('synchronous_commit', 'on', false)
                 WHERE current_setting('synchronous_commit') = 'off';
             LISTEN {schema}_logins"
        );
        Ok(self.client.batch_execute(&set_up).await?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Turn<'_> {
    /// Which connection it is: another one has none of the locks of the one before.
    pub(super) fn session(&self) -> u64 {
        let session = self.0.session.as_ref();
        session.map_or(u64::MAX, |session| session.number)
    }

    /// Does something with it, for a limited time. After a failure the connection is given up: its
    /// locks and whatever it was in the middle of are gone then.
    pub(super) async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let Some(session) = &mut self.0.session else {
            return Err(PostgresError::TimedOut);
        };
        let done = within_limit(work(&mut session.client)).await;
        if done.as_ref().is_err_and(|error| !error.is_an_answer()) {
            self.0.session = None;
        }
        done
    }
}

impl Dirty {
    /// Everything is to be read again.
    pub(super) fn all(&self) {
        lock(&self.changed).all = true;
        self.told.notify_one();
    }

    fn profile(&self, profile: &str) {
        let mut changed = lock(&self.changed);
        if changed.profiles.len() < MAX_TOLD {
            changed.profiles.insert(profile.to_owned());
        } else {
            changed.all = true;
        }
        drop(changed);
        self.told.notify_one();
    }

    /// Waits until somebody tells of a change.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    pub(super) fn take(&self) -> Changed {
        mem::take(&mut *lock(&self.changed))
    }
}

async fn within_limit<T>(
    work: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    let done = timeout(LIMIT, work).await;
    done.unwrap_or(Err(PostgresError::TimedOut))
}

/// Moves bytes until the connection ends, and passes on what the other replicas tell.
async fn drive<S, T>(connection: Connection<S, T>, dirty: Arc<Dirty>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = pin!(connection);
    while let Some(Ok(message)) = poll_fn(|context| connection.as_mut().poll_message(context)).await
    {
        if let AsyncMessage::Notification(told) = message {
            dirty.profile(told.payload());
        }
    }
    // Opens the next one, so that nothing is missed for long.
    dirty.all();
}
