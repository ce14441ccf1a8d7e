use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_ENCODING};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::RequestHandle;
use crate::meter::{model_at_end, model_at_start};

pin_project! {
    /// A request's body as it is, looked at for the model that is asked for. Only the beginning of
    /// it is read, and, as long as that names no model, the end of each piece.
    pub struct NotedBody<B> {
        #[pin]
        body: B,
        asked: Option<Asked>,
    }
}

/// What is still looked for.
struct Asked {
    handle: RequestHandle,
    begun: bool,
}

impl<B> NotedBody<B> {
    pub(super) fn new(body: B, headers: &HeaderMap, handle: &RequestHandle) -> Self {
        // What is packed stays so.
        let plain = !headers.contains_key(CONTENT_ENCODING);
        let asked = plain.then(|| Asked {
            handle: handle.clone(),
            begun: false,
        });
        Self { body, asked }
    }
}

impl Asked {
    /// Whether there is nothing more to look for.
    fn look(&mut self, piece: &[u8]) -> bool {
        let begun = std::mem::replace(&mut self.begun, true);
        let at_start = (!begun).then(|| model_at_start(piece)).flatten();
        let known = at_start.is_some();
        if let Some(model) = at_start.or_else(|| model_at_end(piece)) {
            self.handle.note_asked_model(&model);
        }
        known
    }
}

impl<B: Body<Data = Bytes>> Body for NotedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        let data = frame.as_ref().and_then(|it| it.as_ref().ok()?.data_ref());
        if let (Some(data), Some(asked)) = (data, this.asked.as_mut())
            && asked.look(data)
        {
            *this.asked = None;
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

impl<B> fmt::Debug for NotedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotedBody").finish_non_exhaustive()
    }
}
