//! The page: files that are part of the program.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    Router,
    body::Body,
    extract::Path,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

use crate::ApiError;

/// One file of the page.
struct File {
    name: &'static str,
    bytes: &'static [u8],
    /// Quoted, as in the header.
    etag: LazyLock<String, fn() -> String>,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(File {
            name: $name,
            bytes: include_bytes!(concat!("page/", $name)),
            etag: LazyLock::new(|| etag(include_bytes!(concat!("page/", $name)))),
        }),*]
    };
}

/// Every file in the folder `page`: one that is not in this list is not served.
static FILES: [File; 46] = files![
    "index.html",
    "api.js",
    "attach.js",
    "base.css",
    "bus.js",
    "button.js",
    "card.js",
    "condition.js",
    "connect.js",
    "connection.js",
    "controls.css",
    "dialog.js",
    "dom.js",
    "edit_profile.js",
    "events.js",
    "fallback.js",
    "field.js",
    "format.js",
    "guide.js",
    "keys.js",
    "locked.js",
    "main.js",
    "mark.svg",
    "menu.js",
    "model_rules.js",
    "notices.js",
    "profiles.js",
    "removed.js",
    "requests.js",
    "rule_list.js",
    "section.js",
    "server.js",
    "session.js",
    "settings.js",
    "sign_in.js",
    "sign_in_steps.js",
    "sign_out.js",
    "switch_hint.js",
    "switching.js",
    "toast.js",
    "unsaved.js",
    "usage.js",
    "views.css",
    "words.js",
    "words_en.js",
    "words_zh.js",
];

/// Nothing but what lies here may run, be shown or be asked, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The page at `/`, and its files below `/page`. Whoever is no browser gets `text` at `/`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(text: &'static str) -> Router<S> {
    Router::new()
        .route(
            "/",
            get(async move |headers: HeaderMap| welcome(&headers, text)),
        )
        .route(
            "/page/{file}",
            get(async |Path(name): Path<String>, headers: HeaderMap| file(&name, &headers)),
        )
}

fn welcome(headers: &HeaderMap, text: &'static str) -> Response {
    let mut response = if accepts_html(headers) {
        file("index.html", headers)
    } else {
        text.into_response()
    };
    let vary = HeaderValue::from_static("accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// Browsers name HTML; other clients take anything, if they say what they take at all.
fn accepts_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.contains("text/html"))
    })
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return ApiError::invalid_request("not_found", "the page has no such file")
            .with_status(StatusCode::NOT_FOUND)
            .into_response();
    };
    let mut response = if is_known(file, headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.bytes))
    };
    protect(response.headers_mut());
    describe(file, response.headers_mut());
    response
}

/// Whether the browser has it already (RFC 9110, section 13.1.2).
fn is_known(file: &File, headers: &HeaderMap) -> bool {
    let mut known = headers.get_all(header::IF_NONE_MATCH).iter();
    known.any(|tags| {
        let mut tags = tags.to_str().unwrap_or_default().split(',');
        tags.any(|tag| tag.trim().trim_start_matches("W/") == *file.etag)
    })
}

fn describe(file: &File, headers: &mut HeaderMap) {
    let kind = HeaderValue::from_static(content_type(file.name));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&file.etag) {
        headers.insert(header::ETAG, etag);
    }
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

fn etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut tag = String::from("\"");
    for byte in &digest[..16] {
        // Writing to a text cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag + "\""
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served_as_what_it_is() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/page");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(there, served);
        for name in served {
            let kind = content_type(&name);
            assert_ne!(kind, "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let first = file("index.html", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(
            file("index.html", &headers).status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(file("base.css", &headers).status(), StatusCode::OK);
    }

    #[test]
    fn a_program_is_told_in_plain_text_and_a_browser_gets_the_page() {
        let accepting = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            headers
        };
        assert!(accepts_html(&accepting(
            "text/html,application/xhtml+xml,*/*;q=0.8"
        )));
        for headers in [
            HeaderMap::new(),
            accepting("*/*"),
            accepting("application/json"),
        ] {
            assert!(!accepts_html(&headers));
        }
    }
}
