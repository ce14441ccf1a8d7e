use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use codex_auth::ProfileRef;
use http::{Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tokio::time::sleep;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;
use crate::{
    ApiError, BoxError, Origin,
    meter::MeterLayer,
    route::{RouteReason, Routed},
};

/// An answer that comes like this, and then no further.
struct Script {
    pieces: VecDeque<Result<&'static str, &'static str>>,
    length: Option<u64>,
}

impl Script {
    fn stream(pieces: &[Result<&'static str, &'static str>]) -> Self {
        Self {
            pieces: pieces.iter().copied().collect(),
            length: None,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.pieces.pop_front() {
            Some(Ok(piece)) => {
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

type Asked = Request<NotedBody<Full<Bytes>>>;

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/v1/responses")
        .body(Full::from(body))
        .unwrap()
}

/// Sends a request to a service that reads it and answers like this.
async fn send<R>(
    log: &RequestLog,
    request: Request<Full<Bytes>>,
    answer: impl Fn() -> Response<R> + Clone + Send + 'static,
) -> Response<ListedBody<crate::meter::MeteredBody<R>>>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let inner = service_fn(move |request: Asked| {
        let answer = answer();
        async move {
            request.into_body().collect().await?;
            Ok::<_, BoxError>(answer)
        }
    });
    let service = RequestLogLayer::new(log.clone()).layer(MeterLayer::new().layer(inner));
    service.oneshot(request).await.unwrap()
}

fn only(log: &RequestLog) -> RequestEntry {
    let [entry] = log.recent().try_into().unwrap();
    entry
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_told_of_when_it_begins_at_its_first_byte_and_at_its_end() {
    let log = RequestLog::new();
    let mut told = log.subscribe();
    let inner = service_fn(|_: Asked| async {
        sleep(Duration::from_millis(30)).await;
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("x"))))
    });
    let service = RequestLogLayer::new(log.clone()).layer(inner);
    let answer = service.oneshot(post("{}")).await.unwrap();
    sleep(Duration::from_millis(12)).await;
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    sleep(Duration::from_millis(5)).await;
    assert!(body.frame().await.is_none());

    let begun = told.try_recv().unwrap();
    assert_eq!((begun.state, begun.status), (RequestState::Running, None));
    let first = told.try_recv().unwrap();
    assert_eq!((first.status, first.first_byte_ms), (Some(200), Some(42)));
    assert_eq!(first.state, RequestState::Running);
    let done = told.try_recv().unwrap();
    assert_eq!(
        (done.state, done.duration_ms),
        (RequestState::Done, Some(47))
    );
    assert!(begun.id == first.id && begun.id == done.id);
    assert!(told.try_recv().is_err(), "and of nothing else");
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_has_cancelled() {
    let log = RequestLog::new();
    let answer = send(&log, post("{}"), || {
        Response::new(Script::stream(&[Ok("half")]))
    })
    .await;
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(only(&log).state, RequestState::Running);
    drop(body);
    let entry = only(&log);
    assert_eq!(entry.state, RequestState::Cancelled);
    assert!(entry.duration_ms.is_some() && entry.error_by.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_has_cancelled() {
    let log = RequestLog::new();
    let inner =
        service_fn(|_: Asked| std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>());
    let service = RequestLogLayer::new(log.clone()).layer(inner);
    let asked = service.oneshot(post("{}"));
    assert!(
        tokio::time::timeout(Duration::from_millis(1), asked)
            .await
            .is_err()
    );
    assert_eq!(only(&log).state, RequestState::Cancelled);
}

#[tokio::test]
async fn a_client_that_has_read_the_last_event_leaves_nothing_unfinished() {
    const LAST: &str = "data: {\"type\":\"response.completed\",\"response\":\
        {\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
    let counted = || Script {
        length: Some(4),
        ..Script::stream(&[Ok("four")])
    };
    let answers: [fn() -> Script; 3] = [
        || Script::stream(&[Ok(LAST)]),
        || Script::stream(&[Ok("data: {}\n\ndata: [DONE]\n\n")]),
        counted,
    ];
    for answer in answers {
        let log = RequestLog::new();
        let mut body = send(&log, post("{}"), move || Response::new(answer()))
            .await
            .into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(only(&log).state, RequestState::Done);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_an_error_of_the_upstream() {
    let log = RequestLog::new();
    let answer = send(&log, post("{}"), || {
        Response::new(Script::stream(&[Ok("a"), Err("cut")]))
    })
    .await;
    assert!(answer.into_body().collect().await.is_err());
    let entry = only(&log);
    assert_eq!((entry.state, entry.status), (RequestState::Done, Some(200)));
    assert_eq!(entry.error_by, Some(Origin::Upstream));
    assert!(entry.error_code.is_some());
}

#[tokio::test]
async fn an_error_says_whose_it_is_and_the_model_that_was_asked_for() {
    let log = RequestLog::new();
    let refuse = || {
        let error = ApiError::invalid_request("unsupported_parameter", "said in the prompt");
        error.into_response::<Full<Bytes>>()
    };
    let answer = send(&log, post(r#"{"model":"gpt-5.5","n":2}"#), refuse).await;
    answer.into_body().collect().await.unwrap();
    let entry = only(&log);
    assert_eq!(
        (entry.error_by, entry.status),
        (Some(Origin::Client), Some(400))
    );
    assert_eq!(entry.error_code.as_deref(), Some("unsupported_parameter"));
    assert_eq!(entry.model.as_deref(), Some("gpt-5.5"));
    assert!(!serde_json::to_string(&entry).unwrap().contains("prompt"));
}

#[tokio::test]
async fn the_profile_is_the_one_that_served() {
    let log = RequestLog::new();
    let routed = || {
        let mut answer = Response::new(Full::new(Bytes::new()));
        let (profile, reason) = (ProfileRef::new("key"), RouteReason::Fallback);
        answer.extensions_mut().insert(Routed { profile, reason });
        answer
    };
    send(&log, post("{}"), routed).await;
    let entry = only(&log);
    assert_eq!(entry.profile.as_deref(), Some("key"));
    assert_eq!(entry.reason, Some(RouteReason::Fallback));
    assert_eq!(
        entry.state,
        RequestState::Done,
        "an empty body has nothing to wait for"
    );
}

#[tokio::test]
async fn the_list_has_an_end_and_its_ids_are_its_own() {
    let log = RequestLog::new();
    for number in 0..MOST_REQUESTS + 5 {
        let mut request = post("{}");
        let id = if number % 2 == 0 { "same" } else { "a b@c" };
        request
            .headers_mut()
            .insert("x-request-id", id.parse().unwrap());
        send(&log, request, || Response::new(Full::<Bytes>::default())).await;
    }
    let entries = log.recent();
    assert_eq!(entries.len(), MOST_REQUESTS);
    let ids: std::collections::HashSet<_> = entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids.len(), MOST_REQUESTS, "no two are the same");
    assert!(
        ids.iter().all(|id| !id.contains('@')),
        "none holds what a client may write"
    );
}

#[tokio::test]
async fn a_handshake_is_listed_only_if_it_fails() {
    let handshake = || {
        Request::get("/v1/responses")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    let answer = |status: StatusCode| {
        move || {
            let mut answer = Response::new(Full::<Bytes>::default());
            *answer.status_mut() = status;
            answer.headers_mut().insert(CONTENT_LENGTH, 0.into());
            answer
        }
    };
    let log = RequestLog::new();
    let mut told = log.subscribe();
    send(&log, handshake(), answer(StatusCode::SWITCHING_PROTOCOLS)).await;
    assert!(log.recent().is_empty() && told.try_recv().is_err());
    send(&log, handshake(), answer(StatusCode::SERVICE_UNAVAILABLE)).await;
    assert_eq!(only(&log).status, Some(503));
}
