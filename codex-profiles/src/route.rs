//! Which login serves a request.

use std::{sync::Arc, time::Duration};

use codex_auth::{AuthDotJson, AuthJsonError, Backend, CredentialError, ProfileRef};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::{
    error::{StoreError, storage},
    fs::ReadError,
    profile::{LIVE, Place, ProfileName},
    store::{ProfileStore, blocking},
};

/// How long a request waits for its login to be copied to where it belongs.
const ADOPTION_LIMIT: Duration = Duration::from_secs(1);

/// The login that serves a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// What it is called: a profile's name, or [`LIVE`].
    pub profile: ProfileRef,
    /// The servers it is accepted by.
    pub backend: Backend,
    /// Whose it is: the fingerprint of its identity.
    pub identity: Arc<str>,
    /// Why it is this one.
    pub source: RouteSource,
}

/// Why a login was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteSource {
    /// It was asked for by name.
    Named,
    /// It is the current profile.
    Current,
    /// There is no current profile, and this is the login that Codex itself uses.
    LiveLogin,
}

/// How the two copies of one login compare.
enum Compared {
    LiveIsNewer,
    OwnSupersedes,
    Neither,
}

/// A route, and the login at its end.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) route: Route,
    pub(crate) place: Place,
    pub(crate) login: Arc<AuthDotJson>,
}

impl ProfileStore {
    /// Which login serves: the one that is `wanted`; else the current profile; else, when none was
    /// chosen or its folder is gone, the live login, as the profile that holds it or, when none
    /// does, under the label [`LIVE`].
    ///
    /// Takes a few `stat` calls; a file is read only when it has changed, so that a switch by
    /// another program, or a folder made by hand, counts at the very next request.
    ///
    /// # Errors
    /// [`CredentialError::UnknownProfile`], [`CredentialError::NotLoggedIn`] and
    /// [`CredentialError::Storage`].
    pub async fn route(&self, wanted: Option<&ProfileRef>) -> Result<Route, CredentialError> {
        Ok(self.resolve(wanted).await?.route)
    }

    pub(crate) async fn resolve(
        &self,
        wanted: Option<&ProfileRef>,
    ) -> Result<Resolved, CredentialError> {
        match wanted {
            Some(label) if label.as_str() == LIVE => self.live_login(RouteSource::Named).await,
            Some(label) => self.named(label).await,
            None => self.current_or_live().await,
        }
    }

    async fn named(&self, label: &ProfileRef) -> Result<Resolved, CredentialError> {
        let unknown = || CredentialError::UnknownProfile(label.clone());
        let name = ProfileName::parse(label.as_str()).map_err(|_| unknown())?;
        let found = self.profile_login(RouteSource::Named, name).await?;
        found.ok_or_else(unknown)
    }

    async fn current_or_live(&self) -> Result<Resolved, CredentialError> {
        let chosen = self.chosen().await.map_err(|error| self.failed(error))?;
        if let Some(name) = chosen
            && let Some(found) = self.profile_login(RouteSource::Current, name).await?
        {
            return Ok(found);
        }
        self.live_login(RouteSource::LiveLogin).await
    }

    async fn profile_login(
        &self,
        source: RouteSource,
        name: ProfileName,
    ) -> Result<Option<Resolved>, CredentialError> {
        let place = Place::Profile(name);
        match self.newest(&place).await {
            Ok(login) => Ok(Some(self.resolved(source, place, login))),
            Err(ReadError::Missing) => Ok(None),
            // Never another login instead: this one was chosen.
            Err(error) => Err(storage(self.disk.path_of(&place), error)),
        }
    }

    async fn live_login(&self, source: RouteSource) -> Result<Resolved, CredentialError> {
        let looked_at = self.disk.live_label();
        let login = match self.read(&Place::Live).await {
            Ok(login) => login,
            Err(ReadError::Missing | ReadError::Content(AuthJsonError::NoLogin)) => {
                return Err(CredentialError::NotLoggedIn { looked_at });
            }
            Err(error) => return Err(storage(looked_at, error)),
        };
        if let Some(name) = self.profile_of(&login).await?
            && let Some(found) = self.profile_login(source, name).await?
        {
            return Ok(found);
        }
        Ok(self.resolved(source, Place::Live, login))
    }

    fn resolved(&self, source: RouteSource, place: Place, login: Arc<AuthDotJson>) -> Resolved {
        let route = Route {
            profile: place.reference(),
            backend: login.mode().backend(),
            identity: self.memory.known.fingerprint(&login),
            source,
        };
        Resolved {
            route,
            place,
            login,
        }
    }

    /// The profile that holds the identity of `login`.
    async fn profile_of(
        &self,
        login: &AuthDotJson,
    ) -> Result<Option<ProfileName>, CredentialError> {
        let (store, identity) = (self.clone(), login.identity());
        blocking(move || {
            let mut names = store.disk.names()?.into_iter();
            Ok(names.find(|name| {
                let login = store.read_login(&Place::Profile(name.clone()));
                login.is_ok_and(|login| login.identity() == identity)
            }))
        })
        .await
        .map_err(|error| self.failed(error))
    }

    /// The newest copy of the login at a place: Codex may have refreshed the live one behind us, or
    /// we the profile's before it could be published. The older copy is brought up to date.
    pub(crate) async fn newest(&self, place: &Place) -> Result<Arc<AuthDotJson>, ReadError> {
        let own = self.read(place).await?;
        let Place::Profile(name) = place else {
            return Ok(own);
        };
        let Ok(live) = self.read(&Place::Live).await else {
            return Ok(own);
        };
        if self.memory.known.are_apart(&own, &live) {
            return Ok(own);
        }
        match self.compare(&live, &own).await {
            Compared::LiveIsNewer => {
                self.adopt(name.clone(), live.clone()).await;
                Ok(live)
            }
            Compared::OwnSupersedes => {
                self.publish_aside(own.clone());
                Ok(own)
            }
            Compared::Neither => Ok(own),
        }
    }

    /// May read the ledger of spent tokens.
    async fn compare(&self, live: &Arc<AuthDotJson>, own: &Arc<AuthDotJson>) -> Compared {
        let (disk, live, own) = (self.disk.clone(), live.clone(), own.clone());
        let compared = blocking(move || {
            Ok(if disk.is_newer(&live, &own) {
                Compared::LiveIsNewer
            } else if disk.supersedes_live(&own, &live) {
                Compared::OwnSupersedes
            } else {
                Compared::Neither
            })
        });
        compared.await.unwrap_or(Compared::Neither)
    }

    /// That it fails, or takes long, costs nothing: the login is on disk where it was read.
    async fn adopt(&self, name: ProfileName, live: Arc<AuthDotJson>) {
        let disk = self.disk.clone();
        let adopted = blocking(move || disk.adopt(&name, &live));
        match timeout(ADOPTION_LIMIT, adopted).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%error, "a newer live login could not be adopted"),
            Err(_) => debug!("a newer live login is still being adopted"),
        }
    }

    /// Publishes without anybody waiting: Codex may hold its lock for long.
    fn publish_aside(&self, login: Arc<AuthDotJson>) {
        let Some(turn) = self.flights.publishing() else {
            return;
        };
        let disk = self.disk.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = disk.publish_newer(&login) {
                warn!(%error, "a newer login could not be published");
            }
            drop(turn);
        });
    }

    async fn read(&self, place: &Place) -> Result<Arc<AuthDotJson>, ReadError> {
        match self.login_at(place).await {
            Ok(read) => read,
            Err(_interrupted) => Err(ReadError::Io(Arc::new(std::io::Error::other(
                "the program is shutting down",
            )))),
        }
    }

    pub(crate) fn failed(&self, error: StoreError) -> CredentialError {
        error.for_credentials(&self.root())
    }
}
