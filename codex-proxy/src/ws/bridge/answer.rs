//! From the answer of a turn to messages.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::SinkExt as _;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Limited};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    ApiError, BoxError,
    sse::Decoder,
    ws::{
        end::{End, connection_lost, message_of},
        relay::{IDLE_LIMIT, Outlet},
        turn::Step,
    },
};

/// An error longer than this is told by its status alone.
const LONGEST_ERROR_BYTES: usize = 1 << 20;
/// What may pass between the last event and the end of the stream.
const AFTER_LAST: Duration = Duration::from_secs(1);

/// Tells the client of one error; the connection goes on.
///
/// # Errors
/// The client is gone.
pub(super) async fn tell(to: &mut (impl Outlet + Unpin), error: &ApiError) -> Result<(), End> {
    let told = to.send(message_of(error)).await;
    told.map_err(|_| End::ClientGone)
}

/// Passes the answer of a turn on, as it comes.
///
/// # Errors
/// The client is gone. What else goes wrong is told to it.
pub(super) async fn pass_on<R>(
    response: Response<R>,
    to: &mut (impl Outlet + Unpin),
) -> Result<(), End>
where
    R: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (head, body) = response.into_parts();
    if head.status.is_success() {
        return match events(body, to).await? {
            Ok(()) => Ok(()),
            Err(error) => tell(to, &error).await,
        };
    }
    let body = Limited::new(body, LONGEST_ERROR_BYTES).collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let message = refusal(head.status, &head.headers, &body);
    to.send(message).await.map_err(|_| End::ClientGone)
}

/// Each event's data as one message, up to the last; or why there was no last one.
async fn events<R>(body: R, to: &mut (impl Outlet + Unpin)) -> Result<Result<(), ApiError>, End>
where
    R: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let mut decoder = Decoder::default();
    let mut ended = false;
    loop {
        let patience = if ended { AFTER_LAST } else { IDLE_LIMIT };
        let piece = match timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            _ if ended => return Ok(Ok(())),
            Ok(Some(Err(error))) => return Ok(Err(ApiError::from_boxed(&error.into()))),
            Ok(None) => return Ok(Err(connection_lost())),
            Err(_) => return Ok(Err(ApiError::upstream_timeout())),
        };
        let mut messages = Vec::new();
        if decoder
            .push(&piece, |data| messages.extend(message(data)))
            .is_err()
        {
            return Ok(Err(connection_lost()));
        }
        for message in messages {
            ended |= message.to_text().is_ok_and(|it| Step::of(it) != Step::Goes);
            to.feed(message).await.map_err(|_| End::ClientGone)?;
        }
        to.flush().await.map_err(|_| End::ClientGone)?;
    }
}

/// `[DONE]` is no event, but the mark of an end that needs none here.
fn message(data: &[u8]) -> Option<Message> {
    (data != b"[DONE]").then(|| Message::text(String::from_utf8_lossy(data).into_owned()))
}

/// *Source:* wire reference 7.3.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Message {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = match body["error"].take() {
        error @ Value::Object(_) => error,
        _ => json!({
            "message": "the upstream refused the request and did not say why",
            "type": "upstream_error", "param": null, "code": null,
        }),
    };
    let event = json!({
        "type": "error", "status": status.as_u16(), "error": error, "headers": useful(headers),
    });
    Message::text(event.to_string())
}

/// When to try again, how much is left, and whom to ask about it.
fn useful(headers: &HeaderMap) -> Map<String, Value> {
    let useful = |name: &str| {
        matches!(name, "retry-after" | "x-request-id")
            || name.starts_with("x-codex-") && name != "x-codex-turn-state"
    };
    headers
        .iter()
        .filter(|(name, _)| useful(name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), json!(value.to_str().ok()?))))
        .collect()
}
