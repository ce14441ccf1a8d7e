//! What the tokens of a ChatGPT login claim.
//!
//! *Source:* wire reference 2; `login/src/token_data.rs` and `protocol/src/auth.rs` of Codex.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    jwt::{self, JwtError},
    secret::{AccessToken, ApiKey, IdToken, hex},
};

/// The claims of an id token that Codex uses; the access token carries most of them too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdTokenClaims {
    /// For display only: an e-mail address does not identify an account.
    pub email: Option<Email>,
    /// The plan, as the issuer spelled it.
    pub plan: Option<PlanType>,
    /// The person, over all workspaces.
    pub user_id: Option<String>,
    /// The account or workspace; `tokens.account_id` of the file overrules it.
    pub account_id: Option<String>,
    /// The title of the default organization, for display; a sign-in asks for it.
    pub workspace: Option<String>,
    /// Whether the account belongs to a FedRAMP workspace.
    pub fedramp: bool,
    /// When the token ends, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// When the token was issued, in seconds since 1970.
    pub issued_at: Option<i64>,
}

impl IdTokenClaims {
    /// Reads an id token, unverified.
    ///
    /// # Errors
    /// A [`JwtError`]; such a token makes the whole file unreadable to Codex.
    pub fn of_id_token(token: &IdToken) -> Result<Self, JwtError> {
        jwt::decode_unverified::<RawClaims>(token.expose()).map(Self::from)
    }

    /// Reads an access token, unverified.
    ///
    /// # Errors
    /// A [`JwtError`] when the token is opaque, which is allowed.
    pub fn of_access_token(token: &AccessToken) -> Result<Self, JwtError> {
        jwt::decode_unverified::<RawClaims>(token.expose()).map(Self::from)
    }

    /// These claims, each one that is missing taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            email: self.email.or(other.email),
            plan: self.plan.or(other.plan),
            user_id: self.user_id.or(other.user_id),
            account_id: self.account_id.or(other.account_id),
            workspace: self.workspace.or(other.workspace),
            fedramp: self.fedramp || other.fedramp,
            expires_at: self.expires_at.or(other.expires_at),
            issued_at: self.issued_at.or(other.issued_at),
        }
    }
}

/// The owner of a login: two logins of one identity are copies of the same thing.
///
/// A person in two workspaces has two identities, and so have two people in one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Identity {
    /// A ChatGPT user acting for an account or workspace.
    ChatGpt {
        /// `chatgpt_user_id`, where the tokens say it.
        user_id: Option<String>,
        /// `tokens.account_id`, else the claim.
        account_id: Option<String>,
    },
    /// A key, by its SHA-256 in hexadecimal.
    Key(String),
}

impl Identity {
    /// The identity of an API key or a personal access token.
    #[must_use]
    pub fn of_key(key: &ApiKey) -> Self {
        Self::Key(key.fingerprint())
    }

    /// Whether both may be one owner: every part that both sides know is equal. An id token that
    /// arrives with a refresh may fill a gap without making the login somebody else's.
    #[must_use]
    pub fn is_compatible_with(&self, other: &Self) -> bool {
        fn agree(one: Option<&String>, other: Option<&String>) -> bool {
            one.zip(other).is_none_or(|(one, other)| one == other)
        }
        match (self, other) {
            (
                Self::ChatGpt {
                    user_id: user,
                    account_id: account,
                },
                Self::ChatGpt {
                    user_id,
                    account_id,
                },
            ) => {
                agree(user.as_ref(), user_id.as_ref())
                    && agree(account.as_ref(), account_id.as_ref())
            }
            _ => self == other,
        }
    }

    /// Whether both are known to be one person, in whatever workspaces.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ChatGpt { user_id: one, .. }, Self::ChatGpt { user_id: other, .. }) => {
                one.is_some() && one == other
            }
            _ => false,
        }
    }

    /// A short name that is fit for a file name and gives nothing away: 32 hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: Option<&str>| {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update(
                text.map_or(u64::MAX, |text| text.len() as u64)
                    .to_be_bytes(),
            );
            hash.update(text.unwrap_or_default());
        };
        match self {
            Self::ChatGpt {
                user_id,
                account_id,
            } => {
                part(Some("chatgpt"));
                part(user_id.as_deref());
                part(account_id.as_deref());
            }
            Self::Key(digest) => {
                part(Some("key"));
                part(Some(digest));
            }
        }
        hex(&hash.finalize()[..16])
    }
}

/// An e-mail address, which `Debug` does not show: it is display data, not for logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Email(String);

impl Email {
    /// The address, for showing it to its owner.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A plan's name, compared without regard to case; unknown names are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlanType(String);

impl PlanType {
    /// A plan by its name on the wire.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(match name.to_ascii_lowercase().as_str() {
            "hc" => "enterprise".to_owned(),
            "education" => "edu".to_owned(),
            other => other.to_owned(),
        })
    }

    /// The name in lower case, such as `plus`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for PlanType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::new(&name))
    }
}

#[derive(Deserialize)]
struct RawClaims {
    #[serde(default, deserialize_with = "lenient")]
    email: Option<Email>,
    #[serde(default, deserialize_with = "lenient")]
    exp: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    iat: Option<i64>,
    #[serde(
        rename = "https://api.openai.com/profile",
        default,
        deserialize_with = "lenient"
    )]
    profile: Option<ProfileClaims>,
    #[serde(
        rename = "https://api.openai.com/auth",
        default,
        deserialize_with = "lenient"
    )]
    auth: Option<AuthClaims>,
}

#[derive(Deserialize)]
struct ProfileClaims {
    #[serde(default, deserialize_with = "lenient")]
    email: Option<Email>,
}

#[derive(Deserialize, Default)]
struct AuthClaims {
    #[serde(default, deserialize_with = "lenient")]
    chatgpt_plan_type: Option<PlanType>,
    #[serde(default, deserialize_with = "lenient")]
    chatgpt_user_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    user_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    chatgpt_account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    chatgpt_account_is_fedramp: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    organizations: Option<Vec<serde_json::Value>>,
}

/// The title of the default organization, else of the first one that has a title.
fn workspace_of(organizations: &[serde_json::Value]) -> Option<String> {
    let default = |organization: &&serde_json::Value| organization["is_default"] == true;
    let chosen = organizations.iter().find(default).into_iter();
    let titles = chosen.chain(organizations).filter_map(|organization| {
        let title = organization["title"].as_str()?.trim();
        (!title.is_empty()).then(|| title.to_owned())
    });
    titles.into_iter().next()
}

/// A claim of an unexpected type counts as missing: it must not cost the person the login.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

impl From<RawClaims> for IdTokenClaims {
    fn from(raw: RawClaims) -> Self {
        let auth = raw.auth.unwrap_or_default();
        Self {
            email: raw.email.or(raw.profile.and_then(|profile| profile.email)),
            plan: auth.chatgpt_plan_type,
            user_id: auth.chatgpt_user_id.or(auth.user_id),
            account_id: auth.chatgpt_account_id,
            workspace: workspace_of(&auth.organizations.unwrap_or_default()),
            fedramp: auth.chatgpt_account_is_fedramp.unwrap_or(false),
            expires_at: raw.exp,
            issued_at: raw.iat,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn claims(payload: &serde_json::Value) -> IdTokenClaims {
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
        IdTokenClaims::of_id_token(&IdToken::new(format!("e30.{payload}.c2ln"))).unwrap()
    }

    #[test]
    fn the_claims_of_a_chatgpt_login_are_read() {
        let claims = claims(&json!({
            "email": "a@b.c", "exp": 7, "iat": 5,
            "https://api.openai.com/auth": {
                "chatgpt_plan_type": "Plus", "chatgpt_user_id": "user-1", "user_id": "user-2",
                "chatgpt_account_id": "acct-1", "chatgpt_account_is_fedramp": true},
        }));
        assert_eq!(claims.email.unwrap().as_str(), "a@b.c");
        assert_eq!(claims.plan, Some(PlanType::new("plus")));
        assert_eq!(claims.user_id.as_deref(), Some("user-1"));
        assert_eq!(claims.account_id.as_deref(), Some("acct-1"));
        assert_eq!((claims.expires_at, claims.issued_at), (Some(7), Some(5)));
        assert!(claims.fedramp);
    }

    #[test]
    fn the_second_places_are_used_when_the_first_are_empty() {
        let claims = claims(&json!({
            "https://api.openai.com/profile": {"email": "p@b.c"},
            "https://api.openai.com/auth": {"user_id": "user-2"},
        }));
        assert_eq!(claims.email.unwrap().as_str(), "p@b.c");
        assert_eq!(claims.user_id.as_deref(), Some("user-2"));
    }

    #[test]
    fn a_claim_of_a_strange_type_counts_as_missing() {
        let claims = claims(&json!({"email": 7, "exp": "soon", "https://api.openai.com/auth": []}));
        assert_eq!(claims, IdTokenClaims::default());
    }

    #[test]
    fn the_workspace_is_the_default_organization_else_the_first_with_a_title() {
        let workspace = |organizations: serde_json::Value| {
            claims(&json!({"https://api.openai.com/auth": {"organizations": organizations}}))
                .workspace
        };
        let (personal, acme) = (
            json!({"title": "Personal"}),
            json!({"title": "Acme", "is_default": true}),
        );
        assert_eq!(workspace(json!([personal, acme])).as_deref(), Some("Acme"));
        assert_eq!(
            workspace(json!([7, {"title": " "}, personal])).as_deref(),
            Some("Personal")
        );
        assert_eq!(workspace(json!("none")), None);
    }

    #[test]
    fn an_email_cannot_print() {
        let shown = format!("{:?}", claims(&json!({"email": "a@b.c"})));
        assert!(!shown.contains("a@b.c"), "{shown}");
    }

    #[test]
    fn an_identity_with_a_gap_is_compatible_and_another_user_or_workspace_is_not() {
        let identity = |user: Option<&str>, account: &str| Identity::ChatGpt {
            user_id: user.map(str::to_owned),
            account_id: Some(account.to_owned()),
        };
        let full = identity(Some("u1"), "a1");
        assert!(full.is_compatible_with(&identity(None, "a1")));
        assert!(!full.is_compatible_with(&identity(Some("u2"), "a1")));
        assert!(!full.is_compatible_with(&identity(Some("u1"), "a2")));
        assert!(!full.is_compatible_with(&Identity::Key("a1".into())));

        assert!(full.is_same_person(&identity(Some("u1"), "a2")));
        assert!(!full.is_same_person(&identity(Some("u2"), "a1")));
        assert!(!identity(None, "a1").is_same_person(&identity(None, "a1")));
    }

    #[test]
    fn identities_differ_in_user_and_in_workspace_and_so_do_their_fingerprints() {
        let identity = |user: Option<&str>, account: Option<&str>| Identity::ChatGpt {
            user_id: user.map(str::to_owned),
            account_id: account.map(str::to_owned),
        };
        let all = [
            identity(Some("u1"), Some("a1")),
            identity(Some("u1"), Some("a2")),
            identity(Some("u2"), Some("a1")),
            identity(None, Some("a1")),
            identity(Some("u1"), None),
            identity(Some("u"), Some("1a1")),
            Identity::Key("a1".into()),
        ];
        for (index, one) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                assert_ne!(one, other);
                assert_ne!(one.fingerprint(), other.fingerprint());
            }
        }
    }
}
