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
        turn::{Step, kind_of},
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

/// An event's data; `[DONE]` is no event, but the mark of an end that needs none here.
fn message(data: &[u8]) -> Option<Message> {
    if data == b"[DONE]" {
        return None;
    }
    let text = String::from_utf8_lossy(data);
    let reshaped = (kind_of(&text).as_deref() == Some("error")).then(|| nested(&text));
    Some(Message::text(
        reshaped.flatten().unwrap_or_else(|| text.into_owned()),
    ))
}

/// The error of a stream as one of WebSocket, whose fields stand in an object of their own.
/// *Source:* wire reference 7.3, and the types of OpenAI's libraries.
fn nested(event: &str) -> Option<String> {
    let event: Value = serde_json::from_str(event).ok()?;
    let flat = event.get("error").is_none_or(Value::is_null);
    let error = json!({
        "type": "server_error", "code": event["code"], "message": event["message"],
        "param": event["param"],
    });
    let number = &event["sequence_number"];
    let event = json!({"type": "error", "sequence_number": number, "error": error});
    flat.then(|| event.to_string())
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, sink, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use proptest::prelude::*;

    use super::*;
    use crate::ws::socket::SocketError;

    /// What a client is told of an answer that comes in these pieces.
    fn told(status: u16, pieces: Vec<Vec<u8>>) -> Vec<String> {
        let pieces = pieces
            .into_iter()
            .map(|piece| Ok::<_, Infallible>(Frame::data(piece.into())));
        let mut answer = Response::new(StreamBody::new(stream::iter(pieces).boxed()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer
            .headers_mut()
            .insert("retry-after", "7".parse().unwrap());
        answer
            .headers_mut()
            .insert("set-cookie", "a=b".parse().unwrap());
        answer
            .headers_mut()
            .insert("x-codex-turn-state", "s".parse().unwrap());
        let mut messages = Vec::new();
        {
            let to = sink::unfold(
                &mut messages,
                |all: &mut Vec<String>, message: Message| async move {
                    all.push(message.to_text().unwrap().to_owned());
                    Ok::<_, SocketError>(all)
                },
            );
            let mut to = pin!(to);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            runtime.unwrap().block_on(pass_on(answer, &mut to)).unwrap();
        }
        messages
    }

    #[test]
    fn an_error_of_the_stream_has_its_fields_where_websocket_has_them() {
        let event = r#"{"type":"error","code":"c","message":"m","param":null,"sequence_number":4}"#;
        let messages = told(200, vec![format!("event: error\ndata: {event}\n\n").into()]);
        let [message] = messages.as_slice() else {
            panic!("{messages:?}");
        };
        let message: Value = serde_json::from_str(message).unwrap();
        assert_eq!(message["error"]["code"], "c");
        assert_eq!(message["error"]["message"], "m");
        assert_eq!(message["sequence_number"], 4);

        let event = r#"{"type":"error","error":{"message":"nested already"}}"#;
        assert_eq!(
            told(200, vec![format!("data: {event}\n\n").into()]),
            [event]
        );
    }

    #[test]
    fn a_refusal_says_when_to_try_again_and_nothing_that_is_not_needed() {
        for (body, message) in [
            (r#"{"error":{"message":"too fast","code":"c"}}"#, "too fast"),
            (
                "<html>",
                "the upstream refused the request and did not say why",
            ),
        ] {
            let messages = told(429, vec![body.into()]);
            let message_told: Value = serde_json::from_str(&messages[0]).unwrap();
            assert_eq!(message_told["status"], 429);
            assert_eq!(message_told["error"]["message"], message);
            assert_eq!(message_told["headers"], json!({"retry-after": "7"}));
        }
    }

    #[test]
    fn a_stream_without_a_last_event_is_an_error() {
        let messages = told(
            200,
            vec![b"data: {\"type\":\"response.created\"}\n\n".to_vec()],
        );
        assert_eq!(messages.len(), 2);
        assert!(
            messages[1].contains("upstream_connection_lost"),
            "{}",
            messages[1]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However a stream is cut, each event is one message, byte for byte.
        #[test]
        fn any_cutting_gives_the_same_messages(
            texts in prop::collection::vec("[a-z\u{e9}\u{1F980}]{0,20}", 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let events = texts.iter().map(|it| json!({"type": "response.x", "delta": it}));
            let mut events: Vec<_> = events.map(|event| event.to_string()).collect();
            events.push(r#"{"type":"response.completed"}"#.to_owned());
            let stream = events.iter().map(|it| format!("event: x\ndata: {it}\n\n"));
            let stream = (stream.collect::<String>() + "data: [DONE]\n\n").into_bytes();
            let mut borders: Vec<_> = cuts.iter().map(|it| it.index(stream.len() + 1)).collect();
            borders.extend([0, stream.len()]);
            borders.sort_unstable();
            let pieces = borders.windows(2).map(|it| stream[it[0]..it[1]].to_vec());
            prop_assert_eq!(told(200, pieces.collect()), events);
        }
    }
}
