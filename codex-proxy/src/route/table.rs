use std::sync::Arc;

use codex_auth::{Backend, CredentialError, ProfileRef};

/// Knows the profiles there are.
pub trait ProfileTable: Send + Sync + 'static {
    /// The profile asked for, or else the one that serves by default.
    ///
    /// # Errors
    /// A [`CredentialError`] when there is no such profile, or nobody is logged in.
    fn choose(
        &self,
        wanted: Option<&ProfileRef>,
    ) -> impl Future<Output = Result<ChosenProfile, CredentialError>> + Send;

    /// The profiles that could serve a request now, as far as is known without asking anybody.
    fn ready(&self) -> impl Future<Output = Vec<ProfileRef>> + Send {
        async {
            self.choose(None)
                .await
                .map(|chosen| vec![chosen.profile])
                .unwrap_or_default()
        }
    }
}

/// The answer of a [`ProfileTable`].
#[derive(Debug, Clone)]
pub struct ChosenProfile {
    /// Which profile serves.
    pub profile: ProfileRef,
    /// Which servers its login is accepted by.
    pub backend: Backend,
    /// Whose login it is, where that is known: the fingerprint of its identity.
    pub identity: Option<Arc<str>>,
    /// Why, when nobody asked for it by name.
    pub default_reason: RouteReason,
}

/// Why a profile serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteReason {
    /// It is the current profile.
    Current,
    /// The header `x-codex-profile` names it.
    Header,
    /// The key of the client is bound to it, or the bearer token of the request names it.
    Key,
    /// There is no current profile; the live login serves.
    LiveLogin,
}

impl RouteReason {
    /// The value of the header `x-codex-router-reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Header => "header",
            Self::Key => "key",
            Self::LiveLogin => "live-login",
        }
    }
}
