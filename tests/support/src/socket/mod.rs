//! WebSocket: the upgrade, and one turn after the other over it.
//! *Source:* wire reference, section 7.

mod counted;
mod history;
mod session;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use yawc::{Options, Role, WebSocket};

use self::counted::Counted;
use self::session::Session;
use crate::answers::{answer, set};
use crate::intake::Call;
use crate::shared::Shared;

/// The largest message, inflated.
const LIMIT_BYTES: usize = 64 << 20;

/// What differs between the servers.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// In whose name the model answers.
    pub(crate) owner: String,
    /// Whether the last event repeats the output.
    pub(crate) repeats_output: bool,
    /// What is told of the owner's limits at the beginning of a turn.
    pub(crate) limits: fn(&Shared, &str) -> Option<Value>,
    /// What a `POST` of the same body would be refused for.
    pub(crate) check: fn(&Shared, &Call) -> Result<(), Refused>,
}

/// The status and the body of an answer that is none.
pub(crate) type Refused = (StatusCode, Value);

/// Answers a handshake, and then serves until either side closes.
pub(crate) fn accept(
    shared: &Arc<Shared>,
    request: Request,
    call: &Call,
    endpoint: Endpoint,
) -> Response<Body> {
    let header = |name: http::HeaderName| call.header(name.as_str()).unwrap_or_default();
    let asks = header(UPGRADE).eq_ignore_ascii_case("websocket")
        && header(CONNECTION).eq_ignore_ascii_case("upgrade")
        && header(SEC_WEBSOCKET_VERSION) == "13";
    if !asks {
        let refusal = json!({"detail": "Not a WebSocket handshake"});
        return answer(StatusCode::BAD_REQUEST, &refusal);
    }
    let accept_key = derive_accept_key(header(SEC_WEBSOCKET_KEY).as_bytes());
    let offered = header(SEC_WEBSOCKET_EXTENSIONS).contains("permessage-deflate");
    let compression = shared.settings.websocket_compression.clone();
    let compression = compression.filter(|_| offered);
    let response = switching(&accept_key, compression.as_deref());
    let session = Session::new(shared, call, request.uri().path(), endpoint);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let io = Counted::new(TokioIo::new(upgraded), shared);
        let compression = compression.as_deref();
        let socket =
            WebSocket::from_stream_with_extensions(io, Role::Server, compression, options());
        session
            .run(socket.expect("compression is on, so any may be agreed on"))
            .await;
    });
    response
}

/// Every message is compressed where that was agreed on, however small.
fn options() -> Options {
    Options::default()
        .with_limits(LIMIT_BYTES + 1, 2 * LIMIT_BYTES)
        .with_utf8()
        .with_low_latency_compression()
        .with_compression_threshold(0)
}

fn switching(accept_key: &str, compression: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    set(&mut response, CONNECTION.as_str(), "Upgrade");
    set(&mut response, UPGRADE.as_str(), "websocket");
    set(&mut response, SEC_WEBSOCKET_ACCEPT.as_str(), accept_key);
    if let Some(compression) = compression {
        set(
            &mut response,
            SEC_WEBSOCKET_EXTENSIONS.as_str(),
            compression,
        );
    }
    response
}
