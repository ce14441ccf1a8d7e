use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    AuthJsonError, AuthMode,
    fields::{Fields, field, value},
};
use crate::{
    claims::{IdTokenClaims, Identity},
    secret::{AccessToken, ApiKey, IdToken, RefreshToken},
};

/// Where and under which client id a sign-in was made; refreshes go there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthProvenance {
    /// The issuer's base address.
    pub issuer: String,
    /// The OAuth client id.
    pub client_id: String,
}

/// The tokens of a ChatGPT sign-in.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: Option<IdToken>,
    pub(super) access_token: AccessToken,
    #[serde(default = "no_refresh_token")]
    pub(super) refresh_token: RefreshToken,
    pub(super) account_id: Option<String>,
    pub(super) oauth_provenance: Option<OauthProvenance>,
    pub(super) login_owner_id: Option<String>,
}

pub(super) fn no_refresh_token() -> RefreshToken {
    RefreshToken::new("")
}

/// The one login that the file's mode points at: no other state can be held.
#[derive(Debug, Clone)]
pub(super) enum Login {
    Key(ApiKey),
    Tokens {
        mode: AuthMode,
        tokens: Box<Tokens>,
        claims: Box<IdTokenClaims>,
        access: Box<IdTokenClaims>,
    },
    /// Recognised, but of no use to this program; the digest tells two of them apart.
    Foreign {
        mode: AuthMode,
        digest: String,
    },
}

impl Login {
    pub(super) fn read(
        fields: &Fields,
        token_fields: Option<&Fields>,
    ) -> Result<Self, AuthJsonError> {
        let mode = match field::<String>(fields, "auth_mode")? {
            Some(text) => AuthMode::parse(&text),
            None => guess_mode(fields)?,
        };
        match mode {
            AuthMode::ApiKey => match field::<ApiKey>(fields, "OPENAI_API_KEY")? {
                Some(key) if !key.is_empty() => Ok(Self::Key(key)),
                _ => Err(AuthJsonError::NoLogin),
            },
            AuthMode::ChatGpt | AuthMode::ChatGptAuthTokens => {
                let fields = token_fields.ok_or(AuthJsonError::NoLogin)?;
                let tokens = Tokens::read(fields)?;
                let (claims, access) = tokens.claims();
                Ok(Self::Tokens {
                    mode,
                    tokens: Box::new(tokens),
                    claims,
                    access,
                })
            }
            _ => Ok(Self::Foreign {
                mode,
                digest: foreign_digest(fields),
            }),
        }
    }
}

/// The order in which Codex guesses (wire reference 1.3).
fn guess_mode(fields: &Fields) -> Result<AuthMode, AuthJsonError> {
    let holds = |name: &str| field::<&RawValue>(fields, name).map(|value| value.is_some());
    Ok(if holds("personal_access_token")? {
        AuthMode::PersonalAccessToken
    } else if holds("bedrock_api_key")? {
        AuthMode::BedrockApiKey
    } else if holds("OPENAI_API_KEY")? {
        AuthMode::ApiKey
    } else if !holds("tokens")? && holds("agent_identity")? {
        AuthMode::AgentIdentity
    } else {
        AuthMode::ChatGpt
    })
}

/// Over everything but the time: nobody knows which field of an unknown kind is the secret one.
fn foreign_digest(fields: &Fields) -> String {
    let mut named: Vec<_> = fields
        .keys()
        .filter(|name| *name != "last_refresh")
        .filter_map(|name| Some((name, value(fields, name)?)))
        .collect();
    // Whoever rewrites the file may put its fields in another order.
    named.sort();
    // The lengths keep one field from running into the next.
    let parts = named.iter().map(|(name, value)| {
        let lengths = (name.len(), value.len());
        format!("{} {} {name}{value}", lengths.0, lengths.1)
    });
    ApiKey::new(parts.collect::<String>()).fingerprint()
}

impl Tokens {
    pub(super) fn read(fields: &Fields) -> Result<Self, AuthJsonError> {
        if field::<String>(fields, "access_token")?.is_none_or(|token| token.is_empty()) {
            return Err(AuthJsonError::NoLogin);
        }
        Ok(Self {
            id_token: field(fields, "id_token")?,
            access_token: field(fields, "access_token")?.ok_or(AuthJsonError::NoLogin)?,
            refresh_token: field(fields, "refresh_token")?.unwrap_or_else(no_refresh_token),
            account_id: field(fields, "account_id")?,
            // A provenance of an unknown shape must not cost the login.
            oauth_provenance: field(fields, "oauth_provenance").ok().flatten(),
            login_owner_id: field(fields, "login_owner_id").ok().flatten(),
        })
    }

    /// The claims of the id token with the gaps filled, and those of the access token alone.
    pub(super) fn claims(&self) -> (Box<IdTokenClaims>, Box<IdTokenClaims>) {
        let access = IdTokenClaims::of_access_token(&self.access_token).unwrap_or_default();
        let id = self.id_token.as_ref().map(IdTokenClaims::of_id_token);
        let id = id.and_then(Result::ok).unwrap_or_default();
        (Box::new(id.or(access.clone())), Box::new(access))
    }

    pub(super) fn identity(&self, claims: &IdTokenClaims) -> Identity {
        let account_id = self
            .account_id
            .clone()
            .or_else(|| claims.account_id.clone());
        match (&claims.user_id, &account_id) {
            // Without any claim, two strangers would look alike; the sign-in tells them apart.
            (None, None) => Identity::Key(
                self.login_owner_id
                    .clone()
                    .unwrap_or_else(|| self.refresh_token.fingerprint()),
            ),
            (user_id, _) => Identity::ChatGpt {
                user_id: user_id.clone(),
                account_id,
            },
        }
    }
}
