//! Device codes. *Source:* wire reference, section 4.4.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::token::Fields;
use super::{authorize, bad_request, refused};
use crate::answers::answer;
use crate::intake::Call;
use crate::shared::Shared;

/// Step 1: a code to show.
pub(super) async fn user_code(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    if call.json["client_id"] != crate::CLIENT_ID {
        return bad_request("unknown client_id");
    }
    let (id, user_code) = shared.ledger().pending().device();
    let body = json!({"device_auth_id": id, "user_code": user_code, "interval": "1"});
    answer(StatusCode::OK, &body)
}

/// Step 2: what a person would do in a browser: `GET /codex/device?user_code=…`.
pub(super) async fn approve(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Fields>,
) -> Response {
    let mut ledger = shared.ledger();
    let account = ledger
        .pending()
        .browser_user()
        .or_else(|| ledger.last_account());
    let account = account.unwrap_or_else(authorize::browser_user);
    let code = query
        .get("user_code")
        .map(String::as_str)
        .unwrap_or_default();
    let approved = ledger.pending().approve(code, &account);
    answer(StatusCode::OK, &json!({"approved": approved}))
}

/// Step 3: polled until approved.
pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    let field = |name: &str| call.json[name].as_str().unwrap_or_default();
    let redirect_uri = format!("{}/deviceauth/callback", shared.origin);
    let approved =
        shared
            .ledger()
            .pending()
            .poll(field("device_auth_id"), field("user_code"), &redirect_uri);
    let Some(approved) = approved else {
        let message = "Device authorization is pending.";
        return refused(
            StatusCode::FORBIDDEN,
            "deviceauth_authorization_pending",
            message,
        );
    };
    let body = json!({
        "authorization_code": approved.code,
        "code_verifier": approved.verifier,
        "code_challenge": approved.challenge,
    });
    answer(StatusCode::OK, &body)
}
