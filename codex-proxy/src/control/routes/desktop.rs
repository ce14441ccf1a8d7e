use axum::{Json, extract::State};
use http::StatusCode;
use serde::Deserialize;

use super::{Answer, Refusal, body::Body};
use crate::control::{Control, Overview};

/// A switch.
#[derive(Deserialize)]
pub(super) struct Enabled {
    enabled: bool,
}

pub(super) async fn starts_at_login(
    State(control): State<Control>,
    Body(Enabled { enabled }): Body<Enabled>,
) -> Answer<Overview> {
    control.set_starts_at_login(enabled).await?;
    Ok(Json(control.overview().await?))
}

pub(super) async fn window(State(control): State<Control>) -> Result<StatusCode, Refusal> {
    control.show_window()?;
    Ok(StatusCode::NO_CONTENT)
}
