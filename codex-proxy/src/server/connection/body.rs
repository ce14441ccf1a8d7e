use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};

use super::activity::Serving;

pin_project_lite::pin_project! {
    /// The body of an answer, whose request is under way until it is dropped.
    pub(super) struct Served<B> {
        #[pin]
        body: B,
        serving: Serving,
    }
}

impl<B> Served<B> {
    pub(super) fn new(body: B, serving: Serving) -> Self {
        Self { body, serving }
    }
}

impl<B: Body> Body for Served<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        this.serving.asked();
        let frame = ready!(this.body.poll_frame(cx));
        if frame.is_some() {
            this.serving.handed();
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
