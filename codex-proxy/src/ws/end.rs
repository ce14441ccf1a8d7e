use http::StatusCode;
use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Error, Message,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::socket::SocketError;
use crate::{ApiError, error::X_CODEX_ROUTER_ERROR};

/// Why messages are no longer passed on.
#[derive(Debug)]
pub(super) enum End {
    ClientClosed(Option<CloseFrame>),
    ClientGone,
    /// The client broke the protocol, or the limit of a message.
    ClientFault(ApiError, CloseCode),
    UpstreamClosed(Option<CloseFrame>),
    UpstreamLost,
    /// The upstream broke the protocol, or the limit of a message.
    UpstreamFault(CloseCode),
    /// It said nothing for too long within a turn.
    UpstreamSilent,
    /// Another profile would serve the next turn.
    Moved,
    /// The account cannot read what another one encrypted, which can be left behind.
    Unreadable,
    /// The client's key counts no longer, or it needs one now.
    Barred(ApiError),
    /// This message alone cannot be served.
    Refused(ApiError),
    /// It has lasted as long as a connection may.
    Expired,
    /// The router was told to stop.
    Stopping,
}

/// What each side is told at the end.
#[derive(Debug)]
pub(super) struct Goodbye {
    pub(super) told: Option<ApiError>,
    pub(super) to_client: Option<CloseFrame>,
    pub(super) to_upstream: Option<CloseFrame>,
}

impl End {
    /// For the log: what either side wrote to the other, as in the reason of a close, is theirs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ClientClosed(_) => "the client closed",
            Self::ClientGone => "the client is gone",
            Self::ClientFault(..) => "the client broke the protocol",
            Self::UpstreamClosed(_) => "the upstream closed",
            Self::UpstreamLost => "the upstream is lost",
            Self::UpstreamFault(_) => "the upstream broke the protocol",
            Self::UpstreamSilent => "the upstream is silent",
            Self::Moved => "another profile serves",
            Self::Unreadable => "another account's reasoning",
            Self::Barred(_) => "the client may not go on",
            Self::Refused(_) => "a message was refused",
            Self::Expired => "it has lasted long enough",
            Self::Stopping => "the router stops",
        }
    }

    pub(super) fn of_client(error: &SocketError) -> Self {
        let Some(code) = fault(error) else {
            return Self::ClientGone;
        };
        let error = match code {
            CloseCode::Size => ApiError::body_too_large(),
            CloseCode::Invalid => broken("is not UTF-8, or not what it was compressed from"),
            _ => broken("breaks the WebSocket protocol"),
        };
        Self::ClientFault(error, code)
    }

    pub(super) fn of_upstream(error: &SocketError) -> Self {
        fault(error).map_or(Self::UpstreamLost, Self::UpstreamFault)
    }

    /// `in_turn`: the client still waits for an answer, so silence is none.
    pub(super) fn goodbye(self, in_turn: bool) -> Goodbye {
        match self {
            Self::ClientClosed(frame) => Goodbye::passing_on(None, frame),
            Self::ClientGone => Goodbye::passing_on(None, frame(CloseCode::Away, "")),
            Self::ClientFault(error, code) => Goodbye::telling(error, frame(code, "")),
            Self::UpstreamClosed(frame) => {
                Goodbye::passing_on(in_turn.then(connection_lost), frame)
            }
            Self::UpstreamLost if in_turn => Goodbye::telling(
                connection_lost(),
                frame(CloseCode::Error, "the connection to the upstream broke"),
            ),
            Self::UpstreamLost => Goodbye::passing_on(
                None,
                frame(CloseCode::Away, "the connection to the upstream ended"),
            ),
            Self::UpstreamFault(code) => Goodbye {
                told: in_turn.then(connection_lost),
                to_client: Some(frame(CloseCode::Error, "the upstream broke the protocol")),
                to_upstream: Some(frame(code, "")),
            },
            Self::UpstreamSilent => Goodbye::telling(
                ApiError::upstream_timeout(),
                frame(CloseCode::Error, "the upstream fell silent"),
            ),
            Self::Moved => Goodbye::telling(
                send_all("another profile serves now"),
                frame(CloseCode::Restart, "another profile serves now"),
            ),
            Self::Unreadable => Goodbye::telling(
                send_all("this account cannot read another one's reasoning"),
                frame(
                    CloseCode::Restart,
                    "what cannot be read is left out next time",
                ),
            ),
            Self::Barred(error) => Goodbye::telling(error, frame(CloseCode::Policy, "")),
            Self::Refused(error) => Goodbye::telling(error, frame(CloseCode::Error, "")),
            Self::Expired => Goodbye::telling(
                expired(),
                frame(CloseCode::Away, "connect anew after 60 minutes"),
            ),
            Self::Stopping => {
                Goodbye::passing_on(None, frame(CloseCode::Away, "the router was told to stop"))
            }
        }
    }
}

impl Goodbye {
    fn passing_on(told: Option<ApiError>, frame: impl Into<Option<CloseFrame>>) -> Self {
        let frame = frame.into();
        Self {
            told,
            to_client: frame.clone(),
            to_upstream: frame,
        }
    }

    fn telling(error: ApiError, to_client: CloseFrame) -> Self {
        Self {
            told: Some(error),
            to_client: Some(to_client),
            to_upstream: Some(frame(CloseCode::Normal, "")),
        }
    }
}

/// How a connection is closed on which this was said; nothing if it is gone.
fn fault(error: &SocketError) -> Option<CloseCode> {
    match error {
        SocketError::Library(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
            Some(CloseCode::Size)
        }
        SocketError::Library(Error::Utf8(_)) | SocketError::NotDeflate => Some(CloseCode::Invalid),
        SocketError::Library(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => None,
        SocketError::Library(Error::Protocol(_) | Error::Capacity(_)) => Some(CloseCode::Protocol),
        SocketError::Library(_) => None,
    }
}

/// An error as a message. *Source:* wire reference 7.3.
pub(super) fn message_of(error: &ApiError) -> Message {
    let mut event = error.to_json();
    event["type"] = json!("error");
    event["status"] = json!(error.status.as_u16());
    event["headers"] = json!({X_CODEX_ROUTER_ERROR.as_str(): error.origin.as_str()});
    Message::text(event.to_string())
}

/// The one error after which Codex connects anew and sends its whole conversation.
fn send_all(why: &str) -> ApiError {
    let message = format!("{why}: connect anew and send the whole conversation");
    ApiError::router(
        StatusCode::BAD_REQUEST,
        "previous_response_not_found",
        message,
    )
    .with_param("previous_response_id")
}

/// As OpenAI's own says. *Source:* wire reference 7.3.
fn expired() -> ApiError {
    ApiError::invalid_request(
        "websocket_connection_limit_reached",
        "this connection has lasted its 60 minutes: connect anew to go on",
    )
}

pub(super) fn connection_lost() -> ApiError {
    let message = "the connection to the upstream broke; try again";
    ApiError::upstream(StatusCode::BAD_GATEWAY, "upstream_connection_lost", message)
}

pub(super) fn broken(how: &str) -> ApiError {
    ApiError::invalid_request("invalid_message", format!("a message {how}"))
}

fn frame(code: CloseCode, reason: &'static str) -> CloseFrame {
    let reason = reason.into();
    CloseFrame { code, reason }
}
