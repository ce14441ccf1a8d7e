//! Which path is served by which service.

use axum::{
    Extension, Router,
    body::Body,
    response::IntoResponse as _,
    routing::{any_service, get, get_service, post_service},
};
use codex_auth::CredentialProvider;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tower::{ServiceExt as _, service_fn};

use super::{
    metrics,
    shared::Shared,
    stack::{Answering, Stack},
};
use crate::{ApiError, gate::FromNetwork, route::ProfileTable, ws::is_handshake};

/// The whole of the server.
///
/// `page` is what stands at `/` and below `/api`.
pub(super) fn router<P>(stack: &Stack<P>, page: Router) -> Router
where
    P: CredentialProvider + ProfileTable + Clone,
{
    let turns = stack.routed(stack.responses());
    let upgrades = stack.routed(stack.upgrades(turns.clone()));
    let responses = post_service(turns)
        .get_service(upgrade_or_refuse(upgrades))
        .head(async || StatusCode::OK);
    let models = stack.routed(stack.models());
    let passed_on = stack.routed(stack.passed_on());
    // The public API keeps answers, which its clients may list, and models, which they may delete.
    let chat = post_service(stack.routed(stack.chat())).get_service(passed_on.clone());
    let model = get_service(models.clone()).delete_service(passed_on.clone());
    let profiles = stack.profiles.clone();
    let logins = Router::new()
        .route("/v1/responses", responses)
        .route("/v1/chat/completions", chat)
        .route(
            "/v1/completions",
            post_service(stack.routed(stack.completions())),
        )
        .route("/v1/models", get_service(models))
        .route("/v1/models/{*id}", model)
        .route("/v1/{*path}", any_service(passed_on))
        .merge(metrics::route(
            stack.metrics.clone(),
            stack.connections.clone(),
        ))
        .method_not_allowed_fallback(method_not_allowed)
        // around all that uses a login, and what answers in its place
        .layer(stack.keys.clone());
    let routes = logins
        .route(
            "/healthz",
            get(async || axum::Json(json!({"status": "ok"}))),
        )
        .route(
            "/readyz",
            get(async move |from_network: Option<Extension<FromNetwork>>| {
                readiness(&profiles, from_network.is_some()).await
            }),
        )
        .merge(page)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found);
    Router::new().fallback_service(stack.outer(routes))
}

/// What stands at `/` without a page.
pub(super) fn welcome() -> Router {
    Router::new().route("/", get(async || WELCOME))
}

/// For those who open `/` without a browser.
pub(super) const WELCOME: &str = "Codex Router is serving.\n\n\
    Point an OpenAI client at the base URL /v1 of this address; any API key will do.\n\
    `codex-router list` shows the profiles, `codex-router use NAME` chooses one.\n";

/// There is nothing to `GET` there but a WebSocket.
fn upgrade_or_refuse(upgrades: Answering) -> Answering {
    Shared::new(service_fn(move |request: Request<Body>| {
        let upgrades = upgrades.clone();
        async move {
            if is_handshake(&request) {
                return upgrades.oneshot(request).await;
            }
            Ok(wrong_method("`/v1/responses` is called with POST").into_response())
        }
    }))
}

/// Which profiles there are is nobody's business in the network.
async fn readiness(profiles: &impl ProfileTable, from_network: bool) -> Response<Body> {
    let ready: Vec<String> = profiles
        .ready()
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    let status = if ready.is_empty() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let mut told = json!({"ready": !ready.is_empty()});
    if !from_network {
        told["profiles"] = json!(ready);
    }
    (status, axum::Json(told)).into_response()
}

async fn method_not_allowed(method: Method) -> Response<Body> {
    wrong_method(&format!("{method} is not what this path is called with")).into_response()
}

async fn not_found() -> Response<Body> {
    let message = "there is nothing here: the API is below `/v1`";
    ApiError::invalid_request("not_found", message)
        .with_status(StatusCode::NOT_FOUND)
        .into_response()
}

fn wrong_method(message: &str) -> ApiError {
    ApiError::invalid_request("method_not_allowed", message)
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}
