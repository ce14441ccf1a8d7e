//! The control API over HTTP: thin over [`Control`].

mod attachment;
mod body;
mod desktop;
mod keys;
mod openapi;
mod profiles;
mod session;
mod settings;
mod sign_ins;
mod watching;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post, put},
};
use http::{HeaderValue, StatusCode, header};

use super::{Control, ControlError, FromElsewhere};
use crate::ApiError;

/// No body of this API is larger.
const MAX_BODY_BYTES: usize = 64 << 10;

/// What a handler answers.
type Answer<T> = Result<axum::Json<T>, Refusal>;

/// An error on its way out.
struct Refusal(ApiError);

/// Everything below `/api`.
pub(crate) fn routes(control: Control) -> Router {
    let private = table().into_iter().fold(Router::new(), add);
    let private = private
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(control.clone(), guard));
    let api = Router::new()
        .route("/session", post(session::open))
        .merge(private)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(from_here))
        .layer(middleware::map_response(never_stored))
        .with_state(control);
    Router::new().nest("/api", api)
}

/// What is for those alone who may.
fn table() -> Vec<(&'static str, MethodRouter<Control>)> {
    vec![
        ("/openapi.json", get(openapi::openapi)),
        ("/link", post(session::link)),
        ("/overview", get(watching::overview)),
        ("/events", get(watching::events)),
        ("/requests", get(watching::requests)),
        ("/refresh", post(profiles::refresh)),
        (
            "/profiles/{name}",
            patch(profiles::change).delete(profiles::remove),
        ),
        ("/profiles/{name}/use", post(profiles::use_profile)),
        ("/profiles/{name}/usage", post(profiles::usage)),
        ("/profiles/{name}/restore", post(profiles::restore)),
        (
            "/profiles/{name}/sign-out",
            get(profiles::sign_out_scope).post(profiles::sign_out),
        ),
        ("/removed/{id}", delete(profiles::purge_removed)),
        ("/live/save", post(profiles::save_live)),
        ("/api-keys", post(profiles::add_api_key)),
        ("/sign-ins", post(sign_ins::begin)),
        (
            "/sign-ins/{id}",
            get(sign_ins::show).delete(sign_ins::cancel),
        ),
        ("/sign-ins/{id}/paste", post(sign_ins::paste)),
        ("/settings", get(settings::show).patch(settings::change)),
        ("/keys", get(keys::list).post(keys::create)),
        ("/keys/{name}", delete(keys::revoke)),
        (
            "/attachment",
            get(attachment::show)
                .post(attachment::attach)
                .delete(attachment::detach),
        ),
        ("/desktop/starts-at-login", put(desktop::starts_at_login)),
        ("/window", post(desktop::window)),
    ]
}

fn add(router: Router<Control>, (path, methods): (&str, MethodRouter<Control>)) -> Router<Control> {
    router.route(path, methods)
}

/// Lets those pass who have the token, or a session.
async fn guard(State(control): State<Control>, request: Request, next: Next) -> Response {
    if let Some(actor) = control.inner.access.admits(request.headers()) {
        return actor.scope(next.run(request)).await;
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

/// On the way from another machine, everybody could read the secrets.
async fn from_here(request: Request, next: Next) -> Response {
    if request.extensions().get::<FromElsewhere>().is_none() {
        return next.run(request).await;
    }
    let message = "the router is looked after from its own machine alone";
    let error = ApiError::invalid_request("only_this_machine", message);
    Refusal(error.with_status(StatusCode::FORBIDDEN)).into_response()
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use codex_profiles::{CodexHome, ProfileStore};
    use tower::ServiceExt as _;

    use super::*;
    use crate::control::secret::Secret;

    async fn status_of(control: &Control, path: &str, is_from_here: bool) -> StatusCode {
        let token = Secret::random().unwrap();
        control.inner.access.set_token(&token);
        let request =
            Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        let mut request = request.body(Body::empty()).unwrap();
        if !is_from_here {
            request.extensions_mut().insert(FromElsewhere);
        }
        let answer = routes(control.clone()).oneshot(request).await;
        answer.unwrap().status()
    }

    #[tokio::test]
    async fn another_machine_is_refused_even_with_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let store = ProfileStore::open(CodexHome::at(folder.path())).unwrap();
        let control = Control::new(store);
        for path in [
            "/api/overview",
            "/api/settings",
            "/api/requests",
            "/api/openapi.json",
        ] {
            assert_eq!(status_of(&control, path, true).await, StatusCode::OK);
            let elsewhere = status_of(&control, path, false).await;
            assert_eq!(elsewhere, StatusCode::FORBIDDEN, "{path}");
        }
    }
}
