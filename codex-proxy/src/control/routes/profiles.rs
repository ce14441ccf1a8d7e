use axum::{
    Json,
    extract::{Path, State},
};
use codex_profiles::{ProfileName, Switched};
use serde::Serialize;

use super::{Answer, Refusal};
use crate::control::Control;

/// What a switch did.
#[derive(Serialize)]
pub(super) struct SwitchedView {
    /// The profile that is current now.
    current: String,
    /// Whether Codex's own login was replaced: one that runs keeps the old one in memory.
    published: bool,
    /// The profile that the login before was kept as, where it was in none.
    kept_as: Option<String>,
    /// Why Codex's own login was left as it is.
    live_unknown: Option<String>,
}

impl From<Switched> for SwitchedView {
    fn from(switched: Switched) -> Self {
        Self {
            current: switched.current.to_string(),
            published: switched.published,
            kept_as: switched.kept_as.map(|name| name.to_string()),
            live_unknown: switched
                .live_unknown
                .map(|unknown| format!("{unknown}: {}", unknown.action())),
        }
    }
}

/// The profile in the path.
pub(super) fn named(name: &str) -> Result<ProfileName, Refusal> {
    Ok(ProfileName::parse(name)?)
}

pub(super) async fn use_profile(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answer<SwitchedView> {
    let switched = control.use_profile(&named(&name)?).await?;
    Ok(Json(switched.into()))
}
