//! Answers that are not streams.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// An answer in JSON.
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE.as_str(), "application/json");
    response
}

/// A page.
pub(crate) fn html_answer(status: StatusCode, page: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(page.to_owned()));
    *response.status_mut() = status;
    set(
        &mut response,
        CONTENT_TYPE.as_str(),
        "text/html; charset=UTF-8",
    );
    response
}

/// Sets a header; what is not a header is left out.
pub(crate) fn set(response: &mut Response<Body>, name: &str, value: &str) {
    let parts = (
        name.parse::<http::HeaderName>(),
        value.parse::<http::HeaderValue>(),
    );
    if let (Ok(name), Ok(value)) = parts {
        response.headers_mut().insert(name, value);
    }
}

/// The body of the 401 for an expired access token. *Source:* capture `errors-http`, last row.
pub(crate) fn token_expired() -> Value {
    json!({"error": {
        "message": "Provided authentication token is expired. Please try signing in again.",
        "type": null, "code": "token_expired", "param": null,
    }, "status": 401})
}
