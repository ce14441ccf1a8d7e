use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
};

use codex_auth::Issuer;
use codex_profiles::{Notice, ProfileStore, StoreError};
use jiff::Timestamp;
use tokio::{
    sync::{broadcast, watch},
    task::spawn_blocking,
};

use super::{
    Announcement, ControlError, Desktop, Language, Overview, SetLogLevel, Told, access::Access,
    sign_in::SignIns,
};
use crate::{requests::RequestLog, usage::UsagePoll};

/// A running router, for whoever shows or changes it: the page, the tray, the command line. Cheap
/// to clone; all clones are one.
#[derive(Clone)]
pub struct Control {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: ProfileStore,
    pub(super) access: Access,
    address: RwLock<String>,
    /// Where it was announced, if it was.
    announced: Mutex<Option<Announcement>>,
    desktop: OnceLock<Arc<dyn Desktop>>,
    pub(super) sign_ins: SignIns,
    pub(super) usage: Option<UsagePoll>,
    pub(super) requests: RequestLog,
    pub(super) set_log_level: Option<SetLogLevel>,
    stopping: watch::Sender<bool>,
}

/// Sets up a [`Control`].
#[must_use = "it is nothing until it is built"]
pub struct ControlBuilder {
    store: ProfileStore,
    sign_ins: SignIns,
    usage: Option<UsagePoll>,
    requests: RequestLog,
    set_log_level: Option<SetLogLevel>,
}

/// What happens to the logins, as it happens.
#[derive(Debug)]
pub struct Notices(broadcast::Receiver<Notice>);

impl Control {
    /// The control of a server of these logins, in which nobody signs in. Give it to
    /// [`ServerBuilder::control`](crate::server::ServerBuilder::control).
    #[must_use]
    pub fn new(store: ProfileStore) -> Self {
        Self::builder(store).build()
    }

    /// The same with more to it.
    pub fn builder(store: ProfileStore) -> ControlBuilder {
        ControlBuilder {
            store,
            sign_ins: SignIns::new(),
            usage: None,
            requests: RequestLog::new(),
            set_log_level: None,
        }
    }

    /// Says where the server is, such as `http://127.0.0.1:9876`. A
    /// [`Server`](crate::server::Server) that binds says it itself.
    pub fn set_address(&self, address: String) {
        let mut now = (self.inner.address.write()).unwrap_or_else(PoisonError::into_inner);
        *now = address;
    }

    /// Where the server is; empty as long as nobody has said it.
    #[must_use]
    pub fn address(&self) -> String {
        let address = self.inner.address.read();
        address.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server is elsewhere from now on, and so says the file by which programs find it.
    pub(crate) async fn move_to(&self, address: String) {
        self.set_address(address.clone());
        let announced = self.announced().clone();
        let Some(announcement) = announced else {
            return;
        };
        let moving = spawn_blocking(move || announcement.move_to(&address)).await;
        if let Err(error) = moving.map_err(io::Error::other).flatten() {
            tracing::warn!(%error, "other programs do not find the router at its new address");
        }
        self.changed();
    }

    fn announced(&self) -> MutexGuard<'_, Option<Announcement>> {
        (self.inner.announced.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what desktop there is around the server. Only the first one counts.
    pub fn set_desktop(&self, desktop: Arc<dyn Desktop>) {
        let _ = self.inner.desktop.set(desktop);
        self.changed();
    }

    /// Makes a new control token, and writes it and the address to files of the home, for the
    /// programs of the person to find: the command line, or a second start.
    ///
    /// # Errors
    /// Those of the file system. The page can be opened all the same, by a [`link`](Self::link).
    pub async fn announce(&self) -> io::Result<Announcement> {
        let control = self.clone();
        let making = spawn_blocking(move || {
            let Inner { store, access, .. } = &*control.inner;
            let made = Announcement::make(store.home(), access, &control.address())?;
            *control.announced() = Some(made.clone());
            Ok(made)
        });
        making.await.map_err(io::Error::other)?
    }

    /// An address that opens the page, once and within five minutes. Whoever has it can do with
    /// the logins what the person can.
    ///
    /// # Errors
    /// [`ControlError::NoRandomness`]; [`ControlError::NotForBrowsers`] where the server listens at
    /// a Unix socket or a pipe.
    pub fn link(&self) -> Result<String, ControlError> {
        let address = self.address();
        if !address.is_empty() && !address.starts_with("http://") {
            return Err(ControlError::NotForBrowsers(address));
        }
        let secret = self.inner.access.new_link();
        let secret = secret.map_err(ControlError::NoRandomness)?;
        Ok(format!("{address}/#link={}", secret.expose()))
    }

    /// Everything at this moment.
    ///
    /// # Errors
    /// A [`StoreError`] when `profiles/` itself cannot be read.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        let store = &self.inner.store;
        let removed = store.removed().await?;
        Ok(Overview {
            version: env!("CARGO_PKG_VERSION"),
            address: self.address(),
            logins: store.report().await?,
            removed: removed.into_iter().map(Into::into).collect(),
            attachment: self.attachment_view().await,
            desktop: self.inner.desktop.get().map(|desktop| desktop.view()),
            language: Language::of(&store.state().await?),
        })
    }

    /// Changes its value whenever an [`overview`](Self::overview) may say something else.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.store.changes()
    }

    /// What happens to the logins from now on.
    #[must_use]
    pub fn notices(&self) -> Notices {
        Notices(self.inner.store.notices())
    }

    /// Brings the window to the front.
    ///
    /// # Errors
    /// [`ControlError::NoDesktop`].
    pub fn show_window(&self) -> Result<(), ControlError> {
        let desktop = self.inner.desktop.get();
        let desktop = desktop.filter(|desktop| desktop.view().window);
        desktop.ok_or(ControlError::NoDesktop)?.show_window();
        Ok(())
    }

    /// Starts the program whenever the person logs in, or no longer.
    ///
    /// # Errors
    /// [`ControlError::NoDesktop`], [`ControlError::Desktop`].
    pub async fn set_starts_at_login(&self, starts: bool) -> Result<(), ControlError> {
        let desktop = self.inner.desktop.get().cloned();
        let desktop = desktop.filter(|desktop| desktop.view().starts_at_login.is_some());
        let desktop = desktop.ok_or(ControlError::NoDesktop)?;
        let setting = spawn_blocking(move || desktop.set_starts_at_login(starts)).await;
        setting
            .map_err(io::Error::other)
            .flatten()
            .map_err(ControlError::Desktop)?;
        self.changed();
        Ok(())
    }

    /// Ends the event streams: the server stops.
    pub(crate) fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.inner.stopping.subscribe()
    }

    /// Tells everybody who looks that something has changed.
    pub(super) fn changed(&self) {
        self.inner.store.touch();
    }
}

impl ControlBuilder {
    /// Lets people sign in at this issuer. Give the client no redirects and no retries: what works
    /// once is sent once.
    pub fn sign_ins(self, client: reqwest::Client, issuer: Issuer) -> Self {
        Self {
            sign_ins: SignIns::at(client, issuer),
            ..self
        }
    }

    /// Asks for the quota of profiles in this way.
    pub fn usage(self, poll: UsagePoll) -> Self {
        Self {
            usage: Some(poll),
            ..self
        }
    }

    /// Shows the requests of this list, which the server fills.
    pub fn request_log(self, requests: RequestLog) -> Self {
        Self { requests, ..self }
    }

    /// Calls this whenever the setting of how much is logged is changed.
    pub fn set_log_level(self, set: SetLogLevel) -> Self {
        Self {
            set_log_level: Some(set),
            ..self
        }
    }

    /// The control.
    #[must_use]
    pub fn build(self) -> Control {
        let inner = Inner {
            store: self.store,
            access: Access::default(),
            address: RwLock::default(),
            announced: Mutex::default(),
            desktop: OnceLock::new(),
            sign_ins: self.sign_ins,
            usage: self.usage,
            requests: self.requests,
            set_log_level: self.set_log_level,
            stopping: watch::Sender::new(false),
        };
        Control {
            inner: Arc::new(inner),
        }
    }
}

impl Notices {
    /// The next one. Whoever falls behind misses the oldest; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            match self.0.recv().await {
                Ok(notice) => {
                    let at = Timestamp::now();
                    return Some(Told { at, notice });
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl fmt::Debug for ControlBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlBuilder").finish_non_exhaustive()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
