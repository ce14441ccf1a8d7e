use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::layer::RequestSpan;

pin_project! {
    /// An answer's body as it is; its request's span ends with it.
    pub struct TracedBody<R> {
        // Before the span, which ends with the drop of this; what is inside may have its say.
        #[pin]
        body: R,
        span: Option<RequestSpan>,
    }
}

impl<R> TracedBody<R> {
    pub(super) fn new(body: R, span: Option<RequestSpan>) -> Self {
        Self { body, span }
    }
}

impl<R: Body> Body for TracedBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        match &frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                if let Some(span) = this.span.take() {
                    span.broke();
                }
            }
            None => drop(this.span.take()),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<R> fmt::Debug for TracedBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedBody").finish_non_exhaustive()
    }
}
