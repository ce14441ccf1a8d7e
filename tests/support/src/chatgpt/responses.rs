//! `/codex/responses`: a model call of a ChatGPT login.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::limits::{event, set_headers};
use super::{CATALOGUE_ETAG, Refusal, authorized, strict};
use crate::accounts::Account;
use crate::answers::set;
use crate::intake::Call;
use crate::responses::{Problem, Reply, check_input};
use crate::seal;
use crate::shared::Shared;
use crate::socket::{self, Endpoint};

/// `POST`: refuses what the backend refuses, else streams.
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    match accepted(&shared, &call) {
        Ok(account) => stream(&shared, &call, &account),
        Err(refusal) => refusal.into_response(),
    }
}

/// `GET` with an upgrade: a WebSocket. *Source:* wire reference, section 7.
pub(super) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Response {
    if call.header("upgrade").is_none() {
        return Refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            json!({"detail": "Method Not Allowed"}),
        )
        .into_response();
    }
    let account = match authorized(&shared, &call) {
        Ok(account) => account,
        Err(refusal) => return refusal.into_response(),
    };
    let beta = call.header("openai-beta").unwrap_or_default();
    if !beta.contains("responses_websockets=") {
        return Refusal::bad_request("OpenAI-Beta: responses_websockets is required")
            .into_response();
    }
    let endpoint = Endpoint {
        owner: account.account_id.clone(),
        repeats_output: false,
        limits: |shared, owner| {
            let told = shared.settings.rate_limit_events;
            told.then(|| event(&shared.ledger().usage_of(owner)))
        },
        check: |shared, call| {
            accepted(shared, call)
                .map(drop)
                .map_err(|refusal| (refusal.0, refusal.1))
        },
    };
    let mut response = socket::accept(&shared, request, &call, endpoint);
    let state = seal::seal(&account.account_id, shared.next_serial());
    set(&mut response, "x-codex-turn-state", &state);
    set(&mut response, "x-models-etag", CATALOGUE_ETAG);
    response
}

fn accepted(shared: &Shared, call: &Call) -> Result<Account, Refusal> {
    let account = authorized(shared, call)?;
    if let Some(detail) = strict::problem(call) {
        return Err(Refusal::bad_request(&detail));
    }
    check_input(&call.json, &account.account_id, true, true)
        .map_err(|problem| refusal(&problem))?;
    let state = call.header("x-codex-turn-state");
    if state.is_some_and(|state| seal::owner(state).as_ref() != Some(&account.account_id)) {
        return Err(Refusal::bad_request(
            "Invalid x-codex-turn-state for this account",
        ));
    }
    Ok(account)
}

fn refusal(problem: &Problem) -> Refusal {
    let body: Value = json!({"error": {
        "message": problem.message, "type": "invalid_request_error",
        "param": problem.param, "code": problem.code,
    }});
    Refusal(StatusCode::BAD_REQUEST, body)
}

fn stream(shared: &Arc<Shared>, call: &Call, account: &Account) -> Response {
    let usage = shared.ledger().usage_of(&account.account_id);
    let reply = Reply::new(shared, call, &account.account_id);
    let serial = shared.next_serial();
    // The real backend leaves the output of the last event empty: wire reference, section 5.6.
    let mut response = reply.stream(shared, call, false);
    if shared.settings.stream_content_type {
        set(
            &mut response,
            "content-type",
            "text/event-stream; charset=utf-8",
        );
    }
    let state = call.header("x-codex-turn-state").map(str::to_owned);
    let state = state.unwrap_or_else(|| seal::seal(&account.account_id, serial));
    set(&mut response, "cache-control", "no-cache");
    set(&mut response, "x-codex-turn-state", &state);
    set(&mut response, "x-request-id", &format!("req_{serial:032x}"));
    set(&mut response, "x-models-etag", CATALOGUE_ETAG);
    set_headers(&mut response, account, &usage);
    response
}
