use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tower::{Service, ServiceExt as _};

/// A stack of any kind behind one type, which every request shares.
///
/// A clone is a count. Of tower's own `BoxCloneSyncService` it is a copy of everything inside, down
/// to the next stack and through it to the innermost one: with a stack in a stack in a stack, as
/// here, each request would copy most of it many times over.
pub(super) struct Shared<E>(Arc<dyn Stacked<E>>);

impl<E> Shared<E> {
    pub(super) fn new<S>(stack: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = E>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        Self(Arc::new(stack))
    }
}

impl<E> Service<Request<Body>> for Shared<E> {
    type Response = Response<Body>;
    type Error = E;
    type Future = BoxFuture<'static, Result<Response<Body>, E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        // Whether the stack is ready is asked of the copy that serves the request.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.serve(request)
    }
}

impl<E> Clone for Shared<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> fmt::Debug for Shared<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

trait Stacked<E>: Send + Sync {
    fn serve(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, E>>;
}

impl<S, E> Stacked<E> for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = E> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    fn serve(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, E>> {
        Box::pin(self.clone().oneshot(request))
    }
}
