//! The ChatGPT backend, `/backend-api`: strict where the real one is known to be.

mod account;
mod limits;
mod models;
mod responses;
mod strict;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) use self::models::{CATALOGUE_ETAG, slugs};
use crate::accounts::Account;
use crate::answers::{answer, token_expired};
use crate::intake::Call;
use crate::issuer::Refused;
use crate::shared::Shared;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/codex/responses",
            post(responses::create).get(responses::upgrade),
        )
        .route("/codex/models", get(models::list))
        .route("/wham/accounts/check", get(account::check))
        .route("/wham/usage", get(account::usage))
        .route("/accounts/switch-workspace-token", post(account::switch))
        .fallback(not_found)
}

/// What the backend says to a path it does not have.
pub(crate) async fn not_found() -> Response {
    answer(StatusCode::NOT_FOUND, &json!({"detail": "Not Found"}))
}

/// An answer instead of the one that was asked for.
#[derive(Debug)]
struct Refusal(StatusCode, Value);

impl Refusal {
    fn bad_request(detail: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, json!({"detail": detail}))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        answer(self.0, &self.1)
    }
}

/// The account a call speaks for, if its token is good and it names no other account.
fn authorized(shared: &Shared, call: &Call) -> Result<Account, Refusal> {
    let unauthorized = |body| Refusal(StatusCode::UNAUTHORIZED, body);
    let bearer = call
        .bearer()
        .ok_or_else(|| unauthorized(json!({"detail": "Unauthorized"})))?;
    let account = match shared.ledger().account_of(bearer) {
        Ok(account) => account.clone(),
        Err(Refused::Expired) => return Err(unauthorized(token_expired())),
        Err(Refused::Revoked) => return Err(unauthorized(token_invalidated())),
        Err(Refused::Unknown) => return Err(unauthorized(json!({"detail": "Unauthorized"}))),
    };
    let named = call.header("chatgpt-account-id");
    if named.is_some_and(|id| id != account.account_id) {
        let detail = "The access token does not belong to the account in chatgpt-account-id";
        return Err(Refusal(StatusCode::FORBIDDEN, json!({"detail": detail})));
    }
    Ok(account)
}

fn token_invalidated() -> Value {
    json!({"error": {
        "message": "Your authentication token has been invalidated. Please try signing in again.",
        "type": "invalid_request_error", "code": "token_invalidated", "param": null,
    }, "status": 401})
}
