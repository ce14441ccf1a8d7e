//! The public API, `/v1`: what an OpenAI client expects of it.

mod chat;
mod chat_stream;
mod completions;
mod models;
mod other;
mod responses;
mod stored;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Value, json};

use crate::answers::answer;
use crate::intake::Call;
use crate::responses::Problem;
use crate::shared::Shared;

pub(crate) use stored::Stored;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/responses",
            post(responses::create).get(responses::upgrade),
        )
        .route(
            "/responses/{id}",
            get(stored::retrieve).delete(stored::delete),
        )
        .route("/responses/{id}/input_items", get(stored::input_items))
        .route("/responses/{id}/cancel", post(stored::cancel))
        .route("/chat/completions", post(chat::create))
        .route("/completions", post(completions::create))
        .route("/embeddings", post(other::embedding))
        .route("/files", post(other::file))
        .route("/models", get(models::list))
        .route("/models/{id}", get(models::one))
        .fallback(not_found)
}

async fn not_found(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("Invalid URL ({method} /v1{path})");
    ApiError::new(StatusCode::NOT_FOUND, &message, None, None).into_response()
}

/// An error in the form of the public API.
#[derive(Debug)]
struct ApiError {
    status: StatusCode,
    body: Value,
}

impl ApiError {
    fn new(status: StatusCode, message: &str, param: Option<&str>, code: Option<&str>) -> Self {
        let kind = if status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        let error = json!({"message": message, "type": kind, "param": param, "code": code});
        Self {
            status,
            body: json!({"error": error}),
        }
    }

    fn bad_request(message: &str, param: Option<&str>, code: Option<&str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message, param, code)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::bad_request(&problem.message, problem.param.as_deref(), problem.code)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        answer(self.status, &self.body)
    }
}

/// The organization of the caller's API key.
fn organization(shared: &Shared, call: &Call) -> Result<String, ApiError> {
    let unauthorized =
        |message: &str, code| Err(ApiError::new(StatusCode::UNAUTHORIZED, message, None, code));
    let Some(key) = call.bearer().filter(|key| !key.is_empty()) else {
        let message = "You didn't provide an API key. You need to provide your API key in an \
                       Authorization header using Bearer auth (i.e. Authorization: Bearer \
                       YOUR_KEY).";
        return unauthorized(message, None);
    };
    if let Some(organization) = shared.ledger().organization_of(key) {
        return Ok(organization.to_owned());
    }
    let message = format!(
        "Incorrect API key provided: {}. You can find your API key at \
         https://platform.openai.com/account/api-keys.",
        masked(key)
    );
    unauthorized(&message, Some("invalid_api_key"))
}

fn masked(key: &str) -> String {
    let shown: String = key.chars().take(7).collect();
    format!("{shown}***")
}

/// The JSON object of a body that names a model we have.
fn body_with_model(call: &Call) -> Result<&Value, ApiError> {
    let body: &Value = &call.json;
    if !body.is_object() {
        let message = "We could not parse the JSON body of your request.";
        return Err(ApiError::bad_request(message, None, None));
    }
    let Some(model) = body["model"].as_str() else {
        return Err(Problem::missing("model").into());
    };
    models::known(model)
        .then_some(body)
        .ok_or_else(|| models::unknown(model))
}

/// Refuses a body with a field that is not in `known`.
fn check_fields(body: &Value, known: &[&str]) -> Result<(), ApiError> {
    let mut names = body.as_object().into_iter().flatten().map(|(name, _)| name);
    match names.find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let message = format!("Unknown parameter: '{name}'.");
            Err(ApiError::bad_request(
                &message,
                Some(name),
                Some("unknown_parameter"),
            ))
        }
        None => Ok(()),
    }
}
