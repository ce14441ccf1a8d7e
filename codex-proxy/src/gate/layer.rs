use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::{self, Either, Ready};
use http::{Request, Response};
use tower::{Layer, Service};

use super::rules;

/// Refuses requests that no local program would send; see the [module](super).
#[derive(Debug, Clone)]
pub struct ClientGateLayer {
    hosts: Arc<[String]>,
}

impl ClientGateLayer {
    /// Answers to `localhost` and to loopback addresses alone.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            hosts: Arc::new([]),
        }
    }

    /// Answers to these names too.
    #[must_use]
    pub fn with_hosts(self, hosts: impl IntoIterator<Item = String>) -> Self {
        Self {
            hosts: hosts.into_iter().collect(),
        }
    }
}

impl<S> Layer<S> for ClientGateLayer {
    type Service = ClientGate<S>;

    fn layer(&self, inner: S) -> ClientGate<S> {
        ClientGate {
            inner,
            hosts: self.hosts.clone(),
        }
    }
}

/// The service of [`ClientGateLayer`].
#[derive(Debug, Clone)]
pub struct ClientGate<S> {
    inner: S,
    hosts: Arc<[String]>,
}

impl<S, B, R> Service<Request<B>> for ClientGate<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match rules::refusal(&request, &self.hosts) {
            None => Either::Left(self.inner.call(request)),
            Some(error) => Either::Right(future::ready(Ok(error.into_response()))),
        }
    }
}
