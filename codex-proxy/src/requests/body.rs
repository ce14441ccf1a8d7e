use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::OpenRequest;
use crate::{ApiError, BoxError, error::ErrorMark};

/// How a stream of the public API ends; who has read it may leave.
const LAST_WORD: &[u8] = b"data: [DONE]\n\n";

pin_project! {
    /// An answer's body as it is, watched for its beginning and its end.
    pub struct ListedBody<R: Body> {
        #[pin]
        body: R,
        request: Option<OpenRequest>,
        // What a reader that counts must have read before it may drop the body unfinished.
        length: Option<u64>,
        read: u64,
        said_last_word: bool,
    }

    impl<R: Body> PinnedDrop for ListedBody<R> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let whole = *this.length == Some(*this.read);
            let over = whole || *this.said_last_word || this.body.is_end_stream();
            if let Some(request) = this.request.as_mut().filter(|_| over) {
                request.end();
            }
        }
    }
}

impl<R: Body> ListedBody<R> {
    /// `request` is that of this answer; without one, nothing is watched.
    pub(super) fn new(body: R, request: Option<OpenRequest>) -> Self {
        Self {
            length: body.size_hint().exact(),
            body,
            request,
            read: 0,
            said_last_word: false,
        }
    }
}

impl<R> Body for ListedBody<R>
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
        let Some(request) = this.request else {
            return Poll::Ready(frame);
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) {
                    request.first_byte();
                    *this.read += data.len() as u64;
                    *this.said_last_word = data.ends_with(LAST_WORD);
                }
            }
            Some(Err(error)) => {
                let mark = ErrorMark::from(&ApiError::from_boxed(error));
                request.handle().note_error(&mark);
                request.end();
            }
            None => request.end(),
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

impl<R: Body> fmt::Debug for ListedBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedBody").finish_non_exhaustive()
    }
}
