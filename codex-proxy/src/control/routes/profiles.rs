use axum::{
    Json,
    extract::{Path, Query, State},
};
use codex_auth::usage::Usage;
use codex_profiles::{ProfileName, RemovedId, Saved, SignOutScope, Switched};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, Refusal, body::Body};
use crate::control::{Change, Control, ControlError, KeptView, Overview, ProfileChange};

/// What a switch did.
#[derive(Serialize, ToSchema)]
pub(super) struct SwitchedView {
    /// The profile that is current now.
    current: String,
    /// Whether Codex's own login was replaced: one that runs keeps the old one in memory.
    published: bool,
    /// The profile that the login before was kept as, where it was in none.
    kept_as: Option<String>,
    /// Why Codex's own login was left as it is.
    live_unknown: Option<String>,
    /// Whether Codex's settings hold it to another workspace: it logs out of this login when it
    /// starts.
    codex_refuses: bool,
}

/// What to change about a profile; what is missing stays, and null takes back.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChangeView {
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    label: Change<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    color: Change<String>,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct Removing {
    /// Delete it for good, and what was removed under its name before. What was removed alone is
    /// deleted at `/api/removed/{id}`.
    #[serde(default)]
    purge: bool,
}

/// What would end with a sign-out.
#[derive(Serialize, ToSchema)]
pub(super) struct ScopeView {
    profile: String,
    /// Profiles that hold the same login.
    others: Vec<String>,
    /// Whether Codex's own login is the same one.
    live: bool,
}

/// What to call a new profile; without a name, one is made from the e-mail address.
#[derive(Deserialize, ToSchema)]
pub(super) struct Naming {
    name: Option<String>,
}

/// Where the live login is saved.
#[derive(Serialize, ToSchema)]
pub(super) struct SavedView {
    name: String,
    created: bool,
    renewed: bool,
}

/// A key to make a profile of.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewKey {
    key: String,
    #[serde(default)]
    name: Option<String>,
}

/// The profile in the path.
pub(super) fn named(name: &str) -> Result<ProfileName, Refusal> {
    Ok(ProfileName::parse(name)?)
}

/// The name in a body; an empty field of a form is none.
pub(super) fn wished(name: Option<String>) -> Result<Option<ProfileName>, Refusal> {
    let name = name.filter(|name| !name.trim().is_empty());
    name.map(|name| named(name.trim())).transpose()
}

/// Reads every file anew, and asks for the quota of every profile.
#[utoipa::path(post, path = "/api/refresh", responses((status = 200, body = Overview)))]
pub(super) async fn refresh(State(control): State<Control>) -> Answer<Overview> {
    Ok(Json(control.refresh().await?))
}

/// Makes a profile the current one.
#[utoipa::path(post, path = "/api/profiles/{name}/use", params(("name" = String, Path)),
    responses((status = 200, body = SwitchedView)))]
pub(super) async fn use_profile(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answer<SwitchedView> {
    let switched = control.use_profile(&named(&name)?).await?;
    Ok(Json(switched.into()))
}

/// Changes what a profile is called and how it is shown.
#[utoipa::path(patch, path = "/api/profiles/{name}", params(("name" = String, Path)),
    request_body = ChangeView, responses((status = 200, body = Overview)))]
pub(super) async fn change(
    State(control): State<Control>,
    Path(name): Path<String>,
    Body(change): Body<ChangeView>,
) -> Answer<Overview> {
    let change = ProfileChange {
        name: change.name.as_deref().map(named).transpose()?,
        label: change.label,
        color: change.color,
    };
    control.change(&named(&name)?, change).await?;
    Ok(Json(control.overview().await?))
}

/// Takes a profile out of the list, or deletes it for good.
#[utoipa::path(delete, path = "/api/profiles/{name}", params(("name" = String, Path), Removing),
    responses((status = 200, body = Overview)))]
pub(super) async fn remove(
    State(control): State<Control>,
    Path(name): Path<String>,
    Query(Removing { purge }): Query<Removing>,
) -> Answer<Overview> {
    let name = named(&name)?;
    if purge {
        control.purge_listed(&name).await?;
    } else {
        control.remove(&name).await?;
    }
    Ok(Json(control.overview().await?))
}

/// Deletes for good a profile that was removed, never one that is in the list: the id is that of the
/// overview's `removed`.
#[utoipa::path(delete, path = "/api/removed/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Overview)))]
pub(super) async fn purge_removed(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Answer<Overview> {
    let unknown = || ControlError::invalid("id", "that is no id of a removed profile");
    let id = RemovedId::parse(&id).ok_or_else(unknown)?;
    control.purge_removed(&id).await?;
    Ok(Json(control.overview().await?))
}

/// Brings back what was last removed under this name.
#[utoipa::path(post, path = "/api/profiles/{name}/restore", params(("name" = String, Path)),
    responses((status = 200, body = Overview)))]
pub(super) async fn restore(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answer<Overview> {
    control.restore(&named(&name)?).await?;
    Ok(Json(control.overview().await?))
}

/// Asks for the quota of a profile.
#[utoipa::path(post, path = "/api/profiles/{name}/usage", params(("name" = String, Path)),
    responses((status = 200, body = Usage)))]
pub(super) async fn usage(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answer<Usage> {
    Ok(Json(control.ask_usage(&named(&name)?).await?))
}

/// What would end with a sign-out: for asking the person first.
#[utoipa::path(get, path = "/api/profiles/{name}/sign-out", params(("name" = String, Path)),
    responses((status = 200, body = ScopeView)))]
pub(super) async fn sign_out_scope(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answer<ScopeView> {
    let scope = control.sign_out_scope(&named(&name)?).await?;
    Ok(Json(scope.into()))
}

/// Ends a profile's login at OpenAI, with every copy of it.
#[utoipa::path(post, path = "/api/profiles/{name}/sign-out", params(("name" = String, Path)),
    responses((status = 200, body = Overview)))]
pub(super) async fn sign_out(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Answer<Overview> {
    control.sign_out(&named(&name)?).await?;
    Ok(Json(control.overview().await?))
}

/// Makes a profile of the login that Codex uses.
#[utoipa::path(post, path = "/api/live/save", request_body = Naming,
    responses((status = 200, body = SavedView)))]
pub(super) async fn save_live(
    State(control): State<Control>,
    Body(Naming { name }): Body<Naming>,
) -> Answer<SavedView> {
    let saved = control.save_live(wished(name)?).await?;
    Ok(Json(saved.into()))
}

/// Makes a profile of an API key.
#[utoipa::path(post, path = "/api/api-keys", request_body = NewKey,
    responses((status = 200, body = KeptView)))]
pub(super) async fn add_api_key(
    State(control): State<Control>,
    Body(NewKey { key, name }): Body<NewKey>,
) -> Answer<KeptView> {
    let kept = control.add_api_key(&key, wished(name)?).await?;
    Ok(Json(kept.into()))
}

impl From<Switched> for SwitchedView {
    fn from(switched: Switched) -> Self {
        Self {
            codex_refuses: switched.codex_refuses,
            current: switched.current.to_string(),
            published: switched.published,
            kept_as: switched.kept_as.map(|name| name.to_string()),
            live_unknown: switched
                .live_unknown
                .map(|unknown| format!("{unknown}: {}", unknown.action())),
        }
    }
}

impl From<SignOutScope> for ScopeView {
    fn from(scope: SignOutScope) -> Self {
        Self {
            profile: scope.profile.to_string(),
            others: scope.others.iter().map(ToString::to_string).collect(),
            live: scope.live,
        }
    }
}

impl From<Saved> for SavedView {
    fn from(saved: Saved) -> Self {
        Self {
            name: saved.name.to_string(),
            created: saved.created,
            renewed: saved.renewed,
        }
    }
}
