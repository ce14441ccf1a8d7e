use axum::{Json, extract::State};
use serde_json::{Map, Value};

use super::{Answer, body::Body};
use crate::control::{Control, Settings, SettingsChange};

/// The settings at this moment.
#[utoipa::path(get, path = "/api/settings", responses((status = 200, body = Settings)))]
pub(super) async fn show(State(control): State<Control>) -> Answer<Settings> {
    Ok(Json(control.settings().await?))
}

/// Changes settings: any subset of them.
#[utoipa::path(patch, path = "/api/settings", request_body = Settings,
    responses((status = 200, body = Settings)))]
pub(super) async fn change(
    State(control): State<Control>,
    Body(fields): Body<Map<String, Value>>,
) -> Answer<Settings> {
    let change = SettingsChange::parse(fields)?;
    Ok(Json(control.change_settings(change).await?))
}
