//! Accounts: routing discovery, usage, and changing the workspace.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::limits::usage_json;
use super::{Refusal, authorized};
use crate::accounts::Account;
use crate::answers::answer;
use crate::intake::Call;
use crate::shared::Shared;

type Fake = State<Arc<Shared>>;

/// *Source:* wire reference, section 5.1.
pub(super) async fn check(State(shared): Fake, Extension(call): Extension<Call>) -> Response {
    let account = match authorized(&shared, &call) {
        Ok(account) => account,
        Err(refusal) => return refusal.into_response(),
    };
    let accounts = shared.ledger().accounts_of(&account.user_id);
    let ids: Vec<_> = accounts
        .iter()
        .map(|account| account.account_id.clone())
        .collect();
    let body = json!({
        "accounts": accounts.iter().map(entry).collect::<Vec<_>>(),
        "account_ordering": ids,
        "default_account_id": ids.first(),
    });
    answer(StatusCode::OK, &body)
}

fn entry(account: &Account) -> Value {
    let free = "NO_CONSTRAINT";
    let personal = ["free", "go", "plus", "pro"].contains(&account.plan.as_str());
    json!({
        "id": account.account_id,
        "name": format!("Workspace {}", account.account_id),
        "structure": if personal { "personal" } else { "workspace" },
        "plan_type": account.plan,
        "profile_picture_url": null,
        "is_deactivated": false,
        "can_access_with_session": true,
        "sso_connection_name": null,
        "is_fedramp_compliant_workspace": account.fedramp,
        "workspace_backend_origin": account.backend_origin.as_deref().unwrap_or(free),
        "account_routing_override": account.routing_override.as_deref().unwrap_or(free),
    })
}

/// *Source:* wire reference, section 9.3.
pub(super) async fn usage(State(shared): Fake, Extension(call): Extension<Call>) -> Response {
    match authorized(&shared, &call) {
        Ok(account) => {
            let usage = shared.ledger().usage_of(&account.account_id);
            answer(StatusCode::OK, &usage_json(&account, &usage))
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// *Source:* wire reference, section 4.7.
pub(super) async fn switch(State(shared): Fake, Extension(call): Extension<Call>) -> Response {
    let account = match authorized(&shared, &call) {
        Ok(account) => account,
        Err(refusal) => return refusal.into_response(),
    };
    let workspace = call.json["workspace_id"].as_str().unwrap_or_default();
    let login = shared
        .ledger()
        .switch_workspace(&account.user_id, workspace);
    match login {
        Some(login) => {
            let tokens = json!({
                "access_token": login.access_token, "refresh_token": login.refresh_token,
            });
            answer(StatusCode::OK, &tokens)
        }
        None => Refusal(
            StatusCode::NOT_FOUND,
            json!({"detail": "No such workspace"}),
        )
        .into_response(),
    }
}
