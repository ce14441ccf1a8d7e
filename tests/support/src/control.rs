//! `/fake/…`: the Rust interface over HTTP, for programs in other languages.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::intake::Call;
use crate::shared::Shared;
use crate::{Account, RefreshOutcome, Usage};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/requests", get(requests).delete(forget_requests))
        .route("/stats", get(stats))
        .route("/accounts", post(sign_in))
        .route("/api-keys", post(add_api_key))
        .route("/usage", post(set_usage))
        .route("/expire", post(expire))
        .route("/revoke", post(revoke))
}

type Fake = State<Arc<Shared>>;

async fn add_fault(State(shared): Fake, Extension(call): Extension<Call>) -> (StatusCode, String) {
    match serde_json::from_slice::<Fault>(&call.body) {
        Ok(fault) => {
            shared.change_faults(|faults| faults.add(fault));
            (StatusCode::NO_CONTENT, String::new())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}

async fn clear_faults(State(shared): Fake) -> StatusCode {
    shared.change_faults(crate::faults::Faults::clear);
    StatusCode::NO_CONTENT
}

async fn requests(State(shared): Fake) -> Json<Value> {
    Json(
        shared
            .requests()
            .iter()
            .map(crate::RecordedRequest::to_json)
            .collect(),
    )
}

async fn forget_requests(State(shared): Fake) -> StatusCode {
    shared.requests().clear();
    StatusCode::NO_CONTENT
}

async fn stats(State(shared): Fake) -> Json<Value> {
    let refreshes = shared.ledger().refreshes().to_vec();
    let reused = refreshes
        .iter()
        .filter(|r| r.outcome == RefreshOutcome::Reused)
        .count();
    Json(json!({
        "connections": shared.connections.load(Ordering::Relaxed),
        "open_streams": shared.open_streams.load(Ordering::Relaxed),
        "cancelled_streams": shared.cancelled_streams.load(Ordering::Relaxed),
        "refreshes": refreshes.len(),
        "reuse_count": reused,
    }))
}

#[derive(Deserialize)]
struct SignIn {
    user_id: String,
    account_id: String,
    email: Option<String>,
    plan: Option<String>,
}

/// Signs an account in and answers its `auth.json`.
async fn sign_in(
    State(shared): Fake,
    Extension(call): Extension<Call>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let wanted: SignIn = serde_json::from_slice(&call.body)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let mut account = Account::new(&wanted.user_id, &wanted.account_id);
    if let Some(email) = &wanted.email {
        account = account.email(email);
    }
    if let Some(plan) = &wanted.plan {
        account = account.plan(plan);
    }
    Ok(Json(shared.ledger().sign_in(&account).auth_json()))
}

/// Accepts an API key from now on: `{"key":"sk-…"}`.
async fn add_api_key(State(shared): Fake, Extension(call): Extension<Call>) -> StatusCode {
    let Some(key) = call.json["key"].as_str() else {
        return StatusCode::BAD_REQUEST;
    };
    shared.ledger().register_api_key(key);
    StatusCode::NO_CONTENT
}

/// Sets the usage of an account: `{"account":"acct-1","primary":100,"secondary":7}`.
async fn set_usage(State(shared): Fake, Extension(call): Extension<Call>) -> StatusCode {
    let percent = |name: &str| call.json[name].as_f64().unwrap_or_default();
    let usage = Usage::percent(percent("primary"), percent("secondary"));
    let Some(account) = call.json["account"].as_str() else {
        return StatusCode::BAD_REQUEST;
    };
    shared.ledger().set_usage(account, usage);
    StatusCode::NO_CONTENT
}

/// Makes a token too old: `{"token":"…"}`, an access or a refresh token.
async fn expire(State(shared): Fake, Extension(call): Extension<Call>) -> StatusCode {
    let Some(token) = call.json["token"].as_str() else {
        return StatusCode::BAD_REQUEST;
    };
    shared.ledger().expire_access_token(token);
    shared.ledger().expire_refresh_token(token);
    StatusCode::NO_CONTENT
}

/// Revokes the family of a token: `{"token":"…"}`.
async fn revoke(State(shared): Fake, Extension(call): Extension<Call>) -> StatusCode {
    let Some(token) = call.json["token"].as_str() else {
        return StatusCode::BAD_REQUEST;
    };
    shared.ledger().revoke(token);
    StatusCode::NO_CONTENT
}
