//! What a login puts on a request, and where that request may go.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use crate::{
    auth_json::AuthMode,
    provider::ProfileRef,
    secret::{AccessToken, ApiKey},
};

/// Names the account, and for workspaces the workspace, that a ChatGPT login acts for.
pub const CHATGPT_ACCOUNT_ID: HeaderName = HeaderName::from_static("chatgpt-account-id");
/// `true` on requests of a FedRAMP workspace. *Source:* capture `fedramp`.
pub const X_OPENAI_FEDRAMP: HeaderName = HeaderName::from_static("x-openai-fedramp");

/// The family of servers a login is accepted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The ChatGPT backend that Codex itself uses, for ChatGPT logins.
    ChatGpt,
    /// The public API, for API keys.
    OpenAi,
}

/// A login made ready for one request. Cheap to clone; `Debug` shows the profile and mode alone.
#[derive(Clone)]
pub struct Credentials {
    profile: ProfileRef,
    mode: AuthMode,
    authorization: HeaderValue,
    account_id: Option<HeaderValue>,
    fedramp: bool,
}

/// The secret or the account id holds a character that no HTTP header may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the login holds a character that no HTTP header may carry")]
pub struct UnusableInHeader;

impl Credentials {
    /// A ChatGPT login: a bearer token, and the account it acts for.
    ///
    /// # Errors
    /// [`UnusableInHeader`] when either text holds a control character.
    pub fn chatgpt(
        profile: ProfileRef,
        token: &AccessToken,
        account_id: Option<&str>,
    ) -> Result<Self, UnusableInHeader> {
        Ok(Self {
            profile,
            mode: AuthMode::ChatGpt,
            authorization: bearer(token.expose())?,
            account_id: account_id.map(plain).transpose()?,
            fedramp: false,
        })
    }

    /// An API key of the public API.
    ///
    /// # Errors
    /// [`UnusableInHeader`] when the key holds a control character.
    pub fn api_key(profile: ProfileRef, key: &ApiKey) -> Result<Self, UnusableInHeader> {
        Ok(Self {
            profile,
            mode: AuthMode::ApiKey,
            authorization: bearer(key.expose())?,
            account_id: None,
            fedramp: false,
        })
    }

    /// Marks the login as one of a FedRAMP workspace.
    #[must_use]
    pub fn with_fedramp(self, fedramp: bool) -> Self {
        Self { fedramp, ..self }
    }

    /// Which profile these credentials belong to.
    #[must_use]
    pub fn profile(&self) -> &ProfileRef {
        &self.profile
    }

    /// What kind of login this is.
    #[must_use]
    pub fn mode(&self) -> AuthMode {
        self.mode
    }

    /// The servers that accept this login.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.mode.backend()
    }

    /// Whether `other` would put the very same bearer token on a request.
    #[must_use]
    pub fn same_bearer(&self, other: &Self) -> bool {
        self.authorization == other.authorization
    }

    /// Whether `other` is of the same kind, and acts for the same account or workspace.
    #[must_use]
    pub fn same_account(&self, other: &Self) -> bool {
        self.mode == other.mode && self.account_id == other.account_id
    }

    /// Replaces whatever identity `headers` carry by this one.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.remove(CHATGPT_ACCOUNT_ID);
        headers.remove(X_OPENAI_FEDRAMP);
        if let Some(account_id) = &self.account_id {
            headers.insert(CHATGPT_ACCOUNT_ID, account_id.clone());
        }
        if self.fedramp {
            headers.insert(X_OPENAI_FEDRAMP, HeaderValue::from_static("true"));
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("profile", &self.profile)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

fn bearer(secret: &str) -> Result<HeaderValue, UnusableInHeader> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {secret}")).map_err(|_| UnusableInHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

fn plain(text: &str) -> Result<HeaderValue, UnusableInHeader> {
    HeaderValue::from_str(text).map_err(|_| UnusableInHeader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chatgpt() -> Credentials {
        let token = AccessToken::new("planted-secret");
        Credentials::chatgpt(ProfileRef::new("work"), &token, Some("acct-1")).unwrap()
    }

    #[test]
    fn the_clients_own_identity_is_replaced_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer unused"));
        headers.insert(CHATGPT_ACCOUNT_ID, HeaderValue::from_static("theirs"));
        headers.insert(X_OPENAI_FEDRAMP, HeaderValue::from_static("true"));

        chatgpt().apply(&mut headers);

        assert_eq!(headers[AUTHORIZATION], "Bearer planted-secret");
        assert_eq!(headers[CHATGPT_ACCOUNT_ID], "acct-1");
        assert!(!headers.contains_key(X_OPENAI_FEDRAMP));
    }

    #[test]
    fn an_api_key_names_no_account() {
        let mut headers = HeaderMap::new();
        headers.insert(CHATGPT_ACCOUNT_ID, HeaderValue::from_static("theirs"));
        let key = Credentials::api_key(ProfileRef::new("k"), &ApiKey::new("sk-1")).unwrap();

        key.apply(&mut headers);

        assert_eq!(headers[AUTHORIZATION], "Bearer sk-1");
        assert!(!headers.contains_key(CHATGPT_ACCOUNT_ID));
    }

    #[test]
    fn debug_shows_neither_token_nor_header() {
        let mut headers = HeaderMap::new();
        chatgpt().apply(&mut headers);
        assert!(!format!("{:?} {headers:?}", chatgpt()).contains("planted-secret"));
    }

    #[test]
    fn a_line_break_in_a_token_is_refused_and_not_sent() {
        let token = AccessToken::new("a\r\nx-evil: 1");
        assert_eq!(
            Credentials::chatgpt(ProfileRef::new("work"), &token, None).unwrap_err(),
            UnusableInHeader
        );
    }
}
