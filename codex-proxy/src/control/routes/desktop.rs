use axum::{Json, extract::State};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Answer, Refusal, body::Body};
use crate::control::{Control, Overview};

/// A switch.
#[derive(Deserialize, ToSchema)]
pub(super) struct Enabled {
    enabled: bool,
}

/// Starts the program whenever the person logs in, or no longer.
#[utoipa::path(put, path = "/api/desktop/starts-at-login", request_body = Enabled,
    responses((status = 200, body = Overview)))]
pub(super) async fn starts_at_login(
    State(control): State<Control>,
    Body(Enabled { enabled }): Body<Enabled>,
) -> Answer<Overview> {
    control.set_starts_at_login(enabled).await?;
    Ok(Json(control.overview().await?))
}

/// Brings the window to the front.
#[utoipa::path(post, path = "/api/window", responses((status = 204)))]
pub(super) async fn window(State(control): State<Control>) -> Result<StatusCode, Refusal> {
    control.show_window()?;
    Ok(StatusCode::NO_CONTENT)
}
