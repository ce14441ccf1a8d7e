//! `GET /v1/models` and `/v1/models/{id}`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::{ApiError, organization};
use crate::answers::answer;
use crate::chatgpt::slugs;
use crate::intake::Call;
use crate::shared::Shared;

/// Models of the API that are in no Codex catalogue.
const MORE: [&str; 6] = [
    "gpt-5-mini",
    "gpt-4.1",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-3.5-turbo-instruct",
    EMBEDDING,
];
const EMBEDDING: &str = "text-embedding-3-small";

fn all() -> impl Iterator<Item = &'static str> {
    slugs().into_iter().chain(MORE)
}

pub(super) fn known(model: &str) -> bool {
    all().any(|known| known == model)
}

pub(super) fn unknown(model: &str) -> ApiError {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    ApiError::new(
        StatusCode::NOT_FOUND,
        &message,
        None,
        Some("model_not_found"),
    )
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_754_000_000, "owned_by": "system"})
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    if let Err(error) = organization(&shared, &call) {
        return error.into_response();
    }
    let list = json!({"object": "list", "data": all().map(model).collect::<Vec<_>>()});
    answer(StatusCode::OK, &list)
}

pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
) -> Response {
    match organization(&shared, &call) {
        Err(error) => error.into_response(),
        Ok(_) if !known(&id) => unknown(&id).into_response(),
        Ok(_) => answer(StatusCode::OK, &model(&id)),
    }
}
