use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use codex_auth::{
    CredentialError, CredentialProvider, Credentials, LoginReason, ProfileRef, RouteHint,
    secret::AccessToken,
};
use futures_util::future;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower::{Layer as _, Service as _, ServiceExt as _, limit::ConcurrencyLimitLayer, service_fn};

use super::{CodexAuthLayer, ReplayBody, ServedBy};
use crate::{ApiError, BoxError};

/// Hands out `token-0`, and a new number at each refresh.
#[derive(Default)]
struct Counting {
    refreshes: AtomicUsize,
    refuses: bool,
    hints: Mutex<Vec<RouteHint>>,
}

impl Counting {
    fn numbered(&self) -> Credentials {
        let token = format!("token-{}", self.refreshes.load(Ordering::SeqCst));
        Credentials::chatgpt(ProfileRef::new("work"), &AccessToken::new(token), None).unwrap()
    }
}

impl CredentialProvider for Counting {
    async fn credentials(&self, hint: &RouteHint) -> Result<Credentials, CredentialError> {
        self.hints.lock().unwrap().push(hint.clone());
        Ok(self.numbered())
    }

    async fn refresh(&self, stale: &Credentials) -> Result<Credentials, CredentialError> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        if self.refuses {
            let profile = stale.profile().clone();
            return Err(CredentialError::LoginRequired {
                profile,
                reason: LoginReason::Reused,
            });
        }
        Ok(self.numbered())
    }
}

type Seen = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Answers 401 to the first `refused` requests; notes bearer and body of each.
fn upstream<B>(
    refused: usize,
    seen: Seen,
) -> impl tower::Service<
    Request<ReplayBody<B>>,
    Response = Response<Full<Bytes>>,
    Error = BoxError,
    Future = impl Future<Output = Result<Response<Full<Bytes>>, BoxError>> + Send,
> + Clone
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
{
    service_fn(move |request: Request<ReplayBody<B>>| {
        let seen = seen.clone();
        async move {
            let bearer = request.headers()["authorization"].to_str()?.to_owned();
            let body = request.into_body().collect().await?.to_bytes();
            let mut seen = seen.lock().unwrap();
            seen.push((bearer, body));
            let status = if seen.len() <= refused { 401 } else { 200 };
            Ok(Response::builder().status(status).body(Full::default())?)
        }
    })
}

fn request() -> Request<Full<Bytes>> {
    Request::new(Full::from("prompt"))
}

async fn run(
    provider: &Arc<Counting>,
    refused: usize,
) -> (Result<Response<Full<Bytes>>, BoxError>, Seen) {
    let seen = Seen::default();
    let service = CodexAuthLayer::new(provider.clone()).layer(upstream(refused, seen.clone()));
    (service.oneshot(request()).await, seen)
}

#[tokio::test]
async fn a_401_is_answered_by_one_refresh_and_one_more_try_with_the_same_body() {
    let provider = Arc::new(Counting::default());
    let (response, seen) = run(&provider, 1).await;
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.extensions().get::<ServedBy>().unwrap().0.as_str(),
        "work"
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], ("Bearer token-0".into(), Bytes::from("prompt")));
    assert_eq!(seen[1], ("Bearer token-1".into(), Bytes::from("prompt")));
}

#[tokio::test]
async fn a_401_that_survives_the_refresh_becomes_needs_login() {
    let provider = Arc::new(Counting::default());
    let (response, seen) = run(&provider, 9).await;
    let error = ApiError::from_boxed(&response.unwrap_err());
    assert_eq!(error.code.as_deref(), Some("profile_needs_login"));
    assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert_eq!(provider.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refused_refresh_is_told_and_nothing_is_sent_again() {
    let provider = Arc::new(Counting {
        refuses: true,
        ..Counting::default()
    });
    let (response, seen) = run(&provider, 1).await;
    let error = response.unwrap_err();
    assert!(error.to_string().contains("already used"), "{error}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_sent_once_and_the_401_handed_back() {
    let provider = Arc::new(Counting::default());
    let seen = Seen::default();
    let layer = CodexAuthLayer::new(provider.clone()).with_replay_limit(4);
    let chunks = ["abc", "def", "ghi"]
        .map(|text| Ok::<_, BoxError>(http_body::Frame::data(Bytes::from(text))));
    let body = StreamBody::new(futures_util::stream::iter(chunks));

    let response = layer
        .layer(upstream(1, seen.clone()))
        .oneshot(Request::new(body))
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(seen.lock().unwrap()[0].1, "abcdefghi");
    assert_eq!(
        provider.refreshes.load(Ordering::SeqCst),
        1,
        "refreshed for the next request"
    );
}

#[tokio::test]
async fn the_hint_of_an_outer_layer_reaches_the_provider() {
    let provider = Arc::new(Counting::default());
    let service = CodexAuthLayer::new(provider.clone()).layer(upstream(0, Seen::default()));
    let hint = RouteHint::profile(ProfileRef::new("home"));
    let mut request = request();
    request.extensions_mut().insert(hint.clone());
    service.oneshot(request).await.unwrap();
    assert_eq!(*provider.hints.lock().unwrap(), [hint]);
}

/// A concurrency limit panics when a service that was not ready is called.
#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let provider = Arc::new(Counting::default());
    let limited = ConcurrencyLimitLayer::new(1).layer(upstream(1, Seen::default()));
    let mut service = CodexAuthLayer::new(provider).layer(limited);
    let first = service
        .ready()
        .await
        .unwrap()
        .call(request())
        .await
        .unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let second = service
        .ready()
        .await
        .unwrap()
        .call(request())
        .await
        .unwrap();
    assert_eq!(second.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_inner_service_that_is_not_ready_is_waited_for() {
    let (mut service, mut handle) = tower_test::mock::spawn_with(|inner| {
        let inner: tower_test::mock::Mock<Request<ReplayBody<Full<Bytes>>>, Response<Full<Bytes>>> =
            inner;
        CodexAuthLayer::new(Arc::new(Counting::default())).layer(inner)
    });
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    let answer = service.call(request());
    let serve = async {
        let (_, send) = handle.next_request().await.unwrap();
        send.send_response(Response::new(Full::default()));
    };
    let (answer, ()) = future::join(answer, serve).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_replayed_body_knows_its_length() {
    use http_body::Body as _;
    let body = ReplayBody::buffer(Full::<Bytes>::from("prompt"), 100)
        .await
        .unwrap();
    assert_eq!(body.size_hint().exact(), Some(6));
    assert_eq!(
        body.replay().unwrap().collect().await.unwrap().to_bytes(),
        "prompt"
    );
}
