//! What is counted.

use std::{
    convert::Infallible,
    future::{self, Ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::CredentialProvider as _;
use codex_proxy::{
    chat::{ChatCompletionsLayer, ReasoningFormat, request::translate},
    meter::MeterLayer,
    requests::{RequestLog, RequestLogLayer},
    responses::ResponsesLayer,
    route::ProfileTable as _,
};
use futures_util::stream;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer as _, Service, ServiceExt as _};

use crate::{
    Failure,
    router::{self, Form, Peer},
};

/// A hot path.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How often, so that what differs from run to run does not count.
    pub(crate) times: usize,
    /// What stands around the process that is counted.
    pub(crate) peer: Option<fn(usize) -> Result<Peer, Failure>>,
    work: fn(usize) -> Result<(), Failure>,
}

impl Case {
    pub(crate) const ALL: &[Self] = &[
        Self {
            name: "request through the router, passed on",
            times: 300,
            peer: Some(|times| Peer::requests(Form::Responses, times)),
            work: router::serve,
        },
        Self {
            name: "request through the router, chat translated",
            times: 300,
            peer: Some(|times| Peer::requests(Form::Chat, times)),
            work: router::serve,
        },
        Self {
            name: "event through the router, passed on",
            times: 10_000,
            peer: Some(|times| Peer::events(Form::Responses, times)),
            work: router::serve,
        },
        Self {
            name: "event through the router, chat translated",
            times: 10_000,
            peer: Some(|times| Peer::events(Form::Chat, times)),
            work: router::serve,
        },
        Self {
            name: "sse event, metered and listed",
            times: 10_000,
            peer: None,
            work: metered_events,
        },
        Self {
            name: "sse event, chat translated",
            times: 10_000,
            peer: None,
            work: chat_events,
        },
        Self {
            name: "sse event, adapted for other clients",
            times: 10_000,
            peer: None,
            work: adapted_events,
        },
        Self {
            name: "chat request of 64 KiB, translated",
            times: 50,
            peer: None,
            work: chat_requests,
        },
        Self {
            name: "profile chosen and its credentials looked up",
            times: 500,
            peer: None,
            work: credentials,
        },
    ];

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|case| case.name == name)
    }

    pub(crate) fn run(&self, times: usize) -> Result<(), Failure> {
        (self.work)(times)
    }
}

pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A stream as the ChatGPT backend has it, whose answer has so many tokens.
pub(crate) fn event_stream(tokens: usize) -> String {
    let event = |kind: &str, data: Value| format!("event: {kind}\ndata: {data}\n\n");
    let response = json!({"id": "resp_1", "object": "response", "model": "gpt-5.5", "output": []});
    let mut stream = event(
        "response.created",
        json!({"type": "response.created", "response": response}),
    );
    // Made once, so that making it is not what is counted.
    let delta = json!({"type": "response.output_text.delta", "sequence_number": 7,
        "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "token ",
        "logprobs": []});
    stream += &event("response.output_text.delta", delta).repeat(tokens);
    let mut response = response;
    response["usage"] = json!({"input_tokens": 9, "output_tokens": tokens, "total_tokens": 9});
    stream
        + &event(
            "response.completed",
            json!({"type": "response.completed", "response": response}),
        )
}

/// As much as comes from a socket at once.
const PIECE_BYTES: usize = 16 << 10;

type Pieces = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

fn pieces(stream: &Bytes) -> Pieces {
    let starts = (0..stream.len()).step_by(PIECE_BYTES);
    let piece = |start| stream.slice(start..stream.len().min(start + PIECE_BYTES));
    let frames: Vec<_> = starts.map(|at| Ok(Frame::data(piece(at)))).collect();
    StreamBody::new(stream::iter(frames))
}

/// An upstream that answers everything with one stream.
#[derive(Clone)]
struct Canned(Bytes);

impl<B> Service<Request<B>> for Canned {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        future::ready(Ok(Response::new(pieces(&self.0))))
    }
}

fn metered_events(events: usize) -> Result<(), Failure> {
    let listed = RequestLogLayer::new(RequestLog::new());
    answered(events, |upstream| {
        listed.layer(MeterLayer::new().layer(upstream))
    })
}

fn chat_events(events: usize) -> Result<(), Failure> {
    let layer = ChatCompletionsLayer::new();
    answered(events, |upstream| layer.layer(upstream))
}

fn adapted_events(events: usize) -> Result<(), Failure> {
    let layer = ResponsesLayer::new();
    answered(events, |upstream| layer.layer(upstream))
}

/// Asks a stack once, and reads a stream of so many events through it.
fn answered<S, R>(events: usize, stack: impl FnOnce(Canned) -> S) -> Result<(), Failure>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Into<Failure>>,
    R: Body<Data = Bytes, Error: Into<Failure>>,
{
    let service = stack(Canned(event_stream(events).into()));
    let body = json!({"model": "m", "stream": true, "input": "hi",
                      "messages": [{"role": "user", "content": "hi"}]});
    let request = Request::post("/v1/responses").body(Full::from(body.to_string()))?;
    runtime()?.block_on(async {
        let answer = service.oneshot(request).await.map_err(Into::into)?;
        let mut body = pin!(answer.into_body());
        while let Some(frame) = body.frame().await {
            black_box(frame.map_err(Into::into)?);
        }
        Ok(())
    })
}

fn chat_requests(times: usize) -> Result<(), Failure> {
    let turn = "some words of a conversation, ".repeat(30);
    let messages: Vec<_> = ["user", "assistant"]
        .into_iter()
        .cycle()
        .take((64 << 10) / turn.len())
        .map(|role| json!({"role": role, "content": turn}))
        .collect();
    let body = json!({"model": "m", "stream": true, "messages": messages}).to_string();
    for _ in 0..times {
        black_box(translate(
            black_box(body.as_bytes()),
            ReasoningFormat::default(),
        )?);
    }
    Ok(())
}

fn credentials(times: usize) -> Result<(), Failure> {
    let (_folder, store) = router::profiles()?;
    runtime()?.block_on(async {
        for _ in 0..times {
            let chosen = store.choose(None).await?;
            black_box(store.credentials(&chosen.hint()).await?);
        }
        Ok(())
    })
}
