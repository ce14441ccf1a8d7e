//! The contract between whoever keeps logins and whoever puts them on requests.

use std::{error::Error, fmt, path::PathBuf, sync::Arc};

use crate::credentials::{Backend, Credentials};

/// An error that several waiters can share.
pub type SharedError = Arc<dyn Error + Send + Sync>;

/// Supplies the login for one upstream request.
///
/// Implementors write plain `async fn`; `Arc<P>` is a provider too.
pub trait CredentialProvider: Send + Sync + 'static {
    /// Credentials good for at least a few minutes; refreshes ahead of expiry when it must. Where
    /// the hint says whose login it is, never another account's.
    ///
    /// # Errors
    /// A [`CredentialError`]; each variant is a different thing for the caller to do.
    ///
    /// # Cancellation
    /// The future may be dropped at any time: a refresh under way goes on to its end.
    fn credentials(
        &self,
        hint: &RouteHint,
    ) -> impl Future<Output = Result<Credentials, CredentialError>> + Send;

    /// The upstream answered 401 to `stale`. Returns others, from disk or from the issuer; never
    /// `stale` again.
    ///
    /// # Errors
    /// As for [`credentials`](Self::credentials).
    fn refresh(
        &self,
        stale: &Credentials,
    ) -> impl Future<Output = Result<Credentials, CredentialError>> + Send;
}

impl<P: CredentialProvider> CredentialProvider for Arc<P> {
    fn credentials(
        &self,
        hint: &RouteHint,
    ) -> impl Future<Output = Result<Credentials, CredentialError>> + Send {
        (**self).credentials(hint)
    }

    fn refresh(
        &self,
        stale: &Credentials,
    ) -> impl Future<Output = Result<Credentials, CredentialError>> + Send {
        (**self).refresh(stale)
    }
}

/// The label of a login. What it names is the provider's business; this crate knows no profiles.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileRef(Arc<str>);

impl ProfileRef {
    /// A label, as it is.
    #[must_use]
    pub fn new(label: impl AsRef<str>) -> Self {
        Self(Arc::from(label.as_ref()))
    }

    /// The label's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which login a request asks for. Travels in the request's extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteHint {
    /// The login to use; `None` leaves the choice to the provider.
    pub profile: Option<ProfileRef>,
    /// The servers that login is accepted by, where whoever chose it already knows.
    pub backend: Option<Backend>,
    /// Whose login it is: the fingerprint of its [`Identity`](crate::Identity), where it is known.
    pub identity: Option<Arc<str>>,
}

impl RouteHint {
    /// Asks for one login by its label.
    #[must_use]
    pub fn profile(profile: ProfileRef) -> Self {
        Self {
            profile: Some(profile),
            ..Self::default()
        }
    }

    /// Adds which servers the login is accepted by.
    #[must_use]
    pub fn with_backend(self, backend: Backend) -> Self {
        Self {
            backend: Some(backend),
            ..self
        }
    }

    /// Adds whose login it is.
    #[must_use]
    pub fn with_identity(self, identity: Option<Arc<str>>) -> Self {
        Self { identity, ..self }
    }

    /// Sees to it that a request which is bound to an account is served by no other.
    ///
    /// # Errors
    /// [`CredentialError::LoginChanged`] where the hint names another identity than this one, the
    /// fingerprint of `profile`'s.
    pub fn require_identity(
        &self,
        profile: &ProfileRef,
        identity: &str,
    ) -> Result<(), CredentialError> {
        match self.identity.as_deref() {
            Some(chosen) if chosen != identity => Err(CredentialError::LoginChanged {
                profile: profile.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// What tells accounts apart: the identity, else the label. A label can be given to another
    /// login, and a login to another label.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        let label = || self.profile.as_ref().map(ProfileRef::as_str);
        self.identity.as_deref().or_else(label)
    }
}

/// Why there are no credentials. Each variant is a different thing for the caller to do.
#[derive(thiserror::Error, Debug, Clone)]
#[non_exhaustive]
pub enum CredentialError {
    /// Nothing to log in with at all; the text says where was looked.
    #[error("not logged in: {looked_at} holds no login")]
    NotLoggedIn {
        /// The file that was looked at.
        looked_at: PathBuf,
    },
    /// Name another profile, or create this one.
    #[error("no profile named `{0}`")]
    UnknownProfile(ProfileRef),
    /// The person must sign in again; nothing else helps.
    #[error("profile `{profile}` must log in again: {reason}")]
    LoginRequired {
        /// Whose login ended.
        profile: ProfileRef,
        /// Why it ended.
        reason: LoginReason,
    },
    /// The login is fine as far as anyone knows: try again later.
    #[error(
        "the login of profile `{profile}` is due for refresh and the issuer could not be reached"
    )]
    Unavailable {
        /// Whose refresh failed.
        profile: ProfileRef,
        /// What went wrong.
        #[source]
        source: SharedError,
    },
    /// Another account's login has taken the place of the one that was chosen for the request: ask
    /// again, for what is there now.
    #[error("the login of profile `{profile}` changed while the request was on its way")]
    LoginChanged {
        /// Whose login is another one now.
        profile: ProfileRef,
    },
    /// A file could not be read, understood or written; the source says which of these.
    #[error("the login in {path} cannot be used: {source}")]
    Storage {
        /// The file concerned.
        path: PathBuf,
        /// What went wrong.
        source: SharedError,
    },
    /// This kind of login is recognised, but cannot serve requests here.
    #[error("profile `{profile}` is a login of kind `{mode}`, which cannot serve requests here")]
    UnsupportedMode {
        /// Whose login it is.
        profile: ProfileRef,
        /// Its `auth_mode`.
        mode: &'static str,
    },
}

/// Why a login ended for good. *Source:* wire reference 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginReason {
    /// The refresh token outlived its time.
    Expired,
    /// The refresh token had been used before; the issuer ends the whole family then.
    Reused,
    /// The login was revoked, by a sign-out or by an administrator.
    Revoked,
    /// The account is deactivated, suspended or deleted.
    AccountDisabled,
    /// A refresh was sent, its answer was lost, and the old token is used up.
    OutcomeUnknown,
    /// The file holds no refresh token, and its access token has ended.
    NoRefreshToken,
    /// The upstream refused a login that cannot be refreshed, such as an API key.
    Refused,
    /// Another account's login took its place while a request was under way: ask again.
    Replaced,
}

impl fmt::Display for LoginReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its refresh token has expired",
            Self::Reused => "its refresh token was already used",
            Self::Revoked => "its login was revoked",
            Self::AccountDisabled => "its account is disabled",
            Self::OutcomeUnknown => "a refresh was sent and its answer lost",
            Self::NoRefreshToken => "it has no refresh token and its access token has expired",
            Self::Refused => "the server refused it",
            Self::Replaced => "another account's login has taken its place",
        })
    }
}
