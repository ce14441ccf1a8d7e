//! The store of logins of one home.

use std::{path::PathBuf, sync::Arc, time::Duration};

use codex_auth::{AuthDotJson, Issuer, refresh::TokenEndpoint};
use jiff::Timestamp;
use tracing::warn;

use crate::{
    audit::{Action, Actor, AuditFile, Deed},
    disk::{Disk, FolderName},
    error::StoreError,
    fs::ReadError,
    home::CodexHome,
    live::{LiveStore, Vault},
    memory::{CurrentReading, Memory},
    profile::{Condition, Place, Profile, ProfileName},
    quota::Quota,
    refresher::Flights,
    state::State,
    upkeep::Notices,
};

/// How long connecting to the issuer may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Many logins on disk, and which one is current. Cheap to clone; all clones share one memory.
///
/// Several stores, in one process or in many, may work on one home at the same time.
#[derive(Debug, Clone)]
pub struct ProfileStore {
    pub(crate) disk: Arc<Disk>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) endpoint: Arc<TokenEndpoint>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) audit: Arc<AuditFile>,
    /// Who changes what is changed through this handle.
    pub(crate) actor: Actor,
}

impl ProfileStore {
    /// Opens the logins of `home`, of which nothing need exist yet. Whatever an earlier run left
    /// half done is finished or undone first; nothing is posted. Blocks for a few milliseconds.
    ///
    /// # Errors
    /// [`StoreError::Client`] when no HTTPS client can be made. Left-overs that cannot be resolved
    /// now are logged, and tried again by whatever needs them.
    pub fn open(home: CodexHome) -> Result<Self, StoreError> {
        Self::open_on(Disk::new(home))
    }

    /// The same with another [`Vault`] in the place of the system's keyring. Nothing is asked of it
    /// but where Codex's own settings say that the live login is there.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with_vault(home: CodexHome, vault: impl Vault) -> Result<Self, StoreError> {
        Self::open_on(Disk::with(home, LiveStore::new(Arc::new(vault))))
    }

    pub(crate) fn open_on(disk: Disk) -> Result<Self, StoreError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            // A one-time token goes where its login says and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(StoreError::Client)?;
        disk.recover();
        let quota = Arc::new(Quota::load(&disk.home));
        let audit = Arc::new(AuditFile::of(&disk.home));
        Ok(Self {
            disk: Arc::new(disk),
            memory: Arc::default(),
            flights: Arc::default(),
            endpoint: Arc::new(TokenEndpoint::new(client, Issuer::default())),
            notices: Arc::default(),
            quota,
            audit,
            actor: Actor::default(),
        })
    }

    /// Refreshes at another issuer, or over another client. Give that client no redirects and no
    /// retries: a token works once.
    #[must_use]
    pub fn with_token_endpoint(self, endpoint: TokenEndpoint) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            ..self
        }
    }

    /// Where the logins lie.
    #[must_use]
    pub fn home(&self) -> &CodexHome {
        &self.disk.home
    }

    /// Every profile, sorted by name; a broken one is listed with what is wrong with it.
    ///
    /// # Errors
    /// [`StoreError::Io`] when `profiles/` itself cannot be read.
    pub async fn list(&self) -> Result<Vec<Profile>, StoreError> {
        let current = self.current_if_known().await;
        let state = self.state().await?;
        let store = self.clone();
        blocking(move || {
            let folders = store.disk.folders()?.into_iter();
            Ok(folders
                .map(|folder| store.describe(folder, current.as_ref(), &state))
                .collect())
        })
        .await
    }

    /// The profile that was chosen last, if it still exists.
    ///
    /// # Errors
    /// [`StoreError::ChoiceUnreadable`] when `.current_profile` cannot be read or holds no name:
    /// [`use_profile`](Self::use_profile) mends that.
    pub async fn current(&self) -> Result<Option<ProfileName>, StoreError> {
        let name = self.chosen().await?;
        Ok(name.filter(|name| self.home().auth_json_of(name).symlink_metadata().is_ok()))
    }

    /// The same for people to look at, who are shown everything else whatever that file holds.
    pub(crate) async fn current_if_known(&self) -> Option<ProfileName> {
        self.current().await.unwrap_or_else(|error| {
            warn!(%error, "the current profile is not known");
            None
        })
    }

    /// Settings and durable facts, as they are in `router/state.json` now.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the file cannot be read at all; one that is broken counts as
    /// empty.
    pub async fn state(&self) -> Result<State, StoreError> {
        let home = self.home().clone();
        blocking(move || State::load(&home)).await
    }

    /// Changes settings, while no other program of ours does, and returns them as written.
    ///
    /// # Errors
    /// [`StoreError::Lock`] and [`StoreError::Io`]: nothing was changed.
    pub async fn update_state(
        &self,
        change: impl FnOnce(&mut State) + Send + 'static,
    ) -> Result<State, StoreError> {
        let (home, auditor) = (self.home().clone(), self.auditor());
        blocking(move || {
            let begun = auditor.begin(Deed::new(Action::Settings));
            let mut changed = String::new();
            let state = State::update(&home, |state| {
                let before = state.clone();
                change(state);
                changed = state.fields.changed_since(&before.fields).join(", ");
            })?;
            if !changed.is_empty() {
                begun.done_as(|deed| deed.with_detail(changed));
            }
            Ok(state)
        })
        .await
    }

    /// The name in `.current_profile`, whether or not there is such a profile.
    pub(crate) async fn chosen(&self) -> Result<Option<ProfileName>, StoreError> {
        let path = self.home().current_profile();
        if let Some(known) = self.memory.current(&path) {
            return Ok(known.name);
        }
        let store = self.clone();
        blocking(move || {
            let mut reading = CurrentReading::begin(&path);
            reading.name = store.disk.current()?;
            store.memory.keep_current(reading.clone());
            Ok(reading.name)
        })
        .await
    }

    /// The login at a place, from memory while the file is the same.
    pub(crate) async fn login_at(
        &self,
        place: &Place,
    ) -> Result<Result<Arc<AuthDotJson>, ReadError>, StoreError> {
        if let Some(known) = self.known_login(place) {
            return Ok(known);
        }
        let (store, place) = (self.clone(), place.clone());
        blocking(move || Ok(store.read_login(&place))).await
    }

    /// The same, for code that may block.
    pub(crate) fn read_login(&self, place: &Place) -> Result<Arc<AuthDotJson>, ReadError> {
        if let Some(known) = self.known_login(place) {
            return known;
        }
        if self.is_outside_files(place) {
            return self.disk.recent_live();
        }
        let path = self.disk.path_of(place);
        let reading = self.disk.reading(place);
        self.memory.keep_login(path, reading.clone());
        reading.login
    }

    fn known_login(&self, place: &Place) -> Option<Result<Arc<AuthDotJson>, ReadError>> {
        if self.is_outside_files(place) {
            return self.disk.live_store.recent();
        }
        self.memory.login(&self.disk.path_of(place))
    }

    /// Whether no file's stamp tells of changes at this place.
    fn is_outside_files(&self, place: &Place) -> bool {
        *place == Place::Live && !self.disk.is_live_a_file()
    }

    fn describe(
        &self,
        folder: FolderName,
        current: Option<&ProfileName>,
        state: &State,
    ) -> Profile {
        let name = match folder {
            Ok(name) => name,
            Err((text, error)) => return Profile::misnamed(&text, error),
        };
        let login = self.read_login(&Place::Profile(name.clone()));
        Profile {
            label: name.reference(),
            current: Some(&name) == current,
            condition: match &login {
                Ok(login) => Condition::of(login, state, Timestamp::now()),
                Err(error) => Condition::Unreadable(error.clone()),
            },
            name: Some(name),
            login: login.ok(),
        }
    }

    /// The path a message is about when its error names none.
    pub(crate) fn root(&self) -> PathBuf {
        self.home().root().to_owned()
    }
}

/// Runs file work where it does not hold up the runtime.
///
/// A task that was begun runs to its end, whoever stops waiting for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.unwrap_or(Err(StoreError::Interrupted))
}
