//! Which path is served by which service.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    response::IntoResponse as _,
    routing::{any_service, get, get_service, post_service},
};
use codex_auth::CredentialProvider;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::json;
use tower::{service_fn, util::BoxCloneSyncService};

use super::stack::{Answering, Stack};
use crate::{ApiError, route::ProfileTable};

/// The whole of the server.
pub(super) fn router<P>(stack: &Stack<P>) -> Router
where
    P: CredentialProvider + ProfileTable + Clone,
{
    let responses = post_service(stack.routed(stack.responses()))
        .get_service(answer_fn(upgrade_or_refuse))
        .head(async || StatusCode::OK);
    let models = stack.routed(stack.models());
    let profiles = stack.profiles.clone();
    let routes = Router::new()
        .route("/v1/responses", responses)
        .route(
            "/v1/chat/completions",
            post_service(stack.routed(stack.chat())),
        )
        .route("/v1/models", get_service(models.clone()))
        .route("/v1/models/{*id}", get_service(models))
        .route("/v1/{*path}", any_service(stack.routed(stack.passed_on())))
        .route(
            "/healthz",
            get(async || axum::Json(json!({"status": "ok"}))),
        )
        .route("/readyz", get(async move || readiness(&profiles).await))
        .route("/", get(async || WELCOME))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found);
    Router::new().fallback_service(Stack::<P>::outer(routes))
}

const WELCOME: &str = "Codex Router is serving.\n\n\
    Point an OpenAI client at the base URL /v1 of this address; any API key will do.\n\
    `codex-router list` shows the profiles, `codex-router use NAME` chooses one.\n";

/// Without WebSocket support the one right answer is 426: Codex then uses plain HTTP at once, and
/// any other costs it seconds (wire reference 7.4).
fn upgrade_or_refuse(headers: &HeaderMap) -> Response<Body> {
    let error = if headers.contains_key(header::UPGRADE) {
        let message = "WebSocket is not offered here: use HTTP, as Codex does by itself";
        ApiError::router(StatusCode::UPGRADE_REQUIRED, "upgrade_refused", message)
    } else {
        wrong_method("`/v1/responses` is called with POST")
    };
    error.into_response()
}

async fn readiness(profiles: &impl ProfileTable) -> Response<Body> {
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
    (
        status,
        axum::Json(json!({"ready": !ready.is_empty(), "profiles": ready})),
    )
        .into_response()
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

fn answer_fn(answer: fn(&HeaderMap) -> Response<Body>) -> Answering {
    BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let response = answer(request.headers());
        async move { Ok::<_, Infallible>(response) }
    }))
}
