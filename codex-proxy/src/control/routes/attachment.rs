use axum::{Json, extract::State};

use super::Answer;
use crate::control::{AttachmentReport, Control};

/// How Codex's settings stand to this router.
#[utoipa::path(get, path = "/api/attachment", responses((status = 200, body = AttachmentReport)))]
pub(super) async fn show(State(control): State<Control>) -> Answer<AttachmentReport> {
    Ok(Json(control.attachment().await?))
}

/// Points Codex at this router.
#[utoipa::path(post, path = "/api/attachment", responses((status = 200, body = AttachmentReport)))]
pub(super) async fn attach(State(control): State<Control>) -> Answer<AttachmentReport> {
    Ok(Json(control.attach().await?))
}

/// Lets Codex go to where it went before.
#[utoipa::path(delete, path = "/api/attachment",
    responses((status = 200, body = AttachmentReport)))]
pub(super) async fn detach(State(control): State<Control>) -> Answer<AttachmentReport> {
    Ok(Json(control.detach().await?))
}
