//! The POST to the token endpoint.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    auth_json::{AuthDotJson, FreshTokens},
    issuer::Issuer,
    refresh::RefreshError,
    request,
    secret::RefreshToken,
};

/// A refresh is a short call; a longer wait means that the answer is lost.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Posts refresh tokens to the issuer, over a client of the caller's.
#[derive(Debug, Clone)]
pub struct TokenEndpoint {
    pub(crate) client: reqwest::Client,
    pub(crate) issuer: Issuer,
    answer_limit: Duration,
}

/// What the issuer is told about the occasion. *Source:* wire reference 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshReason {
    /// The access token ends soon.
    ProactiveExpiry,
    /// A server answered 401 to the access token.
    UnauthorizedRecovery,
    /// The login has not been refreshed for long.
    Scheduled,
    /// A person asked for it.
    Forced,
}

impl TokenEndpoint {
    /// An endpoint of `issuer`. The client's own time limits apply as well.
    #[must_use]
    pub fn new(client: reqwest::Client, issuer: Issuer) -> Self {
        Self {
            client,
            issuer,
            answer_limit: ANSWER_LIMIT,
        }
    }

    /// Counts an answer as lost after this time instead of [`ANSWER_LIMIT`].
    #[must_use]
    pub fn with_answer_limit(self, answer_limit: Duration) -> Self {
        Self {
            answer_limit,
            ..self
        }
    }

    /// After which time an answer counts as lost.
    #[must_use]
    pub fn answer_limit(&self) -> Duration {
        self.answer_limit
    }

    /// What becomes of a login whose refresh brought these tokens. Whether it is still the same
    /// account's is [`may_follow`](AuthDotJson::may_follow)'s to say.
    #[must_use]
    pub fn successor(&self, spent: &AuthDotJson, fresh: FreshTokens) -> AuthDotJson {
        let mut login = spent.clone();
        login.rotate(fresh, later_than(spent));
        if self.is_elsewhere(spent) {
            login.forget_provenance();
        }
        login
    }

    /// Whether this is another issuer than the one that made `login`.
    #[must_use]
    pub fn is_elsewhere(&self, login: &AuthDotJson) -> bool {
        let origin = login.provenance();
        origin.is_some_and(|origin| self.issuer.is_elsewhere(origin))
    }

    /// **Spends** the refresh token of `login`.
    ///
    /// # Errors
    /// A [`RefreshError`], which says whether the token may be posted again.
    ///
    /// # Cancellation
    /// Dropping the future after it was polled may lose the new tokens for good. Run it in a task
    /// of its own that nobody aborts.
    pub async fn refresh(
        &self,
        login: &AuthDotJson,
        reason: RefreshReason,
    ) -> Result<FreshTokens, RefreshError> {
        let refresh_token = login.refresh_token().ok_or(RefreshError::NothingToSpend)?;
        let body = RefreshRequest {
            client_id: self.issuer.client_id(login.provenance()),
            grant_type: "refresh_token",
            refresh_reason: reason,
            refresh_token,
        };
        let url = self.issuer.token_url(login.provenance());
        let request = request::post(&self.client, &url, self.answer_limit).json(&body);
        let answer = request.send().await.map_err(sort_send_error)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(lost)?;
        if status != 200 {
            return Err(RefreshError::from_answer(status, &body));
        }
        // An answer of 200 that cannot be read has spent the token all the same.
        FreshTokens::parse(&body).ok_or(RefreshError::UnreadableAnswer)
    }
}

#[derive(Serialize)]
struct RefreshRequest<'a> {
    client_id: &'a str,
    grant_type: &'static str,
    refresh_reason: RefreshReason,
    refresh_token: &'a RefreshToken,
}

fn sort_send_error(error: reqwest::Error) -> RefreshError {
    if error.is_connect() || error.is_builder() {
        RefreshError::NotSent(error.without_url())
    } else {
        lost(error)
    }
}

/// Now, or just after the login was last written by a clock that was ahead of ours: what follows
/// must not look older than what it replaces.
fn later_than(login: &AuthDotJson) -> Timestamp {
    let tick = SignedDuration::from_nanos(1);
    let after = login
        .last_refresh()
        .and_then(|at| at.checked_add(tick).ok());
    after.unwrap_or(Timestamp::MIN).max(Timestamp::now())
}

fn lost(error: reqwest::Error) -> RefreshError {
    RefreshError::AnswerLost(error.without_url())
}
