//! `GET /codex/models`: the catalogue, in the form that Codex wants.

use std::sync::LazyLock;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::Value;

use super::authorized;
use crate::answers::set;
use crate::intake::Call;

/// The slugs of the CLI's own catalogue, and `gpt-5.2-codex`.
static CATALOGUE: &str = include_str!("../../data/models.json");

static SLUGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let catalogue: Value = serde_json::from_str(CATALOGUE).unwrap_or_default();
    let models = catalogue["models"].as_array().into_iter().flatten();
    models
        .filter_map(|model| model["slug"].as_str().map(str::to_owned))
        .collect()
});

/// The entity tag of the catalogue.
pub(crate) const CATALOGUE_ETAG: &str = "\"fake-catalogue-1\"";

/// The models of the catalogue, in its order.
pub(crate) fn slugs() -> Vec<&'static str> {
    SLUGS.iter().map(String::as_str).collect()
}

pub(super) async fn list(
    State(shared): State<std::sync::Arc<crate::shared::Shared>>,
    Extension(call): Extension<Call>,
) -> Response {
    if let Err(refusal) = authorized(&shared, &call) {
        return refusal.into_response();
    }
    let known = call.header("if-none-match") == Some(CATALOGUE_ETAG);
    let body = if known {
        Body::empty()
    } else {
        Body::from(CATALOGUE)
    };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        set(&mut response, "content-type", "application/json");
    }
    set(&mut response, "etag", CATALOGUE_ETAG);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_can_be_read_and_has_the_known_slugs() {
        for slug in ["gpt-6.1-sol", "gpt-5.5", "gpt-5.2-codex"] {
            assert!(slugs().contains(&slug), "{slug}");
        }
    }
}
