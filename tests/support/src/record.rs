//! What came in: every request, as it was on the wire and as it was understood.

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

/// One request that the fake has received in full.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method; `MESSAGE` for a text message over a WebSocket, `CLOSE` for the end of one, whose
    /// JSON is the code and the reason of the client, or `null` if it sent none.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query without `?`, empty if there was none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it arrived, still compressed.
    pub raw: Bytes,
    /// The decoded body if it is JSON, else `null`.
    pub json: Value,
    /// The account of the bearer token; for an API key its organization.
    pub account: Option<String>,
    /// When it had arrived.
    pub at: Timestamp,
}

impl RecordedRequest {
    /// A header's value, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bearer token.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        bearer(&self.headers)
    }

    /// Whether it asks a model: a `POST` to `…/responses` or `…/completions`, or a message over a
    /// WebSocket that is no prewarm.
    #[must_use]
    pub fn is_model_call(&self) -> bool {
        let model = self.path.ends_with("/responses") || self.path.ends_with("/completions");
        let message = self.method == "MESSAGE" && self.json["generate"] != false;
        model && (self.method == "POST" || message)
    }

    /// The request as JSON, for `GET /fake/requests`.
    pub(crate) fn to_json(&self) -> Value {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
        };
        json!({
            "method": self.method, "path": self.path, "query": self.query,
            "headers": self.headers.iter().map(header).collect::<Vec<_>>(),
            "body_bytes": self.raw.len(), "json": self.json,
            "account": self.account, "at": self.at.to_string(),
        })
    }
}

/// The bearer token of a request. Two are none: whoever sends both has mixed up two callers.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let value = values
        .next()
        .filter(|_| values.next().is_none())?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
