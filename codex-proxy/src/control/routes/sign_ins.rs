use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Answer, body::Body, profiles::wished};
use crate::control::{Control, SignIn, SignInWay};

/// How to sign in, and what to call the profile.
#[derive(Deserialize, ToSchema)]
pub(super) struct Wanted {
    way: SignInWay,
    #[serde(default)]
    name: Option<String>,
}

/// The address that a browser ended at.
#[derive(Deserialize, ToSchema)]
pub(super) struct Pasted {
    text: String,
}

/// Begins a sign-in, in place of one that waits for its person.
#[utoipa::path(post, path = "/api/sign-ins", request_body = Wanted,
    responses((status = 200, body = SignIn)))]
pub(super) async fn begin(
    State(control): State<Control>,
    Body(Wanted { way, name }): Body<Wanted>,
) -> Answer<SignIn> {
    let name = wished(name)?;
    Ok(Json(control.begin_sign_in(way, name).await?))
}

/// A sign-in as it is now.
#[utoipa::path(get, path = "/api/sign-ins/{id}", params(("id" = String, Path)),
    responses((status = 200, body = SignIn)))]
pub(super) async fn show(State(control): State<Control>, Path(id): Path<String>) -> Answer<SignIn> {
    Ok(Json(control.sign_in(&id)?))
}

/// Takes the address that the browser ended at.
#[utoipa::path(post, path = "/api/sign-ins/{id}/paste", params(("id" = String, Path)),
    request_body = Pasted, responses((status = 200, body = SignIn)))]
pub(super) async fn paste(
    State(control): State<Control>,
    Path(id): Path<String>,
    Body(Pasted { text }): Body<Pasted>,
) -> Answer<SignIn> {
    Ok(Json(control.paste_into_sign_in(&id, &text).await?))
}

/// Ends a sign-in that waits for its person.
#[utoipa::path(delete, path = "/api/sign-ins/{id}", params(("id" = String, Path)),
    responses((status = 200, body = SignIn)))]
pub(super) async fn cancel(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Answer<SignIn> {
    Ok(Json(control.cancel_sign_in(&id).await?))
}
