//! The pages that the browser ends at: nothing from elsewhere in them, and no secret.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

use super::{SignInError, SignedIn, redirect::NotOurs};

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:18vh auto;\
                     padding:0 1rem;color-scheme:light dark}h1{font-size:1.4rem}";

/// What the browser is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    SignedIn,
    Failed(String),
    Cancelled,
    TooLate,
    NotOurs(NotOurs),
    ForeignHost,
    NotFound,
}

impl Page {
    /// The last page of a sign-in.
    pub(super) fn of(result: &Result<SignedIn, SignInError>) -> Self {
        match result {
            Ok(_) => Self::SignedIn,
            Err(error) => Self::Failed(error.to_string()),
        }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let (status, title, text) = self.content();
        let mut response = Response::new(Full::from(html(title, &text)));
        *response.status_mut() = status;
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            STANDARD.encode(Sha256::digest(STYLE))
        );
        let fields = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, &policy),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // The address of the page holds the authorization code, used up as it is.
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
        ];
        for (name, value) in fields {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn content(&self) -> (StatusCode, &'static str, String) {
        let (status, title, text) = match self {
            Self::SignedIn => (StatusCode::OK, "Signed in", "You may close this page."),
            Self::Failed(reason) => return (StatusCode::OK, "Not signed in", reason.clone()),
            Self::Cancelled => (
                StatusCode::OK,
                "Login cancelled",
                "You may close this page.",
            ),
            Self::TooLate => (
                StatusCode::CONFLICT,
                "Too late",
                "This sign-in has its answer already.",
            ),
            Self::NotOurs(NotOurs::NoCode) => (
                StatusCode::BAD_REQUEST,
                "No code",
                "There is no authorization code in this address.",
            ),
            Self::NotOurs(_) => (
                StatusCode::BAD_REQUEST,
                "State mismatch",
                "This address belongs to another sign-in. The one that waits here goes on waiting.",
            ),
            Self::ForeignHost => (StatusCode::FORBIDDEN, "Forbidden", "Only for this machine."),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found", "There is nothing here."),
        };
        (status, title, text.to_owned())
    }
}

fn html(title: &str, text: &str) -> String {
    let (title, text) = (escaped(title), escaped(text));
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title} · Codex Router</title>\
         <style>{STYLE}</style><h1>{title}</h1><p>{text}</p></html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_issuer_says_cannot_become_markup() {
        let page = html("t", "<script>alert(\"1\")</script> & 'x'");
        assert!(
            page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;")
        );
    }

    #[test]
    fn every_page_allows_nothing_but_its_own_style() {
        for page in [
            Page::SignedIn,
            Page::Failed("why".to_owned()),
            Page::NotFound,
        ] {
            let response = page.into_response();
            let policy = response.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap();
            assert!(
                policy.starts_with("default-src 'none'; style-src 'sha256-"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe"), "{policy}");
        }
        assert!(!html("t", "x").contains("http"), "nothing from elsewhere");
    }
}
