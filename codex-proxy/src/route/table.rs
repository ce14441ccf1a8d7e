use std::sync::Arc;

use codex_auth::{Backend, CredentialError, ProfileRef, RouteHint};
use serde::Serialize;

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

impl ChosenProfile {
    /// The hint that asks for this very login.
    #[must_use]
    pub fn hint(&self) -> RouteHint {
        RouteHint::profile(self.profile.clone())
            .with_backend(self.backend)
            .with_identity(self.identity.clone())
    }
}

/// Why a profile serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "control", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RouteReason {
    /// It is the current profile.
    Current,
    /// The header `x-codex-profile` names it.
    Header,
    /// The key of the client is bound to it, or the bearer token of the request names it.
    Key,
    /// A rule names it for the model that is asked for.
    ModelRule,
    /// There is no current profile; the live login serves.
    LiveLogin,
    /// The current profile could not serve it, and the settings name this one for that.
    Fallback,
}

impl RouteReason {
    /// The value of the header `x-codex-router-reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Header => "header",
            Self::Key => "key",
            Self::ModelRule => "model-rule",
            Self::LiveLogin => "live-login",
            Self::Fallback => "fallback",
        }
    }
}

/// Left in an answer's extensions: which profile served it, and why. A layer inside
/// [`RouteLayer`](super::RouteLayer) that had another one serve it says so in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The profile.
    pub profile: ProfileRef,
    /// Why it was that one.
    pub reason: RouteReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_in_json_as_in_its_header() {
        for reason in [
            RouteReason::Current,
            RouteReason::Header,
            RouteReason::Key,
            RouteReason::ModelRule,
            RouteReason::LiveLogin,
            RouteReason::Fallback,
        ] {
            let json = serde_json::to_value(reason).unwrap();
            assert_eq!(json, reason.as_str());
        }
    }
}
