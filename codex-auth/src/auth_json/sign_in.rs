//! A login as a sign-in makes it.

use jiff::Timestamp;
use serde::Serialize;

use super::{AuthDotJson, AuthJsonError, FreshTokens, OauthProvenance};
use crate::{
    claims::IdTokenClaims,
    secret::{AccessToken, ApiKey, IdToken, RefreshToken},
};

impl AuthDotJson {
    /// The login that `tokens` make, with the fields and in the order of Codex 0.169.
    ///
    /// `owner_id` names this one sign-in, so that its copies are known as such; `key` is the API
    /// key that was exchanged for the id token, if any. The account is the one that the id token
    /// claims, else the access token.
    ///
    /// ```
    /// use codex_auth::{AuthDotJson, AuthMode, Issuer, auth_json::FreshTokens};
    /// use jiff::Timestamp;
    ///
    /// let answer = br#"{"access_token":"opaque","refresh_token":"rt_example"}"#;
    /// let tokens = FreshTokens::parse(answer).expect("two tokens");
    /// let origin = Issuer::default().origin();
    /// let login = AuthDotJson::from_sign_in(tokens, &origin, "owner", None, Timestamp::now())?;
    /// assert_eq!(login.mode(), AuthMode::ChatGpt);
    /// assert_eq!(login.provenance(), Some(&origin));
    /// # Ok::<(), codex_auth::AuthJsonError>(())
    /// ```
    ///
    /// # Errors
    /// [`AuthJsonError::NoLogin`] without an access token.
    pub fn from_sign_in(
        tokens: FreshTokens,
        origin: &OauthProvenance,
        owner_id: &str,
        key: Option<ApiKey>,
        at: Timestamp,
    ) -> Result<Self, AuthJsonError> {
        let file = File {
            auth_mode: "chatgpt",
            openai_api_key: key,
            tokens: TokensOfFile {
                account_id: account_of(&tokens),
                id_token: tokens.id_token,
                access_token: tokens.access_token.ok_or(AuthJsonError::NoLogin)?,
                refresh_token: tokens
                    .refresh_token
                    .unwrap_or(super::login::no_refresh_token()),
                oauth_provenance: origin,
                login_owner_id: owner_id,
            },
            last_refresh: at,
        };
        // Read back, so that what is held is what a reader of the file will hold.
        let bytes = serde_json::to_vec(&file).map_err(|_| AuthJsonError::NoLogin)?;
        Self::parse(&bytes)
    }
}

fn account_of(tokens: &FreshTokens) -> Option<String> {
    let id = tokens.id_token.as_ref().map(IdTokenClaims::of_id_token);
    let access = tokens.access_token.as_ref();
    let access = access.map(IdTokenClaims::of_access_token);
    let claims = [id.and_then(Result::ok), access.and_then(Result::ok)];
    claims
        .into_iter()
        .flatten()
        .find_map(|claims| claims.account_id)
}

#[derive(Serialize)]
struct File<'a> {
    auth_mode: &'static str,
    #[serde(rename = "OPENAI_API_KEY")]
    openai_api_key: Option<ApiKey>,
    tokens: TokensOfFile<'a>,
    last_refresh: Timestamp,
}

#[derive(Serialize)]
struct TokensOfFile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<IdToken>,
    access_token: AccessToken,
    refresh_token: RefreshToken,
    oauth_provenance: &'a OauthProvenance,
    login_owner_id: &'a str,
    account_id: Option<String>,
}
