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
        profiles::purge_removed,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use codex_profiles::{CodexHome, ProfileStore};
    use http::{Method, Request, StatusCode};
    use tower::ServiceExt as _;

    use super::super::table;
    use super::*;
    use crate::control::Control;

    const METHODS: [Method; 5] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];

    /// What the routes answer to, as `GET /api/overview`.
    async fn served(control: &Control) -> BTreeSet<String> {
        let mut served = BTreeSet::from(["POST /api/session".to_owned()]);
        for (path, methods) in table() {
            let service = methods.with_state(control.clone());
            for method in METHODS {
                let request = Request::builder().method(&method).uri("/");
                let request = request.body(Body::empty()).unwrap();
                let answer = service.clone().oneshot(request).await.unwrap();
                if answer.status() != StatusCode::METHOD_NOT_ALLOWED {
                    served.insert(format!("{method} /api{path}"));
                }
            }
        }
        served
    }

    #[tokio::test]
    async fn every_route_is_in_the_document_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = ProfileStore::open(CodexHome::at(folder.path())).unwrap();
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let documented: BTreeSet<String> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        assert_eq!(served(&Control::new(store)).await, documented);
    }
}
