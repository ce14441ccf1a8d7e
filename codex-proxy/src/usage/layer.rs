use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use codex_auth::usage::Reading;
use http::{Request, Response};
use jiff::Timestamp;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{UsageOwner, UsageSink};

/// Hands what the headers of answers tell of limits to a [`UsageSink`]; see the [module](super).
#[derive(Debug, Clone)]
pub struct UsageLayer<K> {
    sink: K,
}

impl<K> UsageLayer<K> {
    /// A layer over this sink.
    pub fn new(sink: K) -> Self {
        Self { sink }
    }
}

impl<S, K: Clone> Layer<S> for UsageLayer<K> {
    type Service = UsageReader<S, K>;

    fn layer(&self, inner: S) -> UsageReader<S, K> {
        UsageReader {
            inner,
            sink: self.sink.clone(),
        }
    }
}

/// The service of [`UsageLayer`].
#[derive(Debug, Clone)]
pub struct UsageReader<S, K> {
    inner: S,
    sink: K,
}

impl<S, K, B, R> Service<Request<B>> for UsageReader<S, K>
where
    S: Service<Request<B>, Response = Response<R>>,
    K: UsageSink + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ReadingFuture<S::Future, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ReadingFuture {
            owner: UsageOwner::of_request(request.extensions()),
            sink: self.sink.clone(),
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The future of [`UsageReader`].
    #[derive(Debug)]
    pub struct ReadingFuture<F, K> {
        #[pin]
        inner: F,
        sink: K,
        owner: Option<UsageOwner>,
    }
}

impl<F, K, R, E> Future for ReadingFuture<F, K>
where
    F: Future<Output = Result<Response<R>, E>>,
    K: UsageSink,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx));
        if let (Ok(answer), Some(owner)) = (&answer, this.owner.as_ref()) {
            read(answer, owner, this.sink);
        }
        Poll::Ready(answer)
    }
}

fn read<R>(answer: &Response<R>, owner: &UsageOwner, sink: &impl UsageSink) {
    sink.served(owner);
    if let Some(reading) = Reading::of_headers(answer.status(), answer.headers(), Timestamp::now())
    {
        sink.record(owner, &reading);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use codex_auth::{
        Credentials, ProfileRef, RouteHint,
        secret::{AccessToken, ApiKey},
        usage::Limits,
    };
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::BoxError;

    #[derive(Default)]
    struct Noted {
        readings: Mutex<Vec<(UsageOwner, Reading)>>,
        served: AtomicUsize,
    }

    impl UsageSink for Noted {
        fn record(&self, owner: &UsageOwner, reading: &Reading) {
            let entry = (owner.clone(), reading.clone());
            self.readings.lock().unwrap().push(entry);
        }

        fn served(&self, _: &UsageOwner) {
            self.served.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is noted of a request with these credentials whose answer has this status.
    async fn noted(credentials: Option<Credentials>, headers: bool, status: u16) -> Arc<Noted> {
        let noted = Arc::new(Noted::default());
        let answer = service_fn(move |_: Request<()>| async move {
            let mut answer = Response::builder().status(status);
            if headers {
                answer = answer.header("x-codex-primary-used-percent", "42");
                answer = answer.header("x-codex-active-limit", "codex");
            }
            Ok::<_, BoxError>(answer.body(())?)
        });
        let mut request = Request::new(());
        let hint = RouteHint::default().with_identity(Some(Arc::from("ada")));
        request.extensions_mut().insert(hint);
        if let Some(credentials) = credentials {
            request.extensions_mut().insert(credentials);
        }
        let layer = UsageLayer::new(noted.clone());
        let answer = layer.layer(answer).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "handed on as it is");
        noted
    }

    fn chatgpt() -> Credentials {
        let token = AccessToken::new("t");
        Credentials::chatgpt(ProfileRef::new("work"), &token, None).unwrap()
    }

    #[tokio::test]
    async fn what_an_answer_tells_is_recorded_for_the_login_that_was_sent() {
        for (status, used) in [(200, 42.0), (101, 42.0), (500, 42.0), (429, 100.0)] {
            let noted = noted(Some(chatgpt()), true, status).await;
            let readings = noted.readings.lock().unwrap();
            let (owner, reading) = &readings[0];
            assert_eq!(owner.profile.as_str(), "work");
            assert_eq!(owner.identity.as_deref(), Some("ada"));
            let mut limits = Limits::default();
            limits.take(reading);
            let usage = limits.usage(Timestamp::now()).unwrap();
            assert_eq!(usage.windows[0].used_percent, Some(used), "{status}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_tells_nothing_was_served_all_the_same() {
        let noted = noted(Some(chatgpt()), false, 200).await;
        assert!(noted.readings.lock().unwrap().is_empty());
        assert_eq!(noted.served.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_key_and_a_request_without_a_login_have_no_limits() {
        let key = Credentials::api_key(ProfileRef::new("key"), &ApiKey::new("sk")).unwrap();
        for credentials in [Some(key), None] {
            let noted = noted(credentials, true, 200).await;
            assert!(noted.readings.lock().unwrap().is_empty());
            assert_eq!(noted.served.load(Ordering::Relaxed), 0);
        }
    }
}
