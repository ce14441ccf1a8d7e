//! Whose fault it is, and one sentence a person can act on.
//!
//! Layers return a [`BoxError`]; at the outer edge of a stack [`ApiError::from_boxed`] finds the
//! cause and turns it into a status and JSON of the shape that OpenAI clients expect.

mod answer;
mod layer;
mod mark;

use std::{error::Error, num::NonZeroI64};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;
use serde_json::json;

use codex_auth::CredentialError;

pub use layer::{ErrorLayer, ErrorService};
pub use mark::ErrorMark;

/// The error type of every layer here.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Says on an error answer whose it is: `router`, `upstream` or `client`.
pub const X_CODEX_ROUTER_ERROR: HeaderName = HeaderName::from_static("x-codex-router-error");

/// Who made an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "control", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// This program, or the logins it keeps.
    Router,
    /// The server behind it.
    Upstream,
    /// The request itself.
    Client,
}

impl Origin {
    /// The value of [`X_CODEX_ROUTER_ERROR`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Upstream => "upstream",
            Self::Client => "client",
        }
    }
}

/// An error as the client will see it: OpenAI-shaped, with its origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Who made it.
    pub origin: Origin,
    /// `error.type`, such as `invalid_request_error`.
    pub kind: String,
    /// `error.code`, such as `unsupported_parameter`.
    pub code: Option<String>,
    /// `error.param`: the part of the request concerned.
    pub param: Option<String>,
    /// `error.message`: one sentence a person can act on. Never holds a secret or a prompt.
    pub message: String,
    /// Seconds after which another try makes sense.
    pub retry_after_seconds: Option<u32>,
    /// When the limit that was reached is reset, in seconds since 1970. In the body alone, as the
    /// ChatGPT backend has it (wire reference 6.2): it may be days ahead.
    pub resets_at: Option<NonZeroI64>,
}

impl ApiError {
    /// A request that cannot be served as it is: 400, `invalid_request_error`.
    #[must_use]
    pub fn invalid_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            Origin::Client,
            "invalid_request_error",
            code,
            message,
        )
    }

    /// A fault of this program or of the logins it keeps.
    #[must_use]
    pub fn router(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::new(status, Origin::Router, "codex_router_error", code, message)
    }

    /// A fault of the server behind.
    #[must_use]
    pub fn upstream(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::new(status, Origin::Upstream, "upstream_error", code, message)
    }

    fn new(
        status: StatusCode,
        origin: Origin,
        kind: &str,
        code: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            origin,
            kind: kind.into(),
            code: Some(code.into()),
            param: None,
            message: message.into(),
            retry_after_seconds: None,
            resets_at: None,
        }
    }

    /// Names the parameter concerned.
    #[must_use]
    pub fn with_param(self, param: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..self
        }
    }

    /// Answers with another status than the usual one.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Says when another try makes sense.
    #[must_use]
    pub fn with_retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }

    /// The cause of a layer's error, as the client will see it.
    #[must_use]
    pub fn from_boxed(error: &BoxError) -> Self {
        let error: &(dyn Error + 'static) = error.as_ref();
        if let Some(own) = find::<Self>(error) {
            return own.clone();
        }
        if let Some(credential) = find::<CredentialError>(error) {
            return Self::from(credential);
        }
        if find::<http_body_util::LengthLimitError>(error).is_some() {
            return Self::body_too_large();
        }
        if find::<tower::timeout::error::Elapsed>(error).is_some() {
            return Self::upstream_timeout();
        }
        Self::unreachable_upstream(error)
    }

    /// The body of the request is over the limit: 413.
    #[must_use]
    pub fn body_too_large() -> Self {
        Self::invalid_request(
            "request_too_large",
            "the request body is larger than the router accepts",
        )
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// A body of a request that ends early, or whose chunks are none, or that comes too slowly: the
    /// client's fault.
    pub(crate) fn broken_off(error: &(dyn Error + 'static)) -> Self {
        if find::<tower_http::timeout::TimeoutError>(error).is_some() {
            let message = "the request body did not go on: send all of it at once";
            return Self::invalid_request("request_timeout", message)
                .with_status(StatusCode::REQUEST_TIMEOUT);
        }
        let message = "the request body is not complete, or not framed as its headers say";
        Self::invalid_request("invalid_body", message)
    }

    pub(crate) fn upstream_timeout() -> Self {
        let message = "the upstream did not answer in time; try again";
        Self::upstream(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", message)
    }

    fn unreachable_upstream(error: &(dyn Error + 'static)) -> Self {
        match find::<reqwest::Error>(error) {
            Some(cause) if cause.is_timeout() => Self::upstream_timeout(),
            Some(cause) if cause.is_connect() => Self::upstream(
                StatusCode::BAD_GATEWAY,
                "upstream_unreachable",
                "the upstream could not be reached: check the network and proxy settings",
            ),
            Some(cause) if cause.is_body() || cause.is_decode() => Self::upstream(
                StatusCode::BAD_GATEWAY,
                "upstream_connection_lost",
                "the connection to the upstream broke; try again",
            ),
            _ => Self::upstream(
                StatusCode::BAD_GATEWAY,
                "upstream_failed",
                "the request to the upstream failed; try again",
            ),
        }
    }

    /// The OpenAI-shaped JSON of this error.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut error = json!({
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        });
        if let Some(resets_at) = self.resets_at {
            error["resets_at"] = resets_at.get().into();
        }
        json!({"error": error})
    }

    /// The whole answer. Generic over the body, so that any HTTP stack can use it.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(Bytes::from(self.to_json().to_string())));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(ErrorMark::from(&self));
        self.write_headers(response.headers_mut());
        response
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            X_CODEX_ROUTER_ERROR,
            HeaderValue::from_static(self.origin.as_str()),
        );
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
    }
}

impl From<&CredentialError> for ApiError {
    fn from(error: &CredentialError) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match error {
            CredentialError::NotLoggedIn { .. } => {
                let help = "sign in with `codex-router login`, or choose a profile with `codex-router use`";
                Self::router(unavailable, "not_logged_in", format!("{error}: {help}"))
            }
            CredentialError::UnknownProfile(_) => Self::router(
                StatusCode::NOT_FOUND,
                "profile_unavailable",
                format!("{error}: `codex-router list` shows those there are"),
            ),
            // Never a 401: it would make Codex spend its own refresh token (wire reference 6.4).
            CredentialError::LoginRequired { profile, .. } => {
                // The live login is no profile that could be named.
                let name = Some(profile.as_str()).filter(|name| *name != "live");
                let name = name.map_or(String::new(), |name| format!(" {name}"));
                let message = format!("{error}: `codex-router login{name}`");
                Self::router(unavailable, "profile_needs_login", message)
            }
            CredentialError::Unavailable { .. } => Self::router(
                unavailable,
                "refresh_unavailable",
                format!("{error}; try again"),
            )
            .with_retry_after(5),
            CredentialError::LoginChanged { .. } => Self::router(
                unavailable,
                "profile_login_changed",
                format!("{error}; try again"),
            )
            .with_retry_after(1),
            CredentialError::UnsupportedMode { .. } => Self::router(
                unavailable,
                "unsupported_login",
                format!("{error}: choose another profile with `codex-router use`"),
            ),
            _ => Self::router(unavailable, "profile_unavailable", error.to_string()),
        }
    }
}

/// The first cause of type `T` in the chain of sources.
#[must_use]
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use codex_auth::{LoginReason, ProfileRef};

    use super::*;

    fn work() -> ProfileRef {
        ProfileRef::new("work")
    }

    #[test]
    fn a_login_that_ended_is_never_a_401() {
        let reason = LoginReason::Reused;
        let cause: BoxError = CredentialError::LoginRequired {
            profile: work(),
            reason,
        }
        .into();
        let error = ApiError::from_boxed(&cause);
        assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(error.code.as_deref(), Some("profile_needs_login"));
        assert_eq!(error.origin, Origin::Router);
    }

    #[test]
    fn a_login_that_changed_on_the_way_is_asked_for_again() {
        let cause = CredentialError::LoginChanged { profile: work() };
        let error = ApiError::from(&cause);
        assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(error.code.as_deref(), Some("profile_login_changed"));
        assert_eq!(error.retry_after_seconds, Some(1));
        assert!(error.message.ends_with("try again"), "{}", error.message);
    }

    #[test]
    fn a_cause_is_found_behind_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] CredentialError);

        let outer = Outer(CredentialError::UnknownProfile(work()));
        assert!(find::<CredentialError>(&outer).is_some());
    }

    #[test]
    fn the_json_has_the_four_fields_that_clients_read() {
        let error =
            ApiError::invalid_request("unsupported_parameter", "n must be 1").with_param("n");
        assert_eq!(
            error.to_json(),
            json!({"error": {"message": "n must be 1", "type": "invalid_request_error",
                             "param": "n", "code": "unsupported_parameter"}})
        );
    }

    #[test]
    fn the_answer_says_whose_fault_it_is_and_when_to_try_again() {
        let error = ApiError::upstream(StatusCode::BAD_GATEWAY, "x", "y").with_retry_after(3);
        let response = error.into_response::<Bytes>();
        assert_eq!(response.headers()[X_CODEX_ROUTER_ERROR], "upstream");
        assert_eq!(response.headers()[RETRY_AFTER], "3");
    }
}
