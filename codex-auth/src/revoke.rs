//! Signing out at the issuer: only when a person asked for just that, never as a side effect.
//!
//! *Source:* wire reference 4.5; capture `logout`; `login/src/auth/revoke.rs` of Codex.

use std::time::Duration;

use serde::Serialize;

use crate::{auth_json::AuthDotJson, refresh::TokenEndpoint, request};

/// As long as Codex waits.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Why a login was not revoked; each variant is a different thing for the caller to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// An API key, for one, ends where it was made, not here.
    #[error("the login holds no token that the issuer could revoke")]
    NothingToRevoke,
    /// Nothing has changed: try again.
    #[error("the issuer could not be reached")]
    NotSent(#[source] reqwest::Error),
    /// It may or may not be revoked: try again, which does no harm.
    #[error("the issuer's answer was lost")]
    AnswerLost(#[source] reqwest::Error),
    /// The issuer did not do it: try again later.
    #[error("the issuer answered with status {0}")]
    Failed(u16),
}

#[derive(Serialize)]
struct RevokeRequest<'a> {
    token: &'a str,
    token_type_hint: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

impl TokenEndpoint {
    /// **Ends** the sign-in of `login`, wherever copies of it lie: its refresh token, and with it
    /// every token that was made from it. Without a refresh token, the access token is revoked.
    ///
    /// # Errors
    /// A [`RevokeError`]. A token that the issuer does not know is none (RFC 7009, section 2.2).
    ///
    /// # Cancellation
    /// Dropping the future after it was polled leaves it open whether the login was revoked.
    pub async fn revoke(&self, login: &AuthDotJson) -> Result<(), RevokeError> {
        let body = self.revocation(login).ok_or(RevokeError::NothingToRevoke)?;
        let url = self.issuer.revoke_url(login.provenance());
        let request = request::post(&self.client, &url, ANSWER_LIMIT).json(&body);
        let answer = request.send().await.map_err(sort_send_error)?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(RevokeError::Failed(answer.status().as_u16()))
        }
    }

    fn revocation<'a>(&self, login: &'a AuthDotJson) -> Option<RevokeRequest<'a>> {
        if let Some(token) = login.refresh_token() {
            return Some(RevokeRequest {
                token: token.expose(),
                token_type_hint: "refresh_token",
                client_id: Some(self.issuer.client_id(login.provenance())),
            });
        }
        let token = login.access_token()?;
        Some(RevokeRequest {
            token: token.expose(),
            token_type_hint: "access_token",
            client_id: None,
        })
    }
}

fn sort_send_error(error: reqwest::Error) -> RevokeError {
    if request::was_not_sent(&error) {
        RevokeError::NotSent(error.without_url())
    } else {
        RevokeError::AnswerLost(error.without_url())
    }
}

#[cfg(test)]
mod tests {
    use fake_openai::{Account, FakeOpenAi, Fault};
    use serde_json::{Value, json};

    use super::*;
    use crate::Issuer;

    fn endpoint(fake: &FakeOpenAi) -> TokenEndpoint {
        let issuer = Issuer::new("http://127.0.0.1:9/never").with_revoke_url(fake.revoke_url());
        TokenEndpoint::new(reqwest::Client::new(), issuer)
    }

    fn login(file: &Value) -> AuthDotJson {
        AuthDotJson::parse(file.to_string().as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn the_refresh_token_is_revoked_in_the_very_form_of_codex() {
        let fake = FakeOpenAi::start().await;
        let file = fake.auth_json(&Account::new("user-1", "acct-1"));
        endpoint(&fake).revoke(&login(&file)).await.unwrap();
        let posted = &fake.requests_to("/oauth/revoke")[0];
        let token = &file["tokens"]["refresh_token"];
        let client_id = fake_openai::CLIENT_ID;
        assert_eq!(
            posted.json,
            json!({"token": token, "token_type_hint": "refresh_token", "client_id": client_id})
        );
        assert_eq!(posted.header("originator"), Some("codex_router"));
    }

    #[tokio::test]
    async fn without_a_refresh_token_the_access_token_is_revoked_without_a_client_id() {
        let fake = FakeOpenAi::start().await;
        let mut file = fake.auth_json(&Account::new("user-1", "acct-1"));
        file["tokens"]["refresh_token"] = json!("");
        endpoint(&fake).revoke(&login(&file)).await.unwrap();
        let token = &file["tokens"]["access_token"];
        assert_eq!(
            fake.requests_to("/oauth/revoke")[0].json,
            json!({"token": token, "token_type_hint": "access_token"})
        );
    }

    #[tokio::test]
    async fn each_failure_is_told_apart() {
        let fake = FakeOpenAi::start().await;
        let key = login(&json!({"OPENAI_API_KEY": "sk-1"}));
        let nothing = endpoint(&fake).revoke(&key).await;
        assert!(matches!(nothing, Err(RevokeError::NothingToRevoke)));
        let login = login(&fake.auth_json(&Account::new("user-1", "acct-1")));
        fake.fault(Fault::status(503).path("/oauth/revoke"));
        let failed = endpoint(&fake).revoke(&login).await;
        assert!(matches!(failed, Err(RevokeError::Failed(503))));
        let nobody = Issuer::default().with_revoke_url("http://127.0.0.1:9/oauth/revoke");
        let endpoint = TokenEndpoint::new(reqwest::Client::new(), nobody);
        let unreached = endpoint.revoke(&login).await;
        assert!(matches!(unreached, Err(RevokeError::NotSent(_))));
    }
}
