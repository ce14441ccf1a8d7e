//! Short forms of other endpoints, for what is passed through without being understood.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::{body_with_model, organization};
use crate::answers::answer;
use crate::intake::Call;
use crate::shared::Shared;

type Fake = State<Arc<Shared>>;

/// `POST /v1/embeddings`: one short vector for each input.
pub(super) async fn embedding(State(shared): Fake, Extension(call): Extension<Call>) -> Response {
    with_model(&shared, &call, |body| {
        let inputs = body["input"].as_array().map_or(1, Vec::len);
        let vector =
            |index| json!({"object": "embedding", "index": index, "embedding": [0.25, -0.5, 0.75]});
        json!({
            "object": "list", "data": (0..inputs).map(vector).collect::<Vec<_>>(),
            "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1},
        })
    })
}

/// `POST /v1/files`: any body; its size is told.
pub(super) async fn file(State(shared): Fake, Extension(call): Extension<Call>) -> Response {
    if let Err(error) = organization(&shared, &call) {
        return error.into_response();
    }
    let id = format!("file-{:024x}", shared.next_serial());
    answer(
        StatusCode::OK,
        &json!({"id": id, "object": "file", "bytes": call.body.len()}),
    )
}

fn with_model(shared: &Shared, call: &Call, reply: impl FnOnce(&Value) -> Value) -> Response {
    match organization(shared, call).and_then(|_| body_with_model(call)) {
        Ok(body) => answer(StatusCode::OK, &reply(body)),
        Err(error) => error.into_response(),
    }
}
