use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use futures_util::future::{BoxFuture, Either as EitherFuture, MapErr, TryFutureExt};
use http::{Request, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use tower::{Layer, Service};

use super::{BodyBudget, Claim, UNCOUNTED_BYTES};
use crate::BoxError;

/// Lets large bodies of requests in as a [`BodyBudget`] has room for them, from when they are begun
/// to be read until the service inside has answered with a head, or until a
/// [`BodySentLayer`](super::BodySentLayer) says that they are no longer needed.
///
/// # Where it belongs
///
/// Outside every layer that keeps bodies, to translate them or to send them twice, and inside of what
/// unpacks them. It costs nothing for a body under 64 KiB whose length is known.
#[derive(Debug, Clone)]
pub struct BodyBudgetLayer {
    budget: BodyBudget,
}

impl BodyBudgetLayer {
    /// The layer; give all that keep bodies in one process the same budget.
    #[must_use]
    pub fn new(budget: BodyBudget) -> Self {
        Self { budget }
    }
}

impl<S> Layer<S> for BodyBudgetLayer {
    type Service = Budgeted<S>;

    fn layer(&self, inner: S) -> Budgeted<S> {
        Budgeted {
            inner,
            budget: self.budget.clone(),
        }
    }
}

/// The service of [`BodyBudgetLayer`].
#[derive(Debug, Clone)]
pub struct Budgeted<S> {
    inner: S,
    budget: BodyBudget,
}

impl<S, B> Service<Request<B>> for Budgeted<S>
where
    S: Service<Request<Either<B, CountedBody<B>>>> + Clone + Send + 'static,
    S::Response: Send,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = EitherFuture<
        MapErr<S::Future, fn(S::Error) -> BoxError>,
        BoxFuture<'static, Result<S::Response, BoxError>>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let length_bytes = length_bytes(&request);
        if length_bytes.is_some_and(|bytes| bytes <= UNCOUNTED_BYTES) {
            let answer = ready.call(request.map(Either::Left));
            let into: fn(S::Error) -> BoxError = Into::into;
            return EitherFuture::Left(TryFutureExt::map_err(answer, into));
        }
        let length_bytes = length_bytes.filter(|bytes| *bytes <= self.budget.largest_bytes);
        EitherFuture::Right(Box::pin(claiming(
            ready,
            self.budget.clone(),
            request,
            length_bytes,
        )))
    }
}

async fn claiming<S, B>(
    mut ready: S,
    budget: BodyBudget,
    mut request: Request<B>,
    length_bytes: Option<u64>,
) -> Result<S::Response, BoxError>
where
    S: Service<Request<Either<B, CountedBody<B>>>, Error: Into<BoxError>>,
{
    let before = request.extensions_mut().remove::<Claim>();
    let claim = Claim::new(budget, before);
    request.extensions_mut().insert(claim.clone());
    let request = if let Some(bytes) = length_bytes {
        claim.whole(bytes).await?;
        request.map(Either::Left)
    } else {
        let claim = claim.clone();
        request.map(|inner| Either::Right(CountedBody { inner, claim }))
    };
    let answer = ready.call(request).await;
    claim.release();
    answer.map_err(Into::into)
}

/// As the body says, or the head: not every body in between hands on what it knows.
fn length_bytes<B: Body>(request: &Request<B>) -> Option<u64> {
    let exact = request.body().size_hint().exact();
    let said = || request.headers().get(header::CONTENT_LENGTH)?.to_str().ok();
    exact.or_else(|| said()?.parse().ok())
}

pin_project_lite::pin_project! {
    /// A body of unknown length, counted as it comes. It ends with an
    /// [`ApiError`](crate::ApiError) where there is no room for more of it.
    #[derive(Debug)]
    pub struct CountedBody<B> {
        #[pin]
        inner: B,
        claim: Claim,
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        let Some(frame) = ready!(this.inner.poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into)?;
        if let Some(data) = frame.data_ref() {
            this.claim.add(data.remaining())?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
