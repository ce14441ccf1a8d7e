use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::sse;
use crate::{ApiError, BoxError, chat::ChatCompletionsLayer};

type Sent = Request<Either<Full<Bytes>, Full<Bytes>>>;
type Upstream = UnsyncBoxBody<Bytes, BoxError>;

const DELTA: &str = r#"{"type":"response.output_text.delta","delta":"Hi"}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{}}"#;

fn request(stream: bool) -> Request<Full<Bytes>> {
    let body = json!({"model": "m", "stream": stream, "temperature": 0.1, "top_p": 0.2,
                      "messages": [{"role": "user", "content": "hi"}]});
    Request::post("http://router.test/v1/chat/completions?a=b")
        .header("content-length", "7")
        .header("accept-encoding", "gzip")
        .body(Full::from(body.to_string()))
        .unwrap()
}

fn text(text: String) -> Upstream {
    Full::from(text)
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// Pieces, each after a silence of so many seconds; then the end, or silence for ever.
fn timed(pieces: Vec<(u64, String)>, ends: bool) -> Upstream {
    let pieces = stream::iter(pieces).then(|(seconds, text)| async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok(Frame::data(Bytes::from(text)))
    });
    let rest = stream::pending().take(usize::from(!ends));
    StreamBody::new(pieces.chain(rest)).boxed_unsync()
}

async fn call(
    request: Request<Full<Bytes>>,
    answer: Upstream,
) -> Result<Response<impl Body<Data = Bytes, Error = BoxError> + Unpin>, BoxError> {
    let answer = Arc::new(Mutex::new(Some(answer)));
    let inner = service_fn(move |_: Sent| {
        let answer = answer.lock().unwrap().take().ok_or("called twice");
        async move { Ok::<_, BoxError>(Response::new(answer?)) }
    });
    ChatCompletionsLayer::new()
        .layer(inner)
        .oneshot(request)
        .await
}

async fn body(answer: Response<impl Body<Data = Bytes, Error = BoxError>>) -> String {
    let bytes = answer
        .into_body()
        .collect()
        .await
        .map_err(|e| e.to_string())
        .unwrap()
        .to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn one_responses_request_is_sent() {
    let inner = service_fn(|request: Sent| async move {
        assert_eq!(request.uri(), "http://router.test/v1/responses");
        assert_eq!(request.headers()["accept"], "text/event-stream");
        assert_eq!(request.headers()["content-type"], "application/json");
        for gone in ["content-length", "accept-encoding"] {
            assert!(!request.headers().contains_key(gone), "{gone}");
        }
        let body = request.into_body().collect().await?.to_bytes();
        assert_eq!(
            serde_json::from_slice::<Value>(&body)?["input"][0]["type"],
            "message"
        );
        Ok::<_, BoxError>(Response::new(text(sse(&[DELTA, COMPLETED]))))
    });
    let answer = ChatCompletionsLayer::new()
        .layer(inner)
        .oneshot(request(true))
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(
        answer.headers()["x-codex-router-dropped"],
        "temperature, top_p"
    );
    assert!(body(answer).await.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_client_that_does_not_stream_gets_one_object() {
    let answer = call(request(false), text(sse(&[DELTA, COMPLETED])))
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let object: Value = serde_json::from_str(&body(answer).await).unwrap();
    assert_eq!(object["choices"][0]["message"]["content"], "Hi");
}

#[tokio::test]
async fn a_login_with_chat_completions_of_its_own_is_left_alone() {
    let inner = service_fn(|request: Sent| async move {
        assert_eq!(request.uri().path(), "/v1/chat/completions");
        assert!(matches!(request.body(), Either::Left(_)), "not read");
        assert_eq!(request.headers()["accept-encoding"], "gzip");
        let answer = Response::builder().header("content-encoding", "gzip");
        Ok::<_, BoxError>(answer.body(text("not even an event stream".into()))?)
    });
    let mut request = request(true);
    request
        .extensions_mut()
        .insert(RouteHint::default().with_backend(Backend::OpenAi));
    let answer = ChatCompletionsLayer::new()
        .layer(inner)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(body(answer).await, "not even an event stream");
}

#[tokio::test]
async fn an_error_of_the_upstream_is_handed_on_as_it_came() {
    let inner = service_fn(|_: Sent| async {
        let answer = Response::builder().status(429).header("retry-after", "3");
        Ok::<_, BoxError>(answer.body(text(r#"{"error":{}}"#.into()))?)
    });
    let answer = ChatCompletionsLayer::new()
        .layer(inner)
        .oneshot(request(true))
        .await
        .unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"3".parse().unwrap())
    );
    assert_eq!(body(answer).await, r#"{"error":{}}"#);
}

async fn error(request: Request<Full<Bytes>>, answer: Upstream) -> ApiError {
    let Err(error) = call(request, answer).await else {
        panic!("no error");
    };
    ApiError::from_boxed(&error)
}

#[tokio::test]
async fn a_bad_request_never_reaches_the_upstream() {
    let bad = Request::post("/v1/chat/completions")
        .body(Full::from("{\"model\":1}"))
        .unwrap();
    let refused = error(bad, text(String::new())).await;
    assert_eq!(
        (refused.status.as_u16(), refused.param.as_deref()),
        (400, Some("messages"))
    );

    let mut packed = request(true);
    packed
        .headers_mut()
        .insert("content-encoding", "zstd".parse().unwrap());
    assert_eq!(error(packed, text(String::new())).await.status, 415);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let inner =
        service_fn(|_: Sent| async { Ok::<_, BoxError>(Response::new(text(String::new()))) });
    let layer = ChatCompletionsLayer::new().with_body_limit(10);
    let error = layer.layer(inner).oneshot(request(true)).await.unwrap_err();
    assert_eq!(ApiError::from_boxed(&error).status, 413);
}

#[tokio::test]
async fn an_early_end_is_an_error_and_never_a_clean_one() {
    let chunks = body(call(request(true), text(sse(&[DELTA]))).await.unwrap()).await;
    assert!(chunks.contains(r#""content":"Hi""#) && chunks.contains(r#"data: {"error":{"#));
    assert!(!chunks.contains("[DONE]"));
    assert_eq!(error(request(false), text(sse(&[DELTA]))).await.status, 502);
}

const STARTED: &str = r#"{"type":"response.created","response":{"id":"r"}}"#;
const LIMITED: &str = concat!(
    r#"{"type":"response.failed","response":{"error":"#,
    r#"{"code":"rate_limit_exceeded","message":"Please try again in 1.5s."}}}"#,
);

#[tokio::test]
async fn a_failure_before_any_text_is_an_answer_with_its_status() {
    for streaming in [true, false] {
        let upstream = text(sse(&[STARTED, LIMITED]));
        let limited = error(request(streaming), upstream).await;
        assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(limited.code.as_deref(), Some("rate_limit_exceeded"));
        assert_eq!(limited.retry_after_seconds, Some(2));
        let ended = error(request(streaming), text(sse(&[STARTED]))).await;
        assert_eq!(ended.status, StatusCode::BAD_GATEWAY);
    }
}

#[tokio::test]
async fn a_failure_after_some_text_is_an_event() {
    let upstream = text(sse(&[STARTED, DELTA, LIMITED]));
    let chunks = body(call(request(true), upstream).await.unwrap()).await;
    assert!(chunks.contains(r#""content":"Hi""#) && chunks.contains("rate_limit_exceeded"));
    assert!(!chunks.contains("[DONE]"));
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_a_second_at_most_for_its_status() {
    let pieces = vec![(0, sse(&[STARTED])), (60, sse(&[LIMITED]))];
    let began = tokio::time::Instant::now();
    let answer = call(request(true), timed(pieces, true)).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    let chunks = body(answer).await;
    assert!(chunks.starts_with("data: {") && chunks.contains(r#""role":"assistant""#));
    assert!(chunks.contains("rate_limit_exceeded") && !chunks.contains("[DONE]"));
}

#[tokio::test]
async fn a_broken_connection_is_an_error() {
    let broken = || {
        let frames = [
            Ok(Frame::data(Bytes::from(sse(&[DELTA])))),
            Err("broken".into()),
        ];
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    };
    let chunks = body(call(request(true), broken()).await.unwrap()).await;
    assert!(chunks.contains("upstream_connection_lost") && !chunks.contains("[DONE]"));
    assert_eq!(error(request(false), broken()).await.status, 502);
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_comments() {
    let upstream = timed(vec![(0, sse(&[DELTA])), (40, sse(&[COMPLETED]))], true);
    let chunks = body(call(request(true), upstream).await.unwrap()).await;
    assert_eq!(chunks.matches(": keep-alive\n\n").count(), 2);
    assert!(chunks.ends_with("data: [DONE]\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_an_error_even_if_comments_come() {
    let pings = (0..20).map(|_| (20, ": ping\n\n".to_owned())).collect();
    let began = tokio::time::Instant::now();
    let chunks = body(call(request(true), timed(pings, false)).await.unwrap()).await;
    assert!(chunks.contains("upstream_timeout") && !chunks.contains("[DONE]"));
    assert_eq!(began.elapsed().as_secs(), 300);
    assert_eq!(
        error(request(false), timed(vec![], false)).await.status,
        504
    );
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_close_keeps_no_client_waiting() {
    for streaming in [true, false] {
        let upstream = timed(vec![(0, sse(&[DELTA, COMPLETED]))], false);
        let began = tokio::time::Instant::now();
        body(call(request(streaming), upstream).await.unwrap()).await;
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn all_that_is_ready_goes_in_one_frame() {
    let pieces = (0..50)
        .map(|_| (0, sse(&[DELTA])))
        .chain([(0, sse(&[COMPLETED]))]);
    let frames = pieces.map(|(_, text)| Ok(Frame::data(Bytes::from(text))));
    let upstream = StreamBody::new(stream::iter(frames.collect::<Vec<_>>())).boxed_unsync();
    let mut answer = call(request(true), upstream).await.unwrap().into_body();
    let first = answer.frame().await;
    assert!(
        first
            .unwrap()
            .map_err(|e| e.to_string())
            .unwrap()
            .into_data()
            .unwrap()
            .ends_with(b"[DONE]\n\n")
    );
}

#[tokio::test]
async fn the_inner_service_alone_says_when_it_is_ready() {
    let layer = ChatCompletionsLayer::new();
    let (mut service, mut upstream) =
        tower_test::mock::spawn_layer::<Sent, Response<Upstream>, _>(layer);
    upstream.allow(0);
    assert!(service.poll_ready::<Request<Full<Bytes>>>().is_pending());
    upstream.allow(1);
    assert!(service.poll_ready::<Request<Full<Bytes>>>().is_ready());
    let answer = tokio::spawn(service.call(request(true)));
    let (sent, answered) = upstream.next_request().await.unwrap();
    assert_eq!(sent.uri().path(), "/v1/responses");
    answered.send_response(Response::new(text(sse(&[COMPLETED]))));
    assert!(
        body(answer.await.unwrap().unwrap())
            .await
            .contains("[DONE]")
    );
}
