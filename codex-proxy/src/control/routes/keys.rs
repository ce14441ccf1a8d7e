use axum::{
    Json,
    extract::{Path, State},
};
use codex_profiles::keys::{KeyEntry, KeyName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, Refusal, body::Body, profiles::wished};
use crate::control::Control;

/// The keys there are.
#[derive(Serialize, ToSchema)]
pub(super) struct Keys {
    keys: Vec<KeyView>,
}

/// What is kept about a key.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyView {
    name: String,
    /// The one profile it serves with, if it is bound.
    profile: Option<String>,
    created_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
}

/// What to call a key, and the one profile it serves with, if any.
#[derive(Deserialize, ToSchema)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    profile: Option<String>,
}

/// A key, shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    name: String,
    key: String,
}

/// The keys there are.
#[utoipa::path(get, path = "/api/keys", responses((status = 200, body = Keys)))]
pub(super) async fn list(State(control): State<Control>) -> Answer<Keys> {
    let keys = control.keys().await?.into_iter();
    let keys = keys.map(KeyView::from).collect();
    Ok(Json(Keys { keys }))
}

/// Makes a key. From the first one on, every client needs one.
#[utoipa::path(post, path = "/api/keys", request_body = Wanted,
    responses((status = 200, body = Made)))]
pub(super) async fn create(
    State(control): State<Control>,
    Body(Wanted { name, profile }): Body<Wanted>,
) -> Answer<Made> {
    let key = control.create_key(named(&name)?, wished(profile)?).await?;
    let key = key.expose().to_owned();
    Ok(Json(Made { name, key }))
}

/// Takes a key back.
#[utoipa::path(delete, path = "/api/keys/{name}", params(("name" = String, Path)),
    responses((status = 200, body = Keys)))]
pub(super) async fn revoke(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answer<Keys> {
    control.revoke_key(named(&name)?).await?;
    list(State(control)).await
}

fn named(name: &str) -> Result<KeyName, Refusal> {
    Ok(KeyName::parse(name)?)
}

impl From<KeyEntry> for KeyView {
    fn from(entry: KeyEntry) -> Self {
        Self {
            name: entry.name,
            profile: entry.profile,
            created_at: entry.created_at,
            last_used_at: entry.last_used_at,
        }
    }
}
