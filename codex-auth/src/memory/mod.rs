//! Logins that live in memory: for a service that gets one from its environment or from a secret
//! store of its own, and has no folder and no database for it.
//!
//! - [`FixedLogin`]: an API key, or an access token that somebody else keeps fresh.
//! - `MemoryLogin` (feature `refresh`): a login that is refreshed, and handed to a function of
//!   yours whenever it has changed.
//!
//! ```
//! use codex_auth::{CredentialProvider as _, RouteHint, memory::FixedLogin, secret::ApiKey};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), codex_auth::CredentialError> {
//! let logins = FixedLogin::from_env().unwrap_or_else(|| FixedLogin::api_key(ApiKey::new("sk-1")));
//! let credentials = logins.credentials(&RouteHint::default()).await?;
//! assert_eq!(credentials.profile().as_str(), "default");
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "refresh")]
mod refreshing;

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    auth_json::AuthDotJson,
    credentials::Credentials,
    provider::{CredentialError, CredentialProvider, LoginReason, ProfileRef, RouteHint},
    secret::ApiKey,
};

#[cfg(feature = "refresh")]
pub use refreshing::{Keep, MemoryLogin};

/// What the login is called unless somebody says otherwise.
const NAME: &str = "default";
/// Where Codex looks for a key, in this order.
const VARIABLES: [&str; 2] = ["CODEX_API_KEY", "OPENAI_API_KEY"];

/// One login that never changes.
#[derive(Debug, Clone)]
pub struct FixedLogin {
    profile: ProfileRef,
    login: Arc<AuthDotJson>,
}

impl FixedLogin {
    /// A login under a name.
    #[must_use]
    pub fn new(profile: ProfileRef, login: AuthDotJson) -> Self {
        Self {
            profile,
            login: Arc::new(login),
        }
    }

    /// An API key, called `default`.
    #[must_use]
    pub fn api_key(key: ApiKey) -> Self {
        Self::new(ProfileRef::new(NAME), AuthDotJson::from_api_key(key))
    }

    /// The API key in `CODEX_API_KEY`, else in `OPENAI_API_KEY`; `None` where both are missing or
    /// empty. One of the few places in the libraries that look at the environment, and only when
    /// asked.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let values = VARIABLES.iter().filter_map(|name| read(name));
        let mut keys = values.map(|value| value.trim().to_owned());
        let key = keys.find(|key| !key.is_empty())?;
        Some(Self::api_key(ApiKey::new(key)))
    }
}

impl CredentialProvider for FixedLogin {
    async fn credentials(&self, hint: &RouteHint) -> Result<Credentials, CredentialError> {
        require_asked(hint, &self.profile, &self.login)?;
        let ends = self.login.access_token_expires_at();
        if ends.is_some_and(|ends| ends <= Timestamp::now()) {
            return Err(login_required(&self.profile, LoginReason::NoRefreshToken));
        }
        credentials_of(&self.profile, &self.login)
    }

    /// There are no others.
    async fn refresh(&self, _stale: &Credentials) -> Result<Credentials, CredentialError> {
        Err(login_required(&self.profile, LoginReason::Refused))
    }
}

/// Whether a request is for this login.
fn require_asked(
    hint: &RouteHint,
    profile: &ProfileRef,
    login: &AuthDotJson,
) -> Result<(), CredentialError> {
    match &hint.profile {
        Some(other) if other != profile => Err(CredentialError::UnknownProfile(other.clone())),
        _ => hint.require_identity(profile, &login.identity().fingerprint()),
    }
}

fn credentials_of(
    profile: &ProfileRef,
    login: &AuthDotJson,
) -> Result<Credentials, CredentialError> {
    let credentials = login.credentials(profile.clone());
    credentials.ok_or_else(|| CredentialError::UnsupportedMode {
        profile: profile.clone(),
        mode: login.mode().as_str(),
    })
}

fn login_required(profile: &ProfileRef, reason: LoginReason) -> CredentialError {
    CredentialError::LoginRequired {
        profile: profile.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_in(variables: &[(&str, &str)]) -> Option<String> {
        let found = |name: &str| variables.iter().find(|(known, _)| *known == name);
        let login = FixedLogin::from_variables(|name| found(name).map(|(_, key)| (*key).into()))?;
        let mut headers = http::HeaderMap::new();
        let credentials = credentials_of(&login.profile, &login.login).ok()?;
        credentials.apply(&mut headers);
        Some(headers["authorization"].to_str().ok()?.to_owned())
    }

    #[test]
    fn codex_own_variable_goes_before_the_other_and_an_empty_one_counts_for_nothing() {
        assert_eq!(key_in(&[]), None);
        let both = [("OPENAI_API_KEY", "sk-2"), ("CODEX_API_KEY", " sk-1\n")];
        assert_eq!(key_in(&both).as_deref(), Some("Bearer sk-1"));
        let empty = [("OPENAI_API_KEY", "sk-2"), ("CODEX_API_KEY", "")];
        assert_eq!(key_in(&empty).as_deref(), Some("Bearer sk-2"));
    }

    #[tokio::test]
    async fn a_fixed_login_serves_what_asks_for_it_and_nothing_else() {
        let login = FixedLogin::api_key(ApiKey::new("sk-1"));
        let credentials = login.credentials(&RouteHint::default()).await.unwrap();
        let other = RouteHint::profile(ProfileRef::new("other"));
        let error = login.credentials(&other).await.unwrap_err();
        assert!(
            matches!(error, CredentialError::UnknownProfile(_)),
            "{error}"
        );
        let bound = RouteHint::default().with_identity(Some("somebody".into()));
        let error = login.credentials(&bound).await.unwrap_err();
        assert!(
            matches!(error, CredentialError::LoginChanged { .. }),
            "{error}"
        );
        let error = login.refresh(&credentials).await.unwrap_err();
        assert!(
            matches!(error, CredentialError::LoginRequired { .. }),
            "{error}"
        );
    }
}
