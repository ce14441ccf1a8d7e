use std::{
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::{self, Either, Ready};
use http::{Request, Response};
use tower::{Layer, Service};

use super::rules;
use crate::spans::Step;

/// The names, besides those of loopback, that requests may be addressed to. Clones are one, so that
/// they can be changed while a gate goes by them.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts(Arc<RwLock<Arc<[String]>>>);

impl AllowedHosts {
    /// These names.
    #[must_use]
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(RwLock::new(hosts.into_iter().collect())))
    }

    /// These names from the next request on, in place of those before.
    pub fn set(&self, hosts: impl IntoIterator<Item = String>) {
        let hosts = hosts.into_iter().collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = hosts;
    }

    fn now(&self) -> Arc<[String]> {
        let hosts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        hosts.clone()
    }
}

/// Refuses requests that no local program would send; see the [module](super).
#[derive(Debug, Clone)]
pub struct ClientGateLayer {
    hosts: AllowedHosts,
}

impl ClientGateLayer {
    /// Answers to `localhost` and to loopback addresses alone.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            hosts: AllowedHosts::default(),
        }
    }

    /// Answers to these names too.
    #[must_use]
    pub fn with_hosts(self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.with_allowed_hosts(AllowedHosts::new(hosts))
    }

    /// Answers to these names too, as they are when a request comes.
    #[must_use]
    pub fn with_allowed_hosts(self, hosts: AllowedHosts) -> Self {
        Self { hosts }
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
    hosts: AllowedHosts,
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
        let step = Step::begin(request.extensions(), "gate");
        let refusal = rules::refusal(&request, &self.hosts.now());
        if let Some(error) = &refusal {
            step.fail(|| error.clone());
        }
        step.end();
        match refusal {
            None => Either::Left(self.inner.call(request)),
            Some(error) => Either::Right(future::ready(Ok(error.into_response()))),
        }
    }
}
