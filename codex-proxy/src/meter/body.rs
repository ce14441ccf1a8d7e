use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Read, TokenWatch};
use crate::{ApiError, BoxError, error::ErrorMark, requests::RequestHandle};

pin_project! {
    /// An answer's body as it is, read for model and tokens.
    pub struct MeteredBody<R> {
        #[pin]
        body: R,
        watched: Option<Watched>,
    }
}

impl<R> MeteredBody<R> {
    pub(super) fn new(body: R, watched: Option<Watched>) -> Self {
        Self { body, watched }
    }
}

/// An answer that somebody wants to know of.
pub(super) struct Watched {
    read: Read,
    handle: Option<RequestHandle>,
    watch: Option<TokenWatch>,
}

impl Watched {
    pub(super) fn new(handle: Option<RequestHandle>, watch: Option<TokenWatch>) -> Self {
        Self {
            read: Read::new(),
            handle,
            watch,
        }
    }

    fn piece(&mut self, piece: &[u8]) {
        let news = self.read.piece(piece);
        let Some(handle) = &self.handle else { return };
        handle.note_heard(piece);
        news.tell(handle);
    }

    fn broken(&self, error: &ErrorMark) {
        if let Some(handle) = &self.handle {
            handle.note_error(error);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let (Some(tokens), Some(watch)) = (self.read.tokens, &self.watch) {
            watch.tell(tokens);
        }
    }
}

impl<R> Body for MeteredBody<R>
where
    R: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        let frame = frame.map(|frame| frame.map_err(Into::into));
        if let Some(watched) = this.watched {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        watched.piece(data);
                    }
                }
                Some(Err(error)) => watched.broken(&ErrorMark::from(&ApiError::from_boxed(error))),
                None => {}
            }
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

impl<R> fmt::Debug for MeteredBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredBody").finish_non_exhaustive()
    }
}
