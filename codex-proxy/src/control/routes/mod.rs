//! The control API over HTTP: thin over [`Control`].

mod body;
mod desktop;
mod profiles;
mod session;
mod watching;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderValue, StatusCode, header};

use super::{Control, ControlError};
use crate::ApiError;

/// No body of this API is larger.
const MAX_BODY_BYTES: usize = 64 << 10;

/// What a handler answers.
type Answer<T> = Result<axum::Json<T>, Refusal>;

/// An error on its way out.
struct Refusal(ApiError);

/// Everything below `/api`.
pub(crate) fn routes(control: Control) -> Router {
    let private = Router::new()
        .route("/link", post(session::link))
        .route("/overview", get(watching::overview))
        .route("/events", get(watching::events))
        .route("/requests", get(watching::requests))
        .route("/profiles/{name}/use", post(profiles::use_profile))
        .route("/desktop/starts-at-login", put(desktop::starts_at_login))
        .route("/window", post(desktop::window))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(control.clone(), guard));
    let public = Router::new().route("/session", post(session::open));
    let api = Router::new()
        .merge(public)
        .merge(private)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(never_stored))
        .with_state(control);
    Router::new().nest("/api", api)
}

/// Lets those pass who have the token, or a session.
async fn guard(State(control): State<Control>, request: Request, next: Next) -> Response {
    if control.inner.access.admits(request.headers()) {
        return next.run(request).await;
    }
    let message = "open the page from the tray or with `codex-router open`, or send the token in \
                   `router/control.token`";
    let error = ApiError::invalid_request("control_auth_required", message);
    let mut response = Refusal(error.with_status(StatusCode::UNAUTHORIZED)).into_response();
    let scheme = HeaderValue::from_static("Bearer realm=\"codex-router\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    response
}

/// Everything here is about this moment, and for one reader alone.
async fn never_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn not_found() -> Refusal {
    let error = ApiError::invalid_request("not_found", "the control API has no such path");
    Refusal(error.with_status(StatusCode::NOT_FOUND))
}

async fn wrong_method() -> Refusal {
    let message = "this path is called with another method";
    let error = ApiError::invalid_request("method_not_allowed", message);
    Refusal(error.with_status(StatusCode::METHOD_NOT_ALLOWED))
}

impl<E: Into<ControlError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into().into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
