//! Headers and bodies of messages that are written anew.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
};
use http_body::Body;
use http_body_util::BodyExt;

use super::X_CODEX_ROUTER_DROPPED;
use crate::error::{ApiError, BoxError};

/// Makes the headers of a request fit a body that was written anew.
pub(crate) fn request_headers(headers: &mut HeaderMap) {
    for name in [
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        TRANSFER_ENCODING,
        ACCEPT_ENCODING,
    ] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        http::header::ACCEPT,
        HeaderValue::from_static("text/event-stream"),
    );
}

/// Makes the headers of an answer fit a body that was written anew.
pub(crate) fn answer_headers(headers: &mut HeaderMap, stream: bool, dropped: &[String]) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let kind = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if stream {
        headers.insert(
            http::header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        );
    }
    if let Some(names) = header_list(dropped) {
        headers.insert(X_CODEX_ROUTER_DROPPED, names);
    }
}

/// Names as a header value. A client may make up any name: those no header can carry are left out,
/// and the list ends before it grows past what servers accept.
fn header_list(names: &[String]) -> Option<HeaderValue> {
    let mut list = String::new();
    for name in names.iter().filter(|name| is_token(name)) {
        if list.len() + name.len() > 1024 {
            break;
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(name);
    }
    HeaderValue::from_str(&list)
        .ok()
        .filter(|value| !value.is_empty())
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && (name.bytes()).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Refuses a body that must be read and is still compressed.
///
/// # Errors
/// 415, which a client answers by sending the body plain.
pub(crate) fn require_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(ApiError::invalid_request(
            "unsupported_content_encoding",
            "the request body is compressed in a way that is not understood here: send it plain",
        )
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        _ => Ok(()),
    }
}

/// Refuses an answer that must be read and is compressed, although none was asked for.
///
/// # Errors
/// 502.
pub(crate) fn require_plain_answer(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(ApiError::upstream(
            StatusCode::BAD_GATEWAY,
            "upstream_encoding",
            "the upstream's answer is compressed, although it was asked for a plain one",
        )),
        _ => Ok(()),
    }
}

/// The body of a request, up to a limit.
///
/// # Errors
/// [`http_body_util::LengthLimitError`] beyond it, else the body's own.
pub(crate) async fn read_body<B>(body: B, limit_bytes: usize) -> Result<Bytes, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let limited = http_body_util::Limited::new(body, limit_bytes);
    Ok(limited.collect().await?.to_bytes())
}
