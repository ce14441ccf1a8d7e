//! The handle that tests hold.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::accounts::{Account, Lifetimes, Login, Usage};
use crate::faults::{Fault, Faults};
use crate::issuer::{Refresh, RefreshOutcome};
use crate::record::RecordedRequest;
use crate::server::serve;
use crate::settings::{Builder, Settings};
use crate::shared::Shared;

/// A running fake of OpenAI's issuer, ChatGPT backend and public API. Dropping it stops it.
#[derive(Debug)]
pub struct FakeOpenAi {
    address: SocketAddr,
    shared: Arc<Shared>,
    _running: Running,
}

/// What must be dropped to stop the server.
#[derive(Debug)]
enum Running {
    Task(JoinHandle<()>),
    Thread(#[expect(dead_code, reason = "its drop is the signal")] oneshot::Sender<()>),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

impl FakeOpenAi {
    /// Starts a fake with the defaults of [`Builder`] on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If no port can be bound.
    pub async fn start() -> Self {
        Self::builder()
            .start()
            .await
            .expect("a loopback port can be bound")
    }

    /// Settings for a fake.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn start_here(settings: Settings) -> io::Result<Self> {
        let (listener, address, shared) = bind(settings)?;
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _running: Running::Task(task),
        })
    }

    pub(crate) fn start_on_own_thread(settings: Settings) -> io::Result<Self> {
        let (ready, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let ended = Runtime::new().and_then(|r| r.block_on(run(settings, &ready, stopped)));
            // Nobody listens any more once it has started.
            let _ = ended.map_err(|error| ready.send(Err(error)));
        };
        std::thread::Builder::new()
            .name("fake-openai".to_owned())
            .spawn(run)?;
        let (address, shared) = started.recv().map_err(io::Error::other)??;
        Ok(Self {
            address,
            shared,
            _running: Running::Thread(stop),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The issuer, without a trailing slash: for `CODEX_ROUTER_AUTH_ISSUER`.
    #[must_use]
    pub fn issuer_url(&self) -> String {
        self.shared.origin.clone()
    }

    /// The ChatGPT backend, ending in `/backend-api`.
    #[must_use]
    pub fn chatgpt_base_url(&self) -> String {
        format!("{}/backend-api", self.shared.origin)
    }

    /// The public API, ending in `/v1`.
    #[must_use]
    pub fn openai_base_url(&self) -> String {
        format!("{}/v1", self.shared.origin)
    }

    /// The token endpoint: for `CODEX_REFRESH_TOKEN_URL_OVERRIDE`.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/oauth/token", self.shared.origin)
    }

    /// The revocation endpoint: for `CODEX_REVOKE_TOKEN_URL_OVERRIDE`.
    #[must_use]
    pub fn revoke_url(&self) -> String {
        format!("{}/oauth/revoke", self.shared.origin)
    }
}

/// Accounts and logins.
impl FakeOpenAi {
    /// An account to be refined and then signed in; the same as [`Account::new`].
    #[must_use]
    pub fn account(&self, user_id: &str, account_id: &str) -> Account {
        Account::new(user_id, account_id)
    }

    /// Signs an account in: new tokens, a family of their own.
    #[must_use]
    pub fn sign_in(&self, account: &Account) -> Login {
        self.shared.ledger().sign_in(account)
    }

    /// As [`Self::sign_in`], the access token living for this time; negative is expired.
    #[must_use]
    pub fn sign_in_for(&self, account: &Account, access_lifetime: SignedDuration) -> Login {
        self.shared.ledger().sign_in_for(
            account,
            Lifetimes {
                access: access_lifetime,
            },
        )
    }

    /// The `auth.json` of a new sign-in; see [`Login::auth_json`].
    #[must_use]
    pub fn auth_json(&self, account: &Account) -> Value {
        self.sign_in(account).auth_json()
    }

    /// The `auth.json` of a sign-in whose access token expires after this time.
    #[must_use]
    pub fn auth_json_expiring_in(&self, account: &Account, time: Duration) -> Value {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.sign_in_for(account, time).auth_json()
    }

    /// The `auth.json` of a sign-in whose access token expired a minute ago; its refresh token
    /// is still good.
    #[must_use]
    pub fn auth_json_expired(&self, account: &Account) -> Value {
        self.sign_in_for(account, SignedDuration::from_secs(-60))
            .auth_json()
    }

    /// Registers an API key and gives the `auth.json` that holds it.
    #[must_use]
    pub fn api_key_auth_json(&self, key: &str) -> Value {
        self.register_api_key(key);
        json!({"auth_mode": "apikey", "OPENAI_API_KEY": key})
    }

    /// Accepts an API key at the public API. Any other is refused.
    pub fn register_api_key(&self, key: &str) {
        self.shared.ledger().register_api_key(key);
    }

    /// A personal access token (`at-…`), accepted by the ChatGPT backend and by `whoami`.
    #[must_use]
    pub fn personal_access_token(&self, account: &Account) -> String {
        self.shared.ledger().personal_token(account)
    }

    /// Sets how much of an account's quota is used; by default 42 and 7 percent.
    pub fn set_usage(&self, account_id: &str, usage: Usage) {
        self.shared.ledger().set_usage(account_id, usage);
    }

    /// Makes an account known without signing it in, for workspace lists and switches.
    pub fn register_account(&self, account: &Account) {
        self.shared.ledger().register(account);
    }
}

/// The issuer.
impl FakeOpenAi {
    /// Whoever signs in when the authorize or the device address is visited. By default the
    /// account used last, or `user-browser` in `acct-browser`.
    pub fn set_browser_user(&self, account: &Account) {
        self.shared
            .ledger()
            .pending()
            .set_browser_user(account.clone());
    }

    /// The next visit of the authorize address is answered with `error=access_denied`.
    pub fn deny_next_sign_in(&self) {
        self.shared.ledger().pending().deny_next();
    }

    /// Approves the device that shows this code; false if no device does.
    #[must_use]
    pub fn approve_device(&self, user_code: &str, account: &Account) -> bool {
        self.shared.ledger().pending().approve(user_code, account)
    }

    /// Revokes the family of a refresh or access token, as a sign-out elsewhere would.
    pub fn revoke(&self, token: &str) {
        self.shared.ledger().revoke(token);
    }

    /// Makes a refresh token too old: it is answered `refresh_token_expired`.
    pub fn expire_refresh_token(&self, token: &str) {
        self.shared.ledger().expire_refresh_token(token);
    }

    /// Ends an access token now: the backend answers 401 whatever its claims say.
    pub fn expire_access_token(&self, token: &str) {
        self.shared.ledger().expire_access_token(token);
    }

    /// All refreshes, in the order in which they were answered.
    #[must_use]
    pub fn refreshes(&self) -> Vec<Refresh> {
        self.shared.ledger().refreshes().to_vec()
    }

    /// How often this refresh token was posted. More than once is a bug of the poster.
    #[must_use]
    pub fn times_posted(&self, refresh_token: &str) -> usize {
        self.refreshes()
            .iter()
            .filter(|refresh| refresh.token == refresh_token)
            .count()
    }

    /// How many refreshes posted a token that had been spent.
    #[must_use]
    pub fn reuse_count(&self) -> usize {
        let reused = |refresh: &&Refresh| refresh.outcome == RefreshOutcome::Reused;
        self.refreshes().iter().filter(reused).count()
    }
}

/// Faults, records and counters.
impl FakeOpenAi {
    /// Has something go wrong; faults are tried in the order in which they were added.
    pub fn fault(&self, fault: Fault) {
        self.shared.change_faults(|faults| faults.add(fault));
    }

    /// Forgets all faults that still wait.
    pub fn clear_faults(&self) {
        self.shared.change_faults(Faults::clear);
    }

    /// All requests so far, unless recording was switched off.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.requests().clone()
    }

    /// The requests to paths that end so.
    #[must_use]
    pub fn requests_to(&self, path_end: &str) -> Vec<RecordedRequest> {
        let fits = |request: &&RecordedRequest| request.path.ends_with(path_end);
        self.shared
            .requests()
            .iter()
            .filter(fits)
            .cloned()
            .collect()
    }

    /// The model calls: every `POST` to `…/responses` or `…/completions`, and every message over a
    /// WebSocket that is no prewarm.
    #[must_use]
    pub fn model_calls(&self) -> Vec<RecordedRequest> {
        let model_call = |request: &&RecordedRequest| request.is_model_call();
        self.shared
            .requests()
            .iter()
            .filter(model_call)
            .cloned()
            .collect()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.shared.requests().clear();
    }

    /// How many streams ended because the client hung up.
    #[must_use]
    pub fn cancelled_streams(&self) -> usize {
        self.shared.cancelled_streams.load(Ordering::Relaxed)
    }

    /// How many streams are running.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.shared.open_streams.load(Ordering::Relaxed)
    }

    /// How many WebSocket connections are open.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.shared.open_sockets.load(Ordering::Relaxed)
    }

    /// How many events of all streams were handed to their connections.
    #[must_use]
    pub fn events(&self) -> usize {
        self.shared.events.load(Ordering::Relaxed)
    }

    /// How often a ping was answered; one is sent at the beginning of each turn over a WebSocket.
    #[must_use]
    pub fn pongs(&self) -> usize {
        self.shared.pongs.load(Ordering::Relaxed)
    }

    /// How many bytes have come over WebSocket, and gone, as they were on the wire.
    #[must_use]
    pub fn socket_bytes(&self) -> (usize, usize) {
        let count = |all: &AtomicUsize| all.load(Ordering::Relaxed);
        (
            count(&self.shared.socket_bytes_received),
            count(&self.shared.socket_bytes_sent),
        )
    }

    /// How many connections were ever accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

type Started = (SocketAddr, Arc<Shared>);

fn bind(settings: Settings) -> io::Result<(TcpListener, SocketAddr, Arc<Shared>)> {
    let listener = listen(settings.listen)?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared::new(settings, format!("http://{address}")));
    Ok((listener, address, shared))
}

/// A listener that can take thousands of connections at once.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// Serves until it is told to stop, or until the handle is gone.
async fn run(
    settings: Settings,
    ready: &mpsc::Sender<io::Result<Started>>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let (listener, address, shared) = bind(settings)?;
    let _ = ready.send(Ok((address, Arc::clone(&shared))));
    tokio::select! {
        _ = stopped => {}
        () = serve(listener, shared) => {}
    }
    Ok(())
}
