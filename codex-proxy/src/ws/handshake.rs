use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
        SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::extension::{Compression, OFFER};
use crate::{ApiError, BoxError};

const OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");
/// What Codex says there. *Source:* wire reference 7.1.
const RESPONSES_WEBSOCKETS: HeaderValue =
    HeaderValue::from_static("responses_websockets=2026-02-06");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const VERSION: HeaderValue = HeaderValue::from_static("13");
/// 16 bytes in base64 (RFC 6455, section 4.1).
const KEY_LENGTH: usize = 24;

/// Whether a request asks to go on over WebSocket.
#[must_use]
pub fn is_handshake<B>(request: &Request<B>) -> bool {
    has_token(request.headers(), &UPGRADE, "websocket")
}

/// In a request's extensions: the upstream is to be asked for a WebSocket.
///
/// Whoever sends the request puts the headers of [`Handshake::apply`] into it, over HTTP/1.1, and
/// leaves hyper's [`OnUpgrade`] in the answer's extensions, as hyper and reqwest do.
#[derive(Debug, Clone)]
pub struct Handshake {
    key: HeaderValue,
    accept: String,
}

impl Handshake {
    /// With a key of its own, since that of the client is between the client and the router.
    pub(super) fn new() -> Self {
        let key = generate_key();
        let accept = derive_accept_key(key.as_bytes());
        let key = HeaderValue::from_str(&key).expect("base64 is visible ASCII");
        Self { key, accept }
    }

    /// Makes the headers of a request those of an opening handshake (RFC 6455, section 4.1).
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
        headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, OFFER);
        headers.entry(OPENAI_BETA).or_insert(RESPONSES_WEBSOCKETS);
    }

    /// How messages are compressed, if the upstream has switched to WebSocket and to nothing that
    /// was not offered.
    pub(super) fn accepted_by(&self, answer: &HeaderMap) -> Result<Option<Compression>, ApiError> {
        let accept = answer.get(SEC_WEBSOCKET_ACCEPT);
        let accepts = accept.is_some_and(|it| it.as_bytes() == self.accept.as_bytes())
            && !answer.contains_key(SEC_WEBSOCKET_PROTOCOL);
        let compression = Compression::answered(answer).ok().filter(|_| accepts);
        compression.ok_or_else(|| {
            let message = "the upstream switched to something that was not asked for";
            ApiError::upstream(StatusCode::BAD_GATEWAY, "invalid_upgrade", message)
        })
    }
}

/// The client's side: what it asked for, and what becomes its connection.
#[derive(Debug)]
pub(super) struct Offer {
    accept: HeaderValue,
    compression: Option<(Compression, HeaderValue)>,
    pub(super) connection: OnUpgrade,
}

impl Offer {
    /// Takes the handshake out of a request, so that nothing of it reaches the upstream.
    ///
    /// # Errors
    /// What is wrong with it (RFC 6455, section 4.2.1).
    pub(super) fn take<B>(request: &mut Request<B>) -> Result<Self, ApiError> {
        let accept = accept_key(request)?;
        let compression = Compression::accept(request.headers());
        let connection = request.extensions_mut().remove::<OnUpgrade>();
        let names: Vec<HeaderName> = request
            .headers()
            .keys()
            .filter(|name| name.as_str().starts_with("sec-websocket-"))
            .cloned()
            .collect();
        for name in names {
            request.headers_mut().remove(name);
        }
        let connection = connection.ok_or_else(|| refused("this connection cannot be upgraded"))?;
        Ok(Self {
            accept,
            compression,
            connection,
        })
    }

    /// What is answered, how messages are compressed, and what becomes the connection.
    pub(super) fn into_parts(self) -> (Acceptance, Option<Compression>, OnUpgrade) {
        let (compression, extensions) = self.compression.unzip();
        let accept = self.accept;
        (
            Acceptance { accept, extensions },
            compression,
            self.connection,
        )
    }
}

/// What a client is answered when it may switch.
#[derive(Debug)]
pub(super) struct Acceptance {
    accept: HeaderValue,
    extensions: Option<HeaderValue>,
}

impl Acceptance {
    /// The answer after which the client speaks WebSocket, with what the upstream had to say.
    pub(super) fn answer<R: Default>(self, upstream: HeaderMap) -> Response<R> {
        let mut response = Response::new(R::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = upstream;
        let headers = response.headers_mut();
        for name in [SEC_WEBSOCKET_EXTENSIONS, CONTENT_LENGTH, CONTENT_TYPE] {
            headers.remove(name);
        }
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(extensions) = self.extensions {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, extensions);
        }
        response
    }
}

fn accept_key<B>(request: &Request<B>) -> Result<HeaderValue, ApiError> {
    let headers = request.headers();
    if !is_handshake(request) || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(refused("this is called over WebSocket"));
    }
    if request.version() != Version::HTTP_11 {
        return Err(refused("WebSocket is spoken over HTTP/1.1 here"));
    }
    // What follows the head would be a body to some, and frames to others.
    if headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
    {
        let message = "the opening handshake of a WebSocket has no body";
        return Err(ApiError::invalid_request("invalid_framing", message));
    }
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(refused("WebSocket is spoken in version 13 here"));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|key| key.len() == KEY_LENGTH);
    let (Some(key), None) = (key, keys.next()) else {
        let message = "the header `Sec-WebSocket-Key` is not one key of 16 bytes";
        return Err(
            ApiError::invalid_request("invalid_header", message).with_param("sec-websocket-key")
        );
    };
    let accept = derive_accept_key(key.as_bytes());
    Ok(HeaderValue::from_str(&accept).expect("base64 is visible ASCII"))
}

/// The one refusal after which Codex uses HTTP at once (wire reference 7.4).
fn refused(why: &str) -> ApiError {
    let message = format!("{why}: use HTTP, as Codex does by itself");
    ApiError::invalid_request("upgrade_refused", message).with_status(StatusCode::UPGRADE_REQUIRED)
}

/// What an answer other than 101 means for the client: most are passed on as those to a POST.
pub(super) fn unless_without_websocket<R>(response: Response<R>) -> Result<Response<R>, BoxError> {
    let status = response.status();
    let lacks_websocket = status.is_success()
        || matches!(
            status,
            StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::UPGRADE_REQUIRED
                | StatusCode::NOT_IMPLEMENTED
        );
    if !lacks_websocket {
        return Ok(response);
    }
    let message = format!(
        "the upstream has no WebSocket for this login (it answered {}): use HTTP, as Codex does \
         by itself",
        status.as_u16()
    );
    Err(ApiError::upstream(StatusCode::UPGRADE_REQUIRED, "upgrade_refused", message).into())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}
