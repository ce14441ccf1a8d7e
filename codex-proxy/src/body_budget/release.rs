use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either};
use http::Request;
use tower::{Layer, Service};

use super::Claim;

/// Gives back what a [`BodyBudgetLayer`](super::BodyBudgetLayer) outside has claimed, once the service
/// inside has answered with a head.
///
/// # Where it belongs
///
/// Around the service that sends bodies on, where layers between it and the budget answer late: an
/// answer that is not streamed has its head when the model has said everything, and the body of its
/// request was sent long before.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct BodySentLayer;

impl BodySentLayer {
    /// The layer; it has nothing to set.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for BodySentLayer {
    type Service = Releasing<S>;

    fn layer(&self, inner: S) -> Releasing<S> {
        Releasing { inner }
    }
}

/// The service of [`BodySentLayer`].
#[derive(Debug, Clone)]
pub struct Releasing<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Releasing<S>
where
    S: Service<Request<B>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let claim = request.extensions_mut().remove::<Claim>();
        let answer = self.inner.call(request);
        match claim {
            None => Either::Left(answer),
            Some(claim) => Either::Right(Box::pin(async move {
                let answer = answer.await;
                claim.release();
                answer
            })),
        }
    }
}
