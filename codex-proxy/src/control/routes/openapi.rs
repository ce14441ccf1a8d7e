use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{attachment, desktop, keys, profiles, session, settings, sign_ins, watching};
use crate::control::{NoticeView, access};

/// The control API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Codex Router control API", license(name = "MIT OR Apache-2.0")),
    paths(
        openapi,
        session::open,
        session::link,
        watching::overview,
        watching::events,
        watching::requests,
        profiles::refresh,
        profiles::use_profile,
        profiles::change,
        profiles::remove,
        profiles::usage,
        profiles::restore,
        profiles::sign_out_scope,
        profiles::sign_out,
        profiles::save_live,
        profiles::add_api_key,
        sign_ins::begin,
        sign_ins::show,
        sign_ins::paste,
        sign_ins::cancel,
        settings::show,
        settings::change,
        keys::list,
        keys::create,
        keys::revoke,
        attachment::show,
        attachment::attach,
        attachment::detach,
        desktop::starts_at_login,
        desktop::window,
    ),
    components(schemas(NoticeView)),
    modifiers(&Security),
    security(("control_token" = []), ("cookie" = [], "page_key" = []))
)]
pub(super) struct Api;

/// The token of scripts, or what the page has.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let cookie = ApiKey::Cookie(ApiKeyValue::new(access::COOKIE));
        let page_key = ApiKey::Header(ApiKeyValue::new(access::PAGE_KEY.as_str()));
        let components = document.components.get_or_insert_default();
        for (name, scheme) in [
            ("control_token", SecurityScheme::Http(bearer)),
            ("cookie", SecurityScheme::ApiKey(cookie)),
            ("page_key", SecurityScheme::ApiKey(page_key)),
        ] {
            components.add_security_scheme(name, scheme);
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, body = Object)))]
pub(super) async fn openapi() -> Json<Document> {
    Json(Api::openapi())
}
