use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, Refusal, body::Body};
use crate::{
    ApiError,
    control::{
        Control, ControlError,
        access::{COOKIE, Opened},
    },
};

/// The secret of a one-time link.
#[derive(Deserialize, ToSchema)]
pub(super) struct Link {
    link: String,
}

/// What the page keeps, and sends with every call.
#[derive(Serialize, ToSchema)]
pub(super) struct PageKey {
    page_key: String,
}

/// An address that opens the page, once.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkUrl {
    url: String,
}

/// Spends a link: answers the page key, and sets the cookie that goes with it.
#[utoipa::path(post, path = "/api/session", request_body = Link, security(()),
    responses((status = 200, body = PageKey)))]
pub(super) async fn open(
    State(control): State<Control>,
    headers: HeaderMap,
    Body(Link { link }): Body<Link>,
) -> Result<Response, Refusal> {
    let opened = control.inner.access.open(&link, &headers);
    let opened = opened.map_err(ControlError::NoRandomness)?;
    let Some(Opened { cookie, page_key }) = opened else {
        let message = "this link was used, or is too old: ask for a new one";
        let error = ApiError::invalid_request("link_not_valid", message);
        return Err(Refusal(error.with_status(StatusCode::FORBIDDEN)));
    };
    let page_key = page_key.expose().to_owned();
    let mut response = Json(PageKey { page_key }).into_response();
    let cookie = format!(
        "{COOKIE}={}; Path=/api; HttpOnly; SameSite=Strict",
        cookie.expose()
    );
    if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A new link.
#[utoipa::path(post, path = "/api/link", responses((status = 200, body = LinkUrl)))]
pub(super) async fn link(State(control): State<Control>) -> Answer<LinkUrl> {
    let url = control.link()?;
    Ok(Json(LinkUrl { url }))
}
