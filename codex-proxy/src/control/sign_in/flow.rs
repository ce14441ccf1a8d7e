use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use codex_auth::{
    AuthDotJson,
    login::{BrowserSignIn, DeviceSignIn, PasteBox, SignInError, SignInOptions, SignedIn},
};
use codex_profiles::{KeptSignIn, ProfileName, ProfileStore, StoreError};
use jiff::Timestamp;
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Place, Problem, SignIn, SignInState, SignInWay};
use crate::control::ControlError;

/// As long as the issuer keeps a device code.
const TIME_LIMIT: Duration = Duration::from_mins(15);
/// A browser that is told of the end holds up a cancellation no longer than this.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often, and for how long, a login that no disk takes is tried to be kept.
const PAUSE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_mins(5);

/// One sign-in, which several look at.
pub(super) struct Flow {
    state: watch::Sender<SignIn>,
    told: broadcast::Sender<SignIn>,
    cancelled: CancellationToken,
    paste: OnceLock<PasteBox>,
}

/// A sign-in that the person can be told of.
pub(super) enum Begun {
    Browser(BrowserSignIn),
    Device(DeviceSignIn),
}

impl Flow {
    /// Prepares a sign-in; without a [`Begun`] it has failed already.
    pub(super) async fn begin(
        way: SignInWay,
        place: Place,
        told: broadcast::Sender<SignIn>,
    ) -> (Arc<Self>, Option<Begun>) {
        let flow = Self {
            state: watch::Sender::new(waiting(way)),
            told,
            cancelled: CancellationToken::new(),
            paste: OnceLock::new(),
        };
        let begun = Begun::new(way, place).await;
        let begun = match begun {
            Ok(begun) => {
                flow.show(&begun);
                Some(begun)
            }
            Err(error) => {
                flow.end(&error);
                None
            }
        };
        (Arc::new(flow), begun)
    }

    pub(super) fn id(&self) -> String {
        self.state.borrow().id.clone()
    }

    pub(super) fn view(&self) -> SignIn {
        self.state.borrow().clone()
    }

    /// Takes what was pasted.
    pub(super) fn paste(&self, text: &str) -> Result<(), ControlError> {
        let paste = self.paste.get().ok_or(ControlError::NothingToPaste)?;
        Ok(paste.submit(text)?)
    }

    /// Ends the wait for the person, if it still goes on.
    pub(super) async fn cancel(&self) {
        self.cancelled.cancel();
        self.no_longer_waiting().await;
    }

    /// The state once it is not `waiting`, which takes no time worth mentioning.
    pub(super) async fn no_longer_waiting(&self) -> SignIn {
        let mut state = self.state.subscribe();
        let over = state.wait_for(|state| state.state != SignInState::Waiting);
        let _ = timeout(FAREWELL, over).await;
        self.view()
    }

    /// Waits for the person, and keeps the login.
    pub(super) async fn run(
        self: &Arc<Self>,
        begun: Begun,
        store: &ProfileStore,
        name: Option<ProfileName>,
    ) {
        match begun.wait_unless(self.is_cancelled()).await {
            Ok(signed_in) => match self.keep(&signed_in.login, store, name).await {
                Ok(kept) => self.change(|state| {
                    state.state = SignInState::Done;
                    state.error = None;
                    state.kept = Some(kept.into());
                }),
                Err(error) => self.fail(Problem::not_written(&error)),
            },
            Err(error) => self.end(&error),
        }
    }

    /// Until somebody cancels it. Dropped before that, the person has come to an end: the login is
    /// being fetched.
    fn is_cancelled(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let redeeming = OnDrop(Some(self.clone()));
        async move {
            let mut redeeming = redeeming;
            if let Some(flow) = redeeming.0.clone() {
                flow.cancelled.cancelled().await;
            }
            redeeming.0 = None;
        }
    }

    /// Keeps the login, which exists nowhere else: tried again while the disk does not take it.
    async fn keep(
        &self,
        login: &AuthDotJson,
        store: &ProfileStore,
        name: Option<ProfileName>,
    ) -> Result<KeptSignIn, StoreError> {
        let began = Instant::now();
        loop {
            let error = match store.keep_sign_in(login, name.clone()).await {
                Ok(kept) => return Ok(kept),
                Err(error) => error,
            };
            if began.elapsed() > PATIENCE {
                return Err(error);
            }
            self.change(|state| state.error = Some(Problem::not_written(&error)));
            sleep(PAUSE).await;
        }
    }

    fn show(&self, begun: &Begun) {
        if let Begun::Browser(sign_in) = begun {
            let _ = self.paste.set(sign_in.paste_box());
        }
        self.change(|state| match begun {
            Begun::Browser(sign_in) => state.url = Some(sign_in.authorize_url().to_owned()),
            Begun::Device(sign_in) => {
                state.url = Some(sign_in.verification_url());
                state.code = Some(sign_in.user_code().to_owned());
            }
        });
    }

    fn end(&self, error: &SignInError) {
        if matches!(error, SignInError::Cancelled) {
            self.change(|state| state.state = SignInState::Cancelled);
        } else {
            self.fail(Problem::from(error));
        }
    }

    fn fail(&self, problem: Problem) {
        self.change(|state| {
            state.state = SignInState::Failed;
            state.error = Some(problem);
        });
    }

    fn change(&self, change: impl FnOnce(&mut SignIn)) {
        self.state.send_modify(|state| {
            change(state);
            if state.state != SignInState::Waiting {
                // Whoever looks on later has no use for them.
                (state.url, state.code) = (None, None);
            }
        });
        // Nobody may be looking on.
        let _ = self.told.send(self.view());
    }
}

impl Begun {
    async fn new(way: SignInWay, place: Place) -> Result<Self, SignInError> {
        let Place { client, issuer } = place;
        let options = SignInOptions::default().with_time_limit(TIME_LIMIT);
        Ok(match way {
            SignInWay::Browser => {
                Self::Browser(BrowserSignIn::start(client, issuer, options).await?)
            }
            SignInWay::Paste => Self::Browser(BrowserSignIn::by_pasting(client, issuer, options)?),
            SignInWay::Device => Self::Device(DeviceSignIn::start(client, issuer, options).await?),
        })
    }

    async fn wait_unless(
        self,
        cancelled: impl Future<Output = ()>,
    ) -> Result<SignedIn, SignInError> {
        match self {
            Self::Browser(sign_in) => sign_in.wait_unless(cancelled).await,
            Self::Device(sign_in) => sign_in.wait_unless(cancelled).await,
        }
    }
}

/// Says, when it goes, that the wait for the person is over.
struct OnDrop(Option<Arc<Flow>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(flow) = &self.0 {
            flow.change(|state| state.state = SignInState::Redeeming);
        }
    }
}

fn waiting(way: SignInWay) -> SignIn {
    SignIn {
        id: Uuid::new_v4().to_string(),
        way,
        state: SignInState::Waiting,
        url: None,
        code: None,
        expires_at: Timestamp::now() + TIME_LIMIT,
        error: None,
        kept: None,
    }
}
