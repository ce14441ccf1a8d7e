//! `POST /oauth/token`: refresh, authorization code, token exchange.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, FromRequest as _, Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::{RefreshOutcome, bad_request, invalid_grant, refused};
use crate::accounts::Login;
use crate::answers::answer;
use crate::intake::Call;
use crate::shared::Shared;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// The fields of a form.
pub(super) type Fields = HashMap<String, String>;

pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    if call.has_json_type() {
        return refresh(&shared, &call.json);
    }
    let Some(form) = form(&call).await else {
        return bad_request("neither JSON nor a form");
    };
    match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => authorization_code(&shared, &form),
        Some(TOKEN_EXCHANGE) => exchange(&shared, &form),
        _ => bad_request("unsupported_grant_type"),
    }
}

async fn form(call: &Call) -> Option<Fields> {
    let kind = call.headers.get(CONTENT_TYPE)?;
    let request = Request::post("/")
        .header(CONTENT_TYPE, kind)
        .body(call.body.clone().into());
    let Form(fields) = Form::from_request(request.ok()?, &()).await.ok()?;
    Some(fields)
}

/// *Source:* wire reference, sections 3.1 and 3.3.
fn refresh(shared: &Shared, body: &Value) -> Response {
    if body["grant_type"] != "refresh_token" {
        return bad_request("grant_type must be refresh_token");
    }
    let (Some(token), Some(client_id)) =
        (body["refresh_token"].as_str(), body["client_id"].as_str())
    else {
        return bad_request("refresh_token and client_id are required");
    };
    let reason = body["refresh_reason"].as_str().map(str::to_owned);
    let (outcome, issued) = shared.ledger().refresh(token, client_id, reason);
    match issued {
        Some(login) => tokens(shared, &login),
        None => refusal(outcome),
    }
}

fn refusal(outcome: RefreshOutcome) -> Response {
    let (code, message) = match outcome {
        RefreshOutcome::Reused => (
            "refresh_token_reused",
            "Your refresh token has already been used to generate a new access token. \
             Please try signing in again.",
        ),
        RefreshOutcome::Invalidated => (
            "refresh_token_invalidated",
            "Your session has ended. Please log in again.",
        ),
        RefreshOutcome::Expired => (
            "refresh_token_expired",
            "Your refresh token has expired. Please try signing in again.",
        ),
        _ => return invalid_grant("no such refresh token for this client"),
    };
    refused(StatusCode::UNAUTHORIZED, code, message)
}

/// *Source:* wire reference, section 4.3.
fn authorization_code(shared: &Shared, form: &Fields) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != crate::CLIENT_ID {
        return bad_request("unknown client_id");
    }
    let mut ledger = shared.ledger();
    let account =
        ledger
            .pending()
            .redeem(field("code"), field("redirect_uri"), field("code_verifier"));
    match account {
        Some(account) => {
            let login = ledger.sign_in(&account);
            drop(ledger);
            tokens(shared, &login)
        }
        None => invalid_grant("wrong or spent code, verifier or redirect_uri"),
    }
}

fn exchange(shared: &Shared, form: &Fields) -> Response {
    let is = |name: &str, value: &str| form.get(name).is_some_and(|actual| actual == value);
    let well_formed = is("client_id", crate::CLIENT_ID)
        && is("requested_token", "openai-api-key")
        && is("subject_token_type", ID_TOKEN);
    let subject = form.get("subject_token").filter(|_| well_formed);
    match subject.and_then(|id_token| shared.ledger().exchange(id_token)) {
        Some(key) => answer(
            StatusCode::OK,
            &json!({"access_token": key, "token_type": "bearer"}),
        ),
        None => invalid_grant("unknown subject_token"),
    }
}

fn tokens(shared: &Shared, login: &Login) -> Response {
    let body = json!({
        "id_token": login.id_token,
        "access_token": login.access_token,
        "refresh_token": login.refresh_token,
        "token_type": "bearer",
        "expires_in": shared.settings.access_lifetime.as_secs(),
        "scope": "openid profile email offline_access",
    });
    answer(StatusCode::OK, &body)
}
