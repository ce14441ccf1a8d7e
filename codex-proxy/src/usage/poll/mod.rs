//! Asking for every profile, at intervals and on demand.

mod schedule;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use codex_auth::{AuthMode, ProfileRef, RouteHint, usage::Usage};
use codex_profiles::{Condition, Profile, ProfileName, ProfileStore, StoreError};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::sleep,
};
use tracing::{debug, warn};

use self::schedule::{Candidate, Schedule};
use super::{UsageClient, UsageError};
use crate::upstream::Targets;

/// Between two profiles, so that they never come in a burst.
const SPACING: Duration = Duration::from_millis(500);
/// Several things change together as a rule; they are looked at once.
const SETTLE: Duration = Duration::from_secs(1);
/// How many are asked for at the same time when a person waits for all of them.
const AT_ONCE: usize = 4;
/// The longest pause while a reset is waited for: the machine may sleep meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The quota of every profile of one home. Cheap to clone.
///
/// Nothing is asked for by itself until [`run`](Self::run) runs.
#[derive(Debug, Clone)]
pub struct UsagePoll {
    store: ProfileStore,
    client: UsageClient<ProfileStore>,
    /// Two people who ask for the same at the same time are one.
    asking: Arc<Mutex<HashMap<Arc<str>, Turn>>>,
}

/// Held by whoever asks for one identity.
type Turn = Arc<AsyncMutex<()>>;

impl UsagePoll {
    /// Asks the ChatGPT backend of `targets` over `client`, for the logins of `store`, which keeps
    /// what is answered.
    #[must_use]
    pub fn new(store: ProfileStore, client: reqwest::Client, targets: Targets) -> Self {
        Self {
            client: UsageClient::new(store.clone(), client, targets),
            store,
            asking: Arc::default(),
        }
    }

    /// Asks for one profile now.
    ///
    /// # Errors
    /// A [`UsageError`]; what was known before stays.
    pub async fn poll_now(&self, profile: &ProfileName) -> Result<Usage, UsageError> {
        self.poll(&profile.reference()).await
    }

    /// Asks for every profile now, a few at a time; in the order of their names.
    ///
    /// # Errors
    /// A [`StoreError`] when `profiles/` itself cannot be read.
    pub async fn poll_all(
        &self,
    ) -> Result<Vec<(ProfileName, Result<Usage, UsageError>)>, StoreError> {
        let profiles = self.store.list().await?;
        let names = profiles.into_iter().filter_map(|profile| profile.name);
        let asked = names.map(async |name| {
            let usage = self.poll_now(&name).await;
            (name, usage)
        });
        Ok(stream::iter(asked).buffered(AT_ONCE).collect().await)
    }

    /// Asks at the interval of the settings, and soon after the reset of a limit that was near;
    /// up to six times less often while no request is served. Not for logins that were read in
    /// passing meanwhile, nor for those that could not be asked for; and not at all while the
    /// settings say so. Limits that begin anew are told of all the same.
    ///
    /// # Cancellation
    /// May be dropped at any time: a refresh under way goes on to its end.
    pub async fn run(self) {
        let mut changes = self.store.changes();
        let mut schedule = Schedule::new(Timestamp::now());
        loop {
            changes.mark_unchanged();
            let pause = self.catch_up(&mut schedule).await;
            if !wait(pause, &mut changes).await {
                return;
            }
        }
    }

    /// Asks for what is due, and says how long nothing more is, unless something changes.
    async fn catch_up(&self, schedule: &mut Schedule) -> Option<Duration> {
        match self.try_to_catch_up(schedule).await {
            Ok(pause) => pause,
            Err(error) => {
                warn!(%error, "the quota cannot be asked for just now");
                Some(LONGEST_PAUSE)
            }
        }
    }

    async fn try_to_catch_up(
        &self,
        schedule: &mut Schedule,
    ) -> Result<Option<Duration>, StoreError> {
        loop {
            let begun = Timestamp::now();
            self.store.check_limits().await?;
            let until_reset = self.until_reset(begun);
            let state = self.store.state().await?;
            if !state.auto_refresh_enabled() {
                return Ok(until_reset);
            }
            schedule.set_interval(state.refresh_interval());
            schedule.look_at(self.candidates().await?, self.store.requests_served());
            let Some(next) = schedule.next() else {
                return Ok(until_reset);
            };
            let pause = next.due.duration_since(Timestamp::now());
            if let Ok(pause) = Duration::try_from(pause)
                && !pause.is_zero()
            {
                let longest = schedule.awaits_reset().then_some(LONGEST_PAUSE);
                let pauses = [Some(pause), longest, until_reset];
                return Ok(pauses.into_iter().flatten().min());
            }
            let asked = self.poll(&next.candidate.profile).await;
            tell(&next.candidate.profile, asked.as_ref().err());
            schedule.asked(&next.candidate, asked.as_ref().err(), Timestamp::now());
            sleep(SPACING).await;
        }
    }

    /// How long until people are to be told that a limit has begun anew, if they are. Those that
    /// had at `checked` were told of, as far as their logins are still there.
    fn until_reset(&self, checked: Timestamp) -> Option<Duration> {
        let reset = self.store.next_limit_reset(checked)?;
        let pause = Duration::try_from(reset.duration_since(Timestamp::now()));
        Some(pause.unwrap_or_default().min(LONGEST_PAUSE))
    }

    /// The logins that can be asked for without refreshing them: that has a schedule of its own.
    async fn candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let profiles = self.store.list().await?;
        let candidates = profiles
            .iter()
            .filter_map(|profile| self.candidate(profile));
        Ok(candidates.collect())
    }

    fn candidate(&self, profile: &Profile) -> Option<Candidate> {
        let login = profile.login.as_ref()?;
        let has_quota = matches!(
            login.mode(),
            AuthMode::ChatGpt | AuthMode::ChatGptAuthTokens
        );
        let serves = matches!(profile.condition, Condition::Ok);
        let identity: Arc<str> = login.identity().fingerprint().into();
        (has_quota && serves).then(|| Candidate {
            profile: profile.label.clone(),
            usage: self.store.usage(&identity),
            identity,
        })
    }

    async fn poll(&self, profile: &ProfileRef) -> Result<Usage, UsageError> {
        let begun = Timestamp::now();
        let route = self.store.route(Some(profile)).await;
        let route = route.map_err(UsageError::Login)?;
        let turn = self.turn_of(&route.identity);
        let _turn = turn.lock().await;
        if let Some(usage) = self.store.usage(&route.identity)
            && usage.read_at > begun
        {
            return Ok(usage);
        }
        let hint = RouteHint::profile(route.profile.clone())
            .with_backend(route.backend)
            .with_identity(Some(route.identity.clone()));
        let reading = self.client.ask(hint).await?;
        self.store
            .record_usage(&route.profile, &route.identity, &reading);
        let usage = self.store.usage(&route.identity);
        Ok(usage.expect("a reading was just taken in"))
    }

    fn turn_of(&self, identity: &Arc<str>) -> Turn {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.entry(identity.clone()).or_default().clone()
    }
}

/// Whether there is still somebody to wait for.
async fn wait(pause: Option<Duration>, changes: &mut watch::Receiver<u64>) -> bool {
    let timer = async {
        match pause {
            Some(pause) => sleep(pause).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = timer => true,
        told = changes.changed() => {
            sleep(SETTLE).await;
            told.is_ok()
        }
    }
}

fn tell(profile: &ProfileRef, error: Option<&UsageError>) {
    match error {
        None => debug!(%profile, "the quota was asked for"),
        // They are told of elsewhere, or nothing can be done.
        Some(error @ (UsageError::Login(_) | UsageError::NoQuota)) => {
            debug!(%profile, %error, "the quota was not asked for");
        }
        Some(error) => warn!(%profile, %error, "the quota is not known"),
    }
}
