//! One connection from its upgrade to its close.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use yawc::{Frame, OpCode, WebSocket};

use super::Endpoint;
use super::counted::Counted;
use super::history::History;
use crate::faults::{Action, Target};
use crate::intake::Call;
use crate::record::{self, RecordedRequest};
use crate::responses::Reply;
use crate::shared::Shared;
use crate::sse::EventBody;

type Socket = WebSocket<Counted<TokioIo<Upgraded>>>;
/// Whether the connection goes on.
type Flow = ControlFlow<()>;

const GOES_ON: Flow = ControlFlow::Continue(());
const OVER: Flow = ControlFlow::Break(());

/// What one connection knows.
pub(super) struct Session {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    /// Those of the handshake; the type is that of every message.
    headers: HeaderMap,
    path: String,
    history: History,
}

impl Session {
    pub(super) fn new(shared: &Arc<Shared>, call: &Call, path: &str, endpoint: Endpoint) -> Self {
        let mut headers = call.headers.clone();
        let json = HeaderValue::from_static("application/json");
        headers.insert(http::header::CONTENT_TYPE, json);
        shared.open_sockets.fetch_add(1, Ordering::Relaxed);
        let base = if endpoint.repeats_output {
            "/v1"
        } else {
            "/backend-api/codex"
        };
        // Inside of a nested router the path lacks its beginning.
        let path = format!("{base}/{}", path.rsplit('/').next().unwrap_or_default());
        Self {
            shared: Arc::clone(shared),
            endpoint,
            headers,
            path,
            history: History::default(),
        }
    }

    pub(super) async fn run(mut self, mut socket: Socket) {
        loop {
            let flow = match socket.next().await {
                Some(frame) if frame.opcode() == OpCode::Text => {
                    self.turn(&mut socket, frame.into_payload()).await
                }
                other => self.aside(&mut socket, other).await,
            };
            if flow.is_break() {
                break;
            }
        }
    }

    /// Everything but a turn: pongs are counted, and a close is noted and answered.
    async fn aside(&self, socket: &mut Socket, frame: Option<Frame>) -> Flow {
        let told = match frame {
            Some(frame) if frame.opcode() == OpCode::Pong => {
                self.shared.pongs.fetch_add(1, Ordering::Relaxed);
                return GOES_ON;
            }
            Some(frame) if frame.opcode() == OpCode::Close => frame.close_code().map_or(
                Value::Null,
                |code| json!({"code": u16::from(code), "reason": frame.close_reason().ok().flatten()}),
            ),
            None => Value::Null,
            Some(_) => return GOES_ON,
        };
        self.record("CLOSE", Bytes::new(), told);
        // The library answers a close frame by itself, once it is flushed.
        let _ = socket.flush().await;
        OVER
    }

    async fn turn(&mut self, socket: &mut Socket, text: Bytes) -> Flow {
        let message: Value = serde_json::from_slice(&text).unwrap_or_default();
        self.record("MESSAGE", text, message.clone());
        if message["type"] != "response.create" {
            let problem = json!({"error": {"message": "Unknown message", "code": null}});
            return send_error(socket, StatusCode::BAD_REQUEST, problem, None).await;
        }
        let Some(body) = self.history.whole(&message) else {
            let (status, problem) = not_found(&message["previous_response_id"]);
            return send_error(socket, status, problem, None).await;
        };
        let generate = message["generate"] != false;
        let fault = generate.then(|| self.fault()).flatten();
        if let Some(answer) = fault.as_ref().and_then(Action::answer) {
            return send_answer(socket, answer).await;
        }
        let call = Call {
            headers: self.headers.clone(),
            body: Bytes::new(),
            json: Arc::new(body),
            fault,
        };
        if let Err((status, problem)) = (self.endpoint.check)(&self.shared, &call) {
            return send_error(socket, status, problem, None).await;
        }
        self.answer(socket, &call, generate).await
    }

    async fn answer(&mut self, socket: &mut Socket, call: &Call, generate: bool) -> Flow {
        match call.fault {
            Some(Action::Refused) => return OVER,
            Some(Action::SlowHead { milliseconds }) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            }
            _ => {}
        }
        let reply = Reply::new(&self.shared, call, &self.endpoint.owner);
        let whole = reply.whole();
        if !generate {
            self.history.note(reply.id(), &call.json, &Value::Null);
            return send_prewarm(socket, whole).await;
        }
        let id = reply.id();
        let events = reply.messages(&self.shared, call, self.endpoint.repeats_output);
        let flow = self.stream(socket, events, call.fault.as_ref()).await;
        self.history.note(id, &call.json, &whole["output"]);
        flow
    }

    /// Sends the events, until the client says that it has enough.
    async fn stream(
        &self,
        socket: &mut Socket,
        mut events: EventBody,
        fault: Option<&Action>,
    ) -> Flow {
        send(socket, Frame::ping("fake")).await?;
        if let Some(limits) = (self.endpoint.limits)(&self.shared, &self.endpoint.owner) {
            send(socket, Frame::text(limits.to_string())).await?;
        }
        loop {
            tokio::select! {
                event = events.frame() => match event {
                    Some(Ok(frame)) => {
                        let data = frame.into_data().unwrap_or_default();
                        let text = String::from_utf8_lossy(&data).into_owned();
                        send(socket, Frame::text(text)).await?;
                    }
                    Some(Err(_)) => return cut(socket, fault).await,
                    None => return GOES_ON,
                },
                frame = socket.next() => {
                    self.aside(socket, frame).await?;
                }
            }
        }
    }

    fn fault(&self) -> Option<Action> {
        let target = Target {
            method: "MESSAGE",
            path: &self.path,
            bearer: record::bearer(&self.headers),
            account: Some(&self.endpoint.owner),
        };
        self.shared.faults()?.take(&target)
    }

    fn record(&self, method: &str, raw: Bytes, json: Value) {
        if !self.shared.settings.recording {
            return;
        }
        self.shared.requests().push(RecordedRequest {
            method: method.to_owned(),
            path: self.path.clone(),
            query: String::new(),
            headers: self.headers.clone(),
            raw,
            json,
            account: Some(self.endpoint.owner.clone()),
            at: Timestamp::now(),
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.open_sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The end that was asked for: a close frame, or nothing at all.
async fn cut(socket: &mut Socket, fault: Option<&Action>) -> Flow {
    if let Some(Action::CloseAfter { code, reason, .. }) = fault {
        let _ = socket.send(Frame::close((*code).into(), reason)).await;
        while socket.next().await.is_some() {}
    }
    OVER
}

async fn send_prewarm(socket: &mut Socket, mut response: Value) -> Flow {
    response["output"] = json!([]);
    for kind in ["response.created", "response.completed"] {
        let event = json!({"type": kind, "response": response});
        send(socket, Frame::text(event.to_string())).await?;
    }
    GOES_ON
}

/// The answer of a fault, as a message.
async fn send_answer(socket: &mut Socket, answer: Response<Body>) -> Flow {
    let (parts, body) = answer.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let problem = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
    send_error(socket, parts.status, problem, Some(&parts.headers)).await
}

/// *Source:* wire reference, section 7.3.
async fn send_error(
    socket: &mut Socket,
    status: StatusCode,
    mut problem: Value,
    headers: Option<&HeaderMap>,
) -> Flow {
    let told = |(name, value): (&http::HeaderName, &HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), Value::String(value))
    };
    let headers: Map<_, _> = headers.into_iter().flatten().map(told).collect();
    let error = match problem["detail"].take() {
        Value::Null => problem["error"].take(),
        detail => json!({"type": "invalid_request_error", "code": null, "message": detail}),
    };
    let event = json!({
        "type": "error", "status": status.as_u16(), "error": error, "headers": headers,
    });
    send(socket, Frame::text(event.to_string())).await
}

fn not_found(id: &Value) -> (StatusCode, Value) {
    let id = id.as_str().unwrap_or_default();
    let error = json!({
        "type": "invalid_request_error", "code": "previous_response_not_found",
        "message": format!("Previous response with id '{id}' not found."),
        "param": "previous_response_id",
    });
    (StatusCode::BAD_REQUEST, json!({"error": error}))
}

async fn send(socket: &mut Socket, frame: Frame) -> Flow {
    match socket.send(frame).await {
        Ok(()) => GOES_ON,
        Err(_) => OVER,
    }
}
