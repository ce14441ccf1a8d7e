//! From a message of the client to a request.

use bytes::Bytes;
use codex_auth::RouteHint;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE},
};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::{
    ApiError,
    gate::{KeyHolder, Pass},
    json::{JsonStr, Object},
    requests::OverWebSocket,
    responses::memory::ConnectionMemory,
    route::{RouteReason, X_CODEX_PROFILE},
    spans::Link,
};

const OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");
/// The beginning of what that header says of WebSocket.
const OF_WEBSOCKET: &[u8] = b"responses_websockets";

/// What the requests of all turns of a connection have in common: what the handshake said.
pub(in crate::ws) struct TurnHead {
    uri: Uri,
    headers: HeaderMap,
    memory: ConnectionMemory,
    /// The span of the connection.
    link: Link,
    /// Whose key it is: each turn is bound as the handshake was.
    holder: Option<KeyHolder>,
    /// By whose leave the client goes on, if it needs any.
    pass: Option<Pass>,
}

impl TurnHead {
    pub(in crate::ws) fn of(handshake: Request<()>, memory: ConnectionMemory) -> Self {
        let (mut parts, ()) = handshake.into_parts();
        let reason = parts.extensions.get::<RouteReason>();
        // What was named is gone from the headers; each turn is to name it again.
        if matches!(reason, Some(RouteReason::Header | RouteReason::Key)) {
            let hint = parts.extensions.get::<RouteHint>();
            let profile = hint.and_then(|hint| hint.profile.as_ref());
            let name = profile.map(|it| HeaderValue::from_bytes(it.as_str().as_bytes()));
            if let Some(Ok(name)) = name {
                parts.headers.insert(X_CODEX_PROFILE, name);
            }
        }
        // Events are read here, so they must come as they are.
        for name in [CONNECTION, UPGRADE, CONTENT_LENGTH, ACCEPT_ENCODING] {
            parts.headers.remove(name);
        }
        let beta = parts.headers.get(OPENAI_BETA);
        if beta.is_some_and(|beta| beta.as_bytes().starts_with(OF_WEBSOCKET)) {
            parts.headers.remove(OPENAI_BETA);
        }
        let json = HeaderValue::from_static("application/json");
        parts.headers.insert(CONTENT_TYPE, json);
        let events = HeaderValue::from_static("text/event-stream");
        parts.headers.insert(ACCEPT, events);
        Self {
            uri: parts.uri,
            headers: parts.headers,
            memory,
            link: Link::of(&parts.extensions),
            holder: parts.extensions.remove(),
            pass: parts.extensions.remove(),
        }
    }

    /// Whether the client may still go on.
    ///
    /// # Errors
    /// The refusal of the next turn.
    pub(super) async fn admitted(&self) -> Result<(), ApiError> {
        match &self.pass {
            Some(pass) => pass.renew().await,
            None => Ok(()),
        }
    }

    /// The request that a message asks for.
    ///
    /// # Errors
    /// 400 for anything but `response.create`.
    pub(in crate::ws) fn request<B: From<Bytes>>(
        &self,
        message: &str,
    ) -> Result<Request<B>, ApiError> {
        let body = body_of(message)?;
        let mut request = Request::new(B::from(body));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_11;
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        request.extensions_mut().insert(self.memory.clone());
        request.extensions_mut().insert(OverWebSocket);
        self.link.lead(request.extensions_mut());
        if let Some(holder) = &self.holder {
            request.extensions_mut().insert(holder.clone());
        }
        Ok(request)
    }
}

fn body_of(message: &str) -> Result<Bytes, ApiError> {
    let message: Object = serde_json::from_str(message).map_err(|_| {
        ApiError::invalid_request("invalid_json", "the message is not a JSON object")
    })?;
    let kind = message.field("type").and_then(JsonStr::new);
    if !kind.is_some_and(|kind| kind.is("response.create")) {
        let text = "only messages of the type `response.create` can be served here";
        return Err(ApiError::invalid_request("unsupported_message", text).with_param("type"));
    }
    if message.field("stream_id").is_some() {
        let text = "a connection has one stream here: leave `stream_id` out, and open a connection \
                    for each conversation";
        let error = ApiError::invalid_request("unsupported_parameter", text);
        return Err(error.with_param("stream_id"));
    }
    let body = serde_json::to_vec(&Streaming(&message)).expect("raw values are JSON already");
    Ok(body.into())
}

/// The same fields, but for what differs over HTTP.
struct Streaming<'m, 'a>(&'m Object<'a>);

impl Serialize for Streaming<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            if !matches!(name, "type" | "stream") {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("stream", &true)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use codex_auth::ProfileRef;

    use super::*;

    fn request(message: &str) -> Result<Request<Bytes>, ApiError> {
        let handshake = Request::get("/v1/responses?x=1")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("accept-encoding", "gzip")
            .header("user-agent", "OpenAI/Python 3")
            .header("openai-beta", "responses_websockets=2026-02-06")
            .extension(RouteHint::profile(ProfileRef::new("work")))
            .extension(RouteReason::Header);
        TurnHead::of(handshake.body(()).unwrap(), ConnectionMemory::new()).request(message)
    }

    #[test]
    fn a_message_becomes_the_post_that_asks_the_same() {
        let message = r#"{"type":"response.create","model":"m","input":"Hi","stream":false}"#;
        let request = request(message).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "/v1/responses?x=1");
        assert_eq!(
            request.body(),
            r#"{"model":"m","input":"Hi","stream":true}"#
        );
        assert!(request.extensions().get::<ConnectionMemory>().is_some());
        let mut headers: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            ["accept", "content-type", "user-agent", "x-codex-profile"]
        );
        assert_eq!(request.headers()[X_CODEX_PROFILE], "work");
    }

    #[test]
    fn what_is_no_request_is_refused_by_name() {
        for (message, code, param) in [
            ("[]", "invalid_json", None),
            ("{", "invalid_json", None),
            ("{}", "unsupported_message", Some("type")),
            (
                r#"{"type":"response.steer"}"#,
                "unsupported_message",
                Some("type"),
            ),
            (
                r#"{"type":"response.create","stream_id":"a"}"#,
                "unsupported_parameter",
                Some("stream_id"),
            ),
        ] {
            let error = request(message).unwrap_err();
            assert_eq!(error.code.as_deref(), Some(code), "{message}");
            assert_eq!(error.param.as_deref(), param, "{message}");
        }
    }
}
