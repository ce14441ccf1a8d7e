//! Sign-ins that a person makes in the page. They run in tasks of their own: once somebody has
//! signed in, the login is kept, whether or not anybody still looks, and also when the router stops.

mod flow;
mod view;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use codex_auth::Issuer;
use codex_profiles::{ProfileName, ProfileStore, audit::Actor};
use tokio::sync::{Mutex as AsyncMutex, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use flow::Flow;
pub use view::{KeptView, Problem, SignIn, SignInState, SignInWay};

use super::{Control, ControlError};

/// Sign-ins that can still be asked about.
const MAX_KNOWN: usize = 8;
/// Changes that somebody may be behind with.
const MAX_WAITING: usize = 64;

/// Where sign-ins are made.
#[derive(Debug, Clone)]
struct Place {
    client: reqwest::Client,
    issuer: Issuer,
}

/// All sign-ins of one router.
pub(super) struct SignIns {
    place: Option<Place>,
    known: Mutex<VecDeque<Arc<Flow>>>,
    /// One begins after the other, since two would fight for the port.
    beginning: AsyncMutex<()>,
    tasks: TaskTracker,
    ending: CancellationToken,
    told: broadcast::Sender<SignIn>,
}

impl SignIns {
    pub(super) fn new() -> Self {
        Self {
            place: None,
            known: Mutex::default(),
            beginning: AsyncMutex::default(),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            told: broadcast::Sender::new(MAX_WAITING),
        }
    }

    /// Makes them at this issuer.
    pub(super) fn at(client: reqwest::Client, issuer: Issuer) -> Self {
        Self {
            place: Some(Place { client, issuer }),
            ..Self::new()
        }
    }

    /// Each sign-in whenever it changes.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<SignIn> {
        self.told.subscribe()
    }

    fn known(&self) -> MutexGuard<'_, VecDeque<Arc<Flow>>> {
        // What is inside is whole at every moment.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Flow>, ControlError> {
        let known = self.known();
        let found = known.iter().find(|flow| flow.id() == id);
        found.cloned().ok_or(ControlError::NoSuchSignIn)
    }

    /// The one that was begun last.
    pub(super) fn latest(&self) -> Option<SignIn> {
        self.known().back().map(|flow| flow.view())
    }

    fn remember(&self, flow: &Arc<Flow>) {
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.pop_front();
        }
        known.push_back(flow.clone());
    }

    async fn cancel_all(&self) {
        let known: Vec<_> = self.known().iter().cloned().collect();
        for flow in known {
            flow.cancel().await;
        }
    }
}

impl Control {
    /// Begins a sign-in, in place of one that still waits for its person. The profile is called
    /// `name` if that can be had.
    ///
    /// # Errors
    /// [`ControlError::NoSignIns`], and that there is no room for a login just now. Whatever goes
    /// wrong with the sign-in itself is in its state.
    pub async fn begin_sign_in(
        &self,
        way: SignInWay,
        name: Option<ProfileName>,
    ) -> Result<SignIn, ControlError> {
        let sign_ins = &self.inner.sign_ins;
        let place = sign_ins.place.clone().ok_or(ControlError::NoSignIns)?;
        // A person who has signed in shall not be told then that there is no room.
        self.inner.store.probe_room().await?;
        let _one = sign_ins.beginning.lock().await;
        sign_ins.cancel_all().await;
        let (told, ending) = (sign_ins.told.clone(), sign_ins.ending.clone());
        let (flow, begun) = Flow::begin(way, place, told, ending).await;
        sign_ins.remember(&flow);
        if let Some(begun) = begun {
            let (control, flow) = (self.clone(), flow.clone());
            // It is kept on a task of its own, long after it was asked for.
            let store = control.inner.store.clone();
            let actor = Actor::of_scope();
            sign_ins.tasks.spawn(async move {
                let store = actor.into_iter().fold(store, ProfileStore::acting_as);
                flow.run(begun, &store, name).await;
                control.changed();
            });
        }
        Ok(flow.view())
    }

    /// A sign-in as it is now.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSignIn`].
    pub fn sign_in(&self, id: &str) -> Result<SignIn, ControlError> {
        Ok(self.inner.sign_ins.find(id)?.view())
    }

    /// Takes the address that the browser ended at.
    ///
    /// # Errors
    /// [`ControlError::Paste`]: it goes on waiting; [`ControlError::NothingToPaste`],
    /// [`ControlError::NoSuchSignIn`].
    pub async fn paste_into_sign_in(&self, id: &str, text: &str) -> Result<SignIn, ControlError> {
        let flow = self.inner.sign_ins.find(id)?;
        flow.paste(text)?;
        Ok(flow.no_longer_waiting().await)
    }

    /// Ends a sign-in that still waits for its person. One that has its answer goes on.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSignIn`].
    pub async fn cancel_sign_in(&self, id: &str) -> Result<SignIn, ControlError> {
        let flow = self.inner.sign_ins.find(id)?;
        flow.cancel().await;
        Ok(flow.view())
    }

    /// Ends those sign-ins that wait for their person, and lets the others come to their end: each
    /// of these has the only copy of a login. One that no disk takes is tried once more, and then
    /// given up, which the log tells.
    pub async fn finish_sign_ins(&self) {
        let sign_ins = &self.inner.sign_ins;
        sign_ins.cancel_all().await;
        sign_ins.ending.cancel();
        sign_ins.tasks.close();
        sign_ins.tasks.wait().await;
    }
}

impl fmt::Debug for SignIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIns")
            .field("known", &self.known().len())
            .finish_non_exhaustive()
    }
}
