//! Signing out at the issuer: the one thing that ends a login on purpose.
//!
//! Copies of one identity are one login, so all of them end. The files stay: a profile that is
//! signed out says `needs_login`, and signing in again renews it in place.

use std::{error::Error, sync::Arc, time::Duration};

use codex_auth::{AuthDotJson, AuthMode, LoginReason, refresh::TokenEndpoint, revoke::RevokeError};
use jiff::Timestamp;
use tracing::info;

use crate::{
    audit::{Action, Deed},
    disk::Disk,
    error::StoreError,
    fs::{ReadError, lock::FileLock},
    journal::RefreshJournal,
    profile::{Place, ProfileName, decisive_token},
    state::{NeedsLogin, State},
    store::{ProfileStore, blocking},
};

/// Longer than a refresh of another process can take.
const LOCK_LIMIT: Duration = Duration::from_mins(1);
/// How often the tokens may change under our hands before we give up.
const MAX_ROUNDS: usize = 16;

/// What stops when a profile is signed out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignOutScope {
    /// The profile itself.
    pub profile: ProfileName,
    /// The other profiles that hold the same login.
    pub others: Vec<ProfileName>,
    /// Whether the login that Codex itself uses is the same one.
    pub live: bool,
}

/// Why a profile was not signed out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignOutError {
    /// An API key, for one, is revoked where it was made. Nothing has changed.
    #[error("profile `{profile}` is a login of kind `{}`, which has no sign-in to end", .mode.as_str())]
    NothingToRevoke {
        /// The profile.
        profile: ProfileName,
        /// Its kind of login.
        mode: AuthMode,
    },
    /// The issuer did not do it, as far as is known: try again.
    #[error("profile `{profile}` was not signed out: {source}")]
    NotRevoked {
        /// The profile.
        profile: ProfileName,
        /// What went wrong.
        source: RevokeError,
    },
    /// One token was ended at the issuer, and another that a copy holds was not, or it could not be
    /// noted: sign out again.
    #[error("profile `{profile}` was signed out in part; run it again: {source}")]
    InPart {
        /// The profile.
        profile: ProfileName,
        /// What went wrong then.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file could not be read, locked or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A token to revoke, and the right to do so.
struct Turn {
    login: Arc<AuthDotJson>,
    token: String,
    /// Held meanwhile: a refresh must not put another token in its place.
    _lock: FileLock,
}

impl ProfileStore {
    /// What would stop if this profile were signed out: for asking the person first.
    ///
    /// # Errors
    /// [`SignOutError::NothingToRevoke`], and [`StoreError::UnknownProfile`] or
    /// [`StoreError::Unusable`].
    pub async fn sign_out_scope(&self, name: &ProfileName) -> Result<SignOutScope, SignOutError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || disk.scope(&name)).await?
    }

    /// **Ends** a profile's login at the issuer, and with it every copy: the newest token first,
    /// then any other that a copy holds. Each is noted as revoked, so that it is never posted
    /// again. Deletes nothing. Says what stopped.
    ///
    /// # Errors
    /// A [`SignOutError`]. After [`NotRevoked`](SignOutError::NotRevoked) and
    /// [`InPart`](SignOutError::InPart) it does no harm to try again.
    ///
    /// # Cancellation
    /// A sign-out under way goes on to its end, as long as the runtime does.
    pub async fn sign_out(&self, name: &ProfileName) -> Result<SignOutScope, SignOutError> {
        let (disk, endpoint) = (self.disk.clone(), self.endpoint.clone());
        let (auditor, name) = (self.auditor(), name.clone());
        let task = tokio::spawn(async move {
            let deed = Deed::of(Action::SignOut, &name);
            let begun = blocking(move || Ok(auditor.begin(deed))).await?.lasting();
            let done = sign_out(&disk, &endpoint, name).await;
            let in_part = matches!(done, Err(SignOutError::InPart { .. }));
            let is_change = done.is_ok() || in_part;
            let tell = move |deed: Deed| {
                if in_part {
                    deed.with_detail("in part")
                } else {
                    deed
                }
            };
            let told = blocking(move || {
                if is_change {
                    begun.done_as(tell);
                } else {
                    begun.not_made();
                }
                Ok(())
            });
            // A runtime that ends has no time for it: the next start tells of it.
            let _ = told.await;
            done
        });
        task.await.unwrap_or(Err(StoreError::Interrupted.into()))
    }
}

async fn sign_out(
    disk: &Arc<Disk>,
    endpoint: &TokenEndpoint,
    name: ProfileName,
) -> Result<SignOutScope, SignOutError> {
    let (looking, profile) = (disk.clone(), name.clone());
    let scope = blocking(move || looking.scope(&profile)).await??;
    let mut done = Vec::new();
    match end_every_token(disk, endpoint, &name, &mut done).await {
        Ok(()) => Ok(scope),
        Err(source) if done.is_empty() => Err(source),
        Err(source) => Err(SignOutError::InPart {
            profile: name,
            source: match source {
                SignOutError::NotRevoked { source, .. } => Box::new(source),
                other => Box::new(other),
            },
        }),
    }
}

async fn end_every_token(
    disk: &Arc<Disk>,
    endpoint: &TokenEndpoint,
    name: &ProfileName,
    done: &mut Vec<String>,
) -> Result<(), SignOutError> {
    for _ in 0..MAX_ROUNDS {
        let (looking, profile, passed) = (disk.clone(), name.clone(), done.clone());
        let turn = blocking(move || looking.turn(&profile, &passed)).await?;
        let Some(turn) = turn else {
            info!(profile = %name, "signed out at the issuer");
            return Ok(());
        };
        let revoked = endpoint.revoke(&turn.login).await;
        revoked.map_err(|source| {
            let profile = name.clone();
            SignOutError::NotRevoked { profile, source }
        })?;
        done.push(turn.token.clone());
        let recording = disk.clone();
        blocking(move || recording.record_revoked(&turn)).await?;
    }
    let path = disk.home.auth_json_of(name);
    Err(StoreError::Contended { path }.into())
}

impl Disk {
    fn scope(&self, name: &ProfileName) -> Result<Result<SignOutScope, SignOutError>, StoreError> {
        let login = self.login_to_end(name)?;
        if decisive_token(&login).is_none() {
            let (profile, mode) = (name.clone(), login.mode());
            return Ok(Err(SignOutError::NothingToRevoke { profile, mode }));
        }
        let places = self.copies_of(&login)?.into_iter().map(|(place, _)| place);
        let mut scope = SignOutScope {
            profile: name.clone(),
            others: Vec::new(),
            live: false,
        };
        for place in places {
            match place {
                Place::Live => scope.live = true,
                Place::Profile(other) if other != *name => scope.others.push(other),
                Place::Profile(_) => {}
            }
        }
        Ok(Ok(scope))
    }

    fn login_to_end(&self, name: &ProfileName) -> Result<Arc<AuthDotJson>, StoreError> {
        self.profile(name).map_err(|error| match error {
            ReadError::Missing => StoreError::UnknownProfile(name.clone()),
            error => StoreError::unusable(&self.home.auth_json_of(name))(error),
        })
    }

    /// Every place whose login ends with this one: those of the same identity, and those that share
    /// its token, as another workspace of one sign-in does.
    fn copies_of(&self, login: &AuthDotJson) -> Result<Vec<(Place, Arc<AuthDotJson>)>, StoreError> {
        let (identity, token) = (login.identity(), decisive_token(login));
        let profiles = self.names()?.into_iter().map(Place::Profile);
        let places = profiles.chain([Place::Live]);
        Ok(places
            .filter_map(|place| {
                let copy = self.login(&place).ok()?;
                let is_copy = copy.identity() == identity || decisive_token(&copy) == token;
                is_copy.then_some((place, copy))
            })
            .collect())
    }

    /// The newest token that is not `done` yet, under its lock; `None` when all are.
    fn turn(&self, name: &ProfileName, done: &[String]) -> Result<Option<Turn>, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let Some((_, token)) = self.newest_but(name, done)? else {
                return Ok(None);
            };
            let lock = FileLock::acquire(&self.home.refresh_lock(&token), 0o600, LOCK_LIMIT)?;
            // A refresh that was cut short may have left its successor in the journal.
            self.settle(&RefreshJournal::new(self, &token))?;
            match self.newest_but(name, done)? {
                Some((login, same)) if same == token => {
                    return Ok(Some(Turn {
                        login,
                        token,
                        _lock: lock,
                    }));
                }
                _ => {}
            }
        }
        let path = self.home.auth_json_of(name);
        Err(StoreError::Contended { path })
    }

    fn newest_but(
        &self,
        name: &ProfileName,
        done: &[String],
    ) -> Result<Option<(Arc<AuthDotJson>, String)>, StoreError> {
        let own = self.login_to_end(name)?;
        let copies = self.copies_of(&own)?.into_iter();
        let open = copies.filter_map(|(_, login)| {
            let token = decisive_token(&login)?;
            (!done.contains(&token)).then_some((login, token))
        });
        Ok(open.reduce(|newest, copy| {
            if self.is_newer(&copy.0, &newest.0) {
                copy
            } else {
                newest
            }
        }))
    }

    /// Notes for good that a token is of no use, at every place that holds it.
    fn record_revoked(&self, turn: &Turn) -> Result<(), StoreError> {
        let fact = NeedsLogin {
            reason: LoginReason::Revoked,
            token_fingerprint: turn.token.clone(),
            at: Timestamp::now(),
        };
        let copies = self.copies_of(&turn.login)?.into_iter();
        let holders: Vec<Place> = copies
            .filter(|(_, login)| decisive_token(login).as_ref() == Some(&turn.token))
            .map(|(place, _)| place)
            .collect();
        State::update(&self.home, |state| {
            for place in &holders {
                state.set_needs_login(place.reference().as_str(), Some(&fact));
            }
        })
        .map(drop)
    }
}

#[cfg(test)]
mod tests;
