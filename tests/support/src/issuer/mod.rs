//! The issuer: `/oauth/…`, device codes, and who owns a personal access token.

mod authorize;
mod device;
mod ledger;
mod pending;
mod token;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) use self::ledger::{Ledger, Refused};
pub use self::ledger::{Refresh, RefreshOutcome};
use crate::answers::answer;
use crate::intake::Call;
use crate::shared::Shared;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/oauth/authorize", get(authorize::authorize))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(revoke))
        .route("/api/accounts/deviceauth/usercode", post(device::user_code))
        .route("/api/accounts/deviceauth/token", post(device::token))
        .route("/codex/device", get(device::approve))
        .route(
            "/api/accounts/v1/user-auth-credential/whoami",
            get(who_am_i),
        )
}

/// Revokes the family of a token. *Source:* wire reference, section 4.5.
async fn revoke(State(shared): State<Arc<Shared>>, Extension(call): Extension<Call>) -> Response {
    let hint = call.json["token_type_hint"]
        .as_str()
        .unwrap_or("access_token");
    let client_known = hint != "refresh_token" || call.json["client_id"] == crate::CLIENT_ID;
    match call.json["token"].as_str().filter(|_| client_known) {
        Some(token) => {
            shared.ledger().revoke(token);
            answer(StatusCode::OK, &json!({}))
        }
        None => bad_request("token and client_id are required"),
    }
}

/// The owner of a personal access token. *Source:* wire reference, section 1.5.
async fn who_am_i(State(shared): State<Arc<Shared>>, Extension(call): Extension<Call>) -> Response {
    let ledger = shared.ledger();
    let account = call
        .bearer()
        .and_then(|bearer| ledger.account_of(bearer).ok());
    let Some(account) = account else {
        return answer(StatusCode::UNAUTHORIZED, &json!({"detail": "Unauthorized"}));
    };
    let owner = json!({
        "email": account.email,
        "chatgpt_user_id": account.user_id,
        "chatgpt_account_id": account.account_id,
        "chatgpt_plan_type": account.plan,
        "chatgpt_account_is_fedramp": account.fedramp,
    });
    answer(StatusCode::OK, &owner)
}

/// An error in the form of the issuer. *Source:* captures `refresh-fails-*`.
fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let kind = "invalid_request_error";
    let error = json!({"message": message, "type": kind, "param": null, "code": code});
    answer(status, &json!({"error": error}))
}

fn bad_request(message: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, "invalid_request", message)
}

/// RFC 6749 5.2.
fn invalid_grant(description: &str) -> Response {
    let body: Value = json!({"error": "invalid_grant", "error_description": description});
    answer(StatusCode::BAD_REQUEST, &body)
}
