use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ApiError;

/// An error answer of the upstream in the shape that OpenAI clients read.
#[derive(Debug)]
pub(super) struct Normalised {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Normalised {
    /// Keeps status and body where the body has the shape already; else makes one that says the
    /// same. *Source:* wire reference 5.5, 6.2 and 6.4.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        if status == StatusCode::UNAUTHORIZED {
            return Self::from(refused_login());
        }
        match Shape::parse(&body) {
            Some(Shape {
                error: Some(error), ..
            }) if error.get().starts_with('{') => Self { status, body },
            Some(
                Shape {
                    error: Some(text), ..
                }
                | Shape {
                    detail: Some(text),
                    error: None,
                },
            ) => Self::from(from_text(status, &text_of(text))),
            _ => Self::from(from_page(status, headers, &body)),
        }
    }
}

impl From<ApiError> for Normalised {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            body: error.to_json().to_string().into(),
        }
    }
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

/// A 401 would make Codex spend its own refresh token, which has nothing to do with this login.
fn refused_login() -> ApiError {
    let message = "the upstream refused the profile's login: sign in to that account again";
    ApiError::upstream(
        StatusCode::SERVICE_UNAVAILABLE,
        "profile_needs_login",
        message,
    )
}

impl<'a> Shape<'a> {
    /// An object: a list would be taken for its fields in their order.
    fn parse(body: &'a [u8]) -> Option<Self> {
        let is_object = body.trim_ascii_start().starts_with(b"{");
        (is_object).then(|| serde_json::from_slice(body).ok())?
    }
}

fn text_of(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

fn from_text(status: StatusCode, text: &str) -> ApiError {
    match text.strip_prefix("Unsupported parameter: ") {
        Some(param) => ApiError::upstream(status, "unsupported_parameter", text).with_param(param),
        None => ApiError::upstream(status, "upstream_error", text),
    }
}

fn from_page(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    if status == StatusCode::FORBIDDEN && is_cloudflare(headers, body) {
        let message = "Cloudflare blocked the request before it reached OpenAI: this is not a \
                       logout; try again later or from another network";
        return ApiError::upstream(status, "upstream_blocked", message);
    }
    let message = format!("the upstream answered with status {}", status.as_u16());
    ApiError::upstream(status, "upstream_error", message)
}

fn is_cloudflare(headers: &HeaderMap, body: &[u8]) -> bool {
    headers.contains_key("cf-ray") || memchr::memmem::find(body, b"Cloudflare").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn normalised(status: u16, body: &str) -> (u16, Value) {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Normalised::of(
            status,
            &HeaderMap::new(),
            Bytes::copy_from_slice(body.as_bytes()),
        );
        (
            answer.status.as_u16(),
            serde_json::from_slice(&answer.body).unwrap(),
        )
    }

    #[test]
    fn an_answer_of_the_right_shape_is_kept_to_the_byte() {
        let body = r#"{"error":{"type":"usage_limit_reached","resets_at":1795412731,  "x":1.10}}"#;
        let answer = Normalised::of(
            StatusCode::TOO_MANY_REQUESTS,
            &HeaderMap::new(),
            body.into(),
        );
        assert_eq!(answer.body, body);
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    }

    #[test]
    fn detail_becomes_a_message_and_names_the_parameter() {
        let (status, body) = normalised(400, r#"{"detail":"Unsupported parameter: top_p"}"#);
        assert_eq!(status, 400);
        assert_eq!(body["error"]["message"], "Unsupported parameter: top_p");
        assert_eq!(body["error"]["param"], "top_p");
        assert_eq!(body["error"]["code"], "unsupported_parameter");
        let (_, body) = normalised(400, r#"{"detail":[{"loc":["body"]}]}"#);
        assert_eq!(body["error"]["message"], r#"[{"loc":["body"]}]"#);
    }

    #[test]
    fn a_401_is_never_passed_on() {
        let (status, body) = normalised(401, r#"{"error":{"message":"no"}}"#);
        assert_eq!(status, 503);
        assert_eq!(body["error"]["code"], "profile_needs_login");
    }

    #[test]
    fn a_block_page_of_cloudflare_is_not_taken_for_a_logout() {
        let (status, body) = normalised(403, "<html>Cloudflare: you have been blocked</html>");
        assert_eq!(status, 403);
        assert_eq!(body["error"]["code"], "upstream_blocked");
    }

    #[test]
    fn any_other_page_gives_its_status_alone() {
        for page in ["<html>secret words</html>", r#"["a", "list"]"#, ""] {
            let (status, body) = normalised(502, page);
            assert_eq!(status, 502);
            assert_eq!(
                body["error"]["message"],
                json!("the upstream answered with status 502")
            );
        }
    }
}
