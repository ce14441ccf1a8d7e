//! Tokens as other programs keep them, put into the form of `auth.json`.

use codex_auth::{
    AuthDotJson, IdTokenClaims,
    secret::{AccessToken, ApiKey, IdToken, RefreshToken},
};
use jiff::Timestamp;
use serde::Serialize;

use super::EntryError;

/// The tokens of one ChatGPT login, whatever their fields are called.
#[derive(Default)]
pub(super) struct LooseTokens {
    pub(super) id_token: Option<IdToken>,
    pub(super) access_token: Option<AccessToken>,
    pub(super) refresh_token: Option<RefreshToken>,
    pub(super) account_id: Option<String>,
    pub(super) last_refresh: Option<Timestamp>,
}

impl LooseTokens {
    /// The login as Codex would hold it. Without an id token it serves, but Codex cannot read it.
    pub(super) fn login(self, written_at: Timestamp) -> Result<AuthDotJson, EntryError> {
        let access_token = self.access_token.filter(|token| !token.is_empty());
        let access_token = access_token.ok_or(EntryError::NoAccessToken)?;
        let id_token = self.id_token.filter(|token| !token.is_empty());
        let access = IdTokenClaims::of_access_token(&access_token).unwrap_or_default();
        let claims = claims_of(id_token.as_ref(), access.clone());
        let issued_at = access.issued_at;
        let file = File {
            auth_mode: "chatgpt",
            api_key: None,
            tokens: Tokens {
                id_token,
                access_token,
                refresh_token: self.refresh_token.unwrap_or_else(|| RefreshToken::new("")),
                // Codex sends no account header without this one (wire reference 1.3).
                account_id: present(self.account_id).or(claims.account_id),
            },
            // Nor does it send any Authorization without this one.
            last_refresh: self
                .last_refresh
                .or_else(|| Timestamp::from_second(issued_at?).ok())
                .unwrap_or(written_at),
        };
        // Texts and a time always serialize.
        let bytes = serde_json::to_vec(&file).unwrap_or_default();
        Ok(AuthDotJson::parse(&bytes)?)
    }

    /// Whether the tokens themselves say that they are of a ChatGPT login.
    pub(super) fn claim_to_be_chatgpt(&self) -> bool {
        let access = self.access_token.as_ref();
        let access = access.and_then(|token| IdTokenClaims::of_access_token(token).ok());
        let claims = claims_of(self.id_token.as_ref(), access.unwrap_or_default());
        claims.account_id.is_some() || claims.user_id.is_some()
    }
}

/// The login of an API key of OpenAI; what only stands for one, such as a variable's name, is none.
pub(super) fn api_key(key: &ApiKey) -> Option<AuthDotJson> {
    let is_key = key.expose().starts_with("sk-");
    is_key.then(|| AuthDotJson::from_api_key(key.clone()))
}

fn claims_of(id_token: Option<&IdToken>, access: IdTokenClaims) -> IdTokenClaims {
    let claims = id_token.and_then(|token| IdTokenClaims::of_id_token(token).ok());
    claims.unwrap_or_default().or(access)
}

fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

#[derive(Serialize)]
struct File {
    auth_mode: &'static str,
    #[serde(rename = "OPENAI_API_KEY")]
    api_key: Option<ApiKey>,
    tokens: Tokens,
    last_refresh: Timestamp,
}

#[derive(Serialize)]
struct Tokens {
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<IdToken>,
    access_token: AccessToken,
    refresh_token: RefreshToken,
    account_id: Option<String>,
}
