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
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Place, Problem, SignIn, SignInState, SignInWay};
use crate::control::ControlError;

/// As long as the issuer keeps a device code.
const TIME_LIMIT: Duration = Duration::from_mins(15);
/// A browser that is told of the end holds up a cancellation no longer than this.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long it is until a login that no disk took is tried again: at first, and at the most.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A router that ends waits no longer than this for a disk.
const LAST_TRY: Duration = Duration::from_secs(10);

/// One sign-in, which several look at.
pub(super) struct Flow {
    state: watch::Sender<SignIn>,
    told: broadcast::Sender<SignIn>,
    cancelled: CancellationToken,
    /// That the router ends.
    ending: CancellationToken,
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
        ending: CancellationToken,
    ) -> (Arc<Self>, Option<Begun>) {
        let flow = Self {
            state: watch::Sender::new(waiting(way)),
            told,
            cancelled: CancellationToken::new(),
            ending,
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
                Err(error) => self.give_up(&error),
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

    /// Keeps the login, which exists nowhere else: tried again until a disk takes it.
    async fn keep(
        &self,
        login: &AuthDotJson,
        store: &ProfileStore,
        name: Option<ProfileName>,
    ) -> Result<KeptSignIn, StoreError> {
        let attempt = || store.keep_sign_in(login, name.clone());
        let refused = |error: &StoreError| {
            self.change(|state| state.error = Some(Problem::not_written(error)));
        };
        until_kept(attempt, refused, &self.ending).await
    }

    /// The router ends, and no disk took the login.
    fn give_up(&self, error: &StoreError) {
        tracing::error!(%error, "a login could not be written before the end: sign in again");
        self.fail(Problem::not_written(error));
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

/// Tries until it works; from the end of the router on, once more.
async fn until_kept<T, Kept: Future<Output = Result<T, StoreError>>>(
    mut attempt: impl FnMut() -> Kept,
    mut refused: impl FnMut(&StoreError),
    ending: &CancellationToken,
) -> Result<T, StoreError> {
    let mut pause = FIRST_PAUSE;
    while !ending.is_cancelled() {
        match attempt().await {
            Ok(kept) => return Ok(kept),
            Err(error) => refused(&error),
        }
        // Over at the end, too.
        let _ = timeout(pause, ending.cancelled()).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let last = timeout(LAST_TRY, attempt()).await;
    last.unwrap_or(Err(StoreError::Interrupted))
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

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use tokio::time::Instant;

    use super::*;

    fn full() -> StoreError {
        StoreError::Interrupted
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_no_disk_takes_for_a_day_is_kept_when_one_does() {
        let (began, tries) = (Instant::now(), Cell::new(0));
        let day = Duration::from_hours(24);
        let attempt = async || {
            tries.set(tries.get() + 1);
            (began.elapsed() > day).then_some(()).ok_or_else(full)
        };
        let mut told = 0;
        let kept = until_kept(attempt, |_| told += 1, &CancellationToken::new()).await;
        assert!(kept.is_ok());
        assert!(began.elapsed() <= day + LONGEST_PAUSE);
        assert_eq!(told, tries.get() - 1, "every refusal is told");
        assert!((2880..2890).contains(&told), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_router_cuts_a_pause_for_one_more_try() {
        let ending = CancellationToken::new();
        let attempt = async || ending.is_cancelled().then_some(()).ok_or_else(full);
        let began = Instant::now();
        let kept = until_kept(attempt, |_| ending.cancel(), &ending).await;
        assert!(kept.is_ok());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_try_has_its_time_and_no_more() {
        let ending = CancellationToken::new();
        ending.cancel();
        let began = Instant::now();
        let kept = until_kept(pending::<Result<(), _>>, |_| {}, &ending).await;
        assert!(kept.is_err());
        assert_eq!(began.elapsed(), LAST_TRY);
        let mut tries = 0;
        let refused = until_kept(
            || {
                tries += 1;
                async { Err::<(), _>(full()) }
            },
            |_| {},
            &ending,
        );
        assert!(refused.await.is_err());
        assert_eq!(tries, 1);
    }
}
