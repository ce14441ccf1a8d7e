use std::sync::Arc;

use codex_auth::Backend;
use http::{StatusCode, Uri};
use reqwest::Url;

use crate::ApiError;

/// What the ChatGPT backend has below `/codex`. *Source:* wire reference 8.4.
const CHATGPT_PATHS: [&str; 7] = [
    "responses",
    "models",
    "images",
    "alpha",
    "realtime",
    "live",
    "memories",
];

/// Where each kind of login is accepted. Cheap to clone: every request has one.
#[derive(Debug, Clone)]
pub struct Targets(Arc<Bases>);

#[derive(Debug)]
struct Bases {
    chatgpt: Url,
    openai: Url,
}

/// A base address that is not an absolute `http` or `https` one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an http or https address")]
pub struct InvalidBaseUrl(String);

impl Default for Targets {
    fn default() -> Self {
        Self::new(
            "https://chatgpt.com/backend-api",
            "https://api.openai.com/v1",
        )
        .expect("both are absolute https addresses")
    }
}

impl Targets {
    /// The ChatGPT backend (such as `https://chatgpt.com/backend-api`) and the public API (such
    /// as `https://api.openai.com/v1`).
    ///
    /// # Errors
    /// [`InvalidBaseUrl`] names the one that cannot be used.
    pub fn new(chatgpt: &str, openai: &str) -> Result<Self, InvalidBaseUrl> {
        Ok(Self(Arc::new(Bases {
            chatgpt: base_url(chatgpt)?,
            openai: base_url(openai)?,
        })))
    }

    pub(super) fn accounts_check(&self) -> Url {
        self.of_account("accounts/check")
    }

    /// Where an account's limits are told.
    pub(crate) fn usage(&self) -> Url {
        self.of_account("usage")
    }

    /// Where the models of a kind of login are listed.
    #[cfg(feature = "server")]
    pub(crate) fn models(&self, backend: Backend) -> Option<Url> {
        self.resolve(backend, &Uri::from_static("/v1/models")).ok()
    }

    fn of_account(&self, path: &str) -> Url {
        let mut url = self.0.chatgpt.clone();
        // The path style depends on the base (wire reference 8.5).
        let style = if url.path().contains("/backend-api") {
            "wham"
        } else {
            "api/codex"
        };
        url.set_path(&format!("{}/{style}/{path}", self.0.chatgpt.path()));
        url
    }

    /// True of a base that only a test or a relay of the person's own can have.
    pub(super) fn chatgpt_is_plain_http(&self) -> bool {
        self.0.chatgpt.scheme() == "http"
    }

    /// The address for a request to `uri` (a path below `/v1`) with a login of this kind.
    pub(super) fn resolve(&self, backend: Backend, uri: &Uri) -> Result<Url, ApiError> {
        let path = uri.path();
        let rest = path
            .strip_prefix("/v1")
            .unwrap_or(path)
            .trim_start_matches('/');
        if rest.split(['/', '\\']).any(is_dot_segment) {
            return Err(not_below_base());
        }
        if backend == Backend::ChatGpt && !has_on_chatgpt(rest) {
            return Err(only_with_api_key(path));
        }
        let (base, prefix) = match backend {
            Backend::ChatGpt => (&self.0.chatgpt, format!("{}/codex/", self.0.chatgpt.path())),
            Backend::OpenAi => (&self.0.openai, format!("{}/", self.0.openai.path())),
        };
        let mut url = base.clone();
        url.set_path(&format!("{prefix}{rest}"));
        url.set_query(uri.query());
        // Dot segments would have been resolved by now: none may lead out of the API.
        if url.path().starts_with(&prefix) {
            Ok(url)
        } else {
            Err(not_below_base())
        }
    }
}

fn base_url(text: &str) -> Result<Url, InvalidBaseUrl> {
    let invalid = || InvalidBaseUrl(text.to_owned());
    let url = Url::parse(text.trim().trim_end_matches('/')).map_err(|_| invalid())?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    // `Url` writes an empty path as "/", which would double the separator.
    if usable && url.path() != "/" {
        Ok(url)
    } else {
        Err(invalid())
    }
}

/// Part of a path that means another one, encoded or not (WHATWG URL, 4.1).
fn is_dot_segment(segment: &str) -> bool {
    matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    )
}

fn has_on_chatgpt(rest: &str) -> bool {
    CHATGPT_PATHS.contains(&rest.split('/').next().unwrap_or_default())
}

fn only_with_api_key(path: &str) -> ApiError {
    let message = format!(
        "`{path}` does not exist for a ChatGPT login: choose a profile with an API key for it, \
         for example with the header `x-codex-profile`"
    );
    ApiError::router(StatusCode::NOT_FOUND, "not_available_for_login", message)
}

fn not_below_base() -> ApiError {
    ApiError::invalid_request("invalid_path", "the path leads out of the API")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(backend: Backend, uri: &str) -> Result<String, ApiError> {
        let targets = Targets::new("http://c.example/backend-api/", "http://o.example/v1").unwrap();
        targets
            .resolve(backend, &uri.parse().unwrap())
            .map(String::from)
    }

    #[test]
    fn each_login_has_its_own_address() {
        let uri = "/v1/responses?x=1";
        assert_eq!(
            resolve(Backend::ChatGpt, uri).unwrap(),
            "http://c.example/backend-api/codex/responses?x=1"
        );
        assert_eq!(
            resolve(Backend::OpenAi, uri).unwrap(),
            "http://o.example/v1/responses?x=1"
        );
    }

    #[test]
    fn questions_about_an_account_go_where_the_base_has_them() {
        let usage = |base| String::from(Targets::new(base, "http://o.example/v1").unwrap().usage());
        assert_eq!(
            usage("http://c.example/backend-api"),
            "http://c.example/backend-api/wham/usage"
        );
        assert_eq!(
            usage("http://c.example/other"),
            "http://c.example/other/api/codex/usage"
        );
    }

    #[test]
    fn what_a_chatgpt_login_has_not_is_said_with_the_remedy() {
        let error = resolve(Backend::ChatGpt, "/v1/embeddings").unwrap_err();
        assert_eq!(error.status, StatusCode::NOT_FOUND);
        assert!(error.message.contains("API key"), "{}", error.message);
        assert!(resolve(Backend::OpenAi, "/v1/embeddings").is_ok());
    }

    #[test]
    fn no_path_leads_out_of_the_api() {
        for path in [
            "/v1/responses/../../accounts",
            "/v1/responses/%2e%2e/%2E%2E/accounts",
            "/v1/images/../responses",
        ] {
            assert!(resolve(Backend::ChatGpt, path).is_err(), "{path}");
        }
        assert!(resolve(Backend::OpenAi, "/v1/../admin").is_err());
    }

    #[test]
    fn a_base_address_must_be_absolute() {
        for bad in ["chatgpt.com", "ftp://x/y", "/backend-api", "http://host"] {
            assert!(
                Targets::new(bad, "https://api.openai.com/v1").is_err(),
                "{bad}"
            );
        }
    }
}
