//! From an authorization code to a login (RFC 6749, section 4.1.3).
//!
//! *Source:* wire reference 4.3; captures `login-browser`, `login-device`.

use std::time::Duration;

use form_urlencoded::Serializer;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use tokio::time::sleep;

use super::{
    SignInError, SignInOptions, SignedIn,
    pkce::{self, CodeVerifier},
    redirect::AuthorizationCode,
};
use crate::{
    AuthDotJson, Issuer,
    auth_json::FreshTokens,
    refresh::code_of,
    request,
    secret::{ApiKey, IdToken},
    text::printable,
};

/// A longer wait means that the answer is lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// A request that never left has used nothing up: the network may be back a moment later.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// What is needed to ask the issuer.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) client: reqwest::Client,
    pub(super) issuer: Issuer,
    pub(super) options: SignInOptions,
}

/// A code, and the proof that it is ours to redeem.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) code: AuthorizationCode,
    pub(super) verifier: CodeVerifier,
    pub(super) redirect_uri: String,
}

impl Asking {
    /// **Spends** the code of `grant`.
    pub(super) async fn redeem(&self, grant: &Grant) -> Result<SignedIn, SignInError> {
        // Before the code is spent: without randomness there is no login.
        let owner_id = pkce::owner_id()?;
        let body = self.post(&self.code_form(grant)).await?;
        let tokens = FreshTokens::parse(&body).ok_or(SignInError::UnreadableAnswer)?;
        let key = self.openai_key(tokens.id_token.as_ref()).await;
        let has_openai_key = key.is_some();
        let (origin, now) = (self.issuer.origin(), Timestamp::now());
        let login = AuthDotJson::from_sign_in(tokens, &origin, &owner_id, key, now)
            .map_err(|_| SignInError::UnreadableAnswer)?;
        self.check_workspace(&login)?;
        Ok(SignedIn {
            login,
            has_openai_key,
        })
    }

    fn code_form(&self, grant: &Grant) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("client_id", &self.issuer.origin().client_id)
            .append_pair("code", grant.code.expose())
            .append_pair("redirect_uri", &grant.redirect_uri)
            .append_pair("code_verifier", grant.verifier.expose());
        form.finish()
    }

    /// An API key for the id token, where one was asked for and the issuer gives one: not every
    /// account has an organization that could own a key, and the login is good without.
    async fn openai_key(&self, id_token: Option<&IdToken>) -> Option<ApiKey> {
        let id_token = id_token.filter(|_| self.options.openai_key)?;
        let body = self.post(&self.key_form(id_token)).await.ok()?;
        let key = FreshTokens::parse(&body)?.access_token?;
        Some(ApiKey::new(key.expose()))
    }

    fn key_form(&self, id_token: &IdToken) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", TOKEN_EXCHANGE)
            .append_pair("client_id", &self.issuer.origin().client_id)
            .append_pair("requested_token", "openai-api-key")
            .append_pair("subject_token", id_token.expose())
            .append_pair("subject_token_type", ID_TOKEN);
        form.finish()
    }

    fn check_workspace(&self, login: &AuthDotJson) -> Result<(), SignInError> {
        let allowed = &self.options.allowed_workspaces;
        let account_id = login.display_claims().account_id;
        let is_allowed = account_id.as_ref().is_some_and(|id| allowed.contains(id));
        if allowed.is_empty() || is_allowed {
            return Ok(());
        }
        Err(SignInError::WrongWorkspace { account_id })
    }

    async fn post(&self, form: &str) -> Result<Vec<u8>, SignInError> {
        for pause in PAUSES {
            match self.post_once(form).await {
                Err(SignInError::Unreachable(_)) => sleep(pause).await,
                done => return done,
            }
        }
        self.post_once(form).await
    }

    async fn post_once(&self, form: &str) -> Result<Vec<u8>, SignInError> {
        let request = request::post(&self.client, &self.issuer.code_url(), ANSWER_LIMIT)
            .header(CONTENT_TYPE, FORM)
            .body(form.to_owned());
        let answer = request.send().await.map_err(SignInError::of_sending)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(SignInError::of_reading)?;
        if status == 200 {
            return Ok(body.to_vec());
        }
        Err(SignInError::of_answer(status, &body))
    }
}

impl SignInError {
    pub(super) fn of_sending(error: reqwest::Error) -> Self {
        if request::was_not_sent(&error) {
            Self::Unreachable(error.without_url())
        } else {
            Self::of_reading(error)
        }
    }

    pub(super) fn of_reading(error: reqwest::Error) -> Self {
        Self::AnswerLost(error.without_url())
    }

    pub(super) fn of_answer(status: u16, body: &[u8]) -> Self {
        let code = code_of(body).map(|code| printable(&code, 60));
        Self::Refused { status, code }
    }
}
