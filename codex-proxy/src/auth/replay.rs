use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::BoxError;

/// A request body that can be sent twice if it is not too long.
///
/// Within the limit it is the chunks that were read, none of them copied; beyond it, those chunks
/// followed by the rest, once. Never an error, never unbounded memory.
#[derive(Debug)]
pub struct ReplayBody<B> {
    read: VecDeque<Bytes>,
    read_bytes: u64,
    rest: Option<B>,
}

impl<B> ReplayBody<B> {
    /// A body to be sent once, of which nothing is read ahead.
    #[must_use]
    pub fn unread(body: B) -> Self {
        Self {
            read: VecDeque::new(),
            read_bytes: 0,
            rest: Some(body),
        }
    }
}

impl<B> ReplayBody<B>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    /// Reads `body` up to `limit` bytes. Trailers are dropped: no OpenAI client sends any.
    ///
    /// # Errors
    /// Those of the body.
    pub async fn buffer(body: B, limit: usize) -> Result<Self, BoxError> {
        let mut body = Self::unread(body);
        while body.read_more(limit).await?.is_some() {}
        Ok(body)
    }

    /// Reads the next piece and keeps it: nothing at the end, and once more than `limit` bytes are
    /// kept. Trailers are dropped.
    ///
    /// # Errors
    /// Those of the body.
    pub(crate) async fn read_more(&mut self, limit: usize) -> Result<Option<Bytes>, BoxError> {
        while let Some(body) = self
            .rest
            .as_mut()
            .filter(|_| self.read_bytes <= limit as u64)
        {
            let Some(frame) = body.frame().await else {
                self.rest = None;
                break;
            };
            let Ok(mut data) = frame.map_err(Into::into)?.into_data() else {
                continue;
            };
            let data = data.copy_to_bytes(data.remaining());
            self.read_bytes += data.len() as u64;
            self.read.push_back(data.clone());
            return Ok(Some(data));
        }
        Ok(None)
    }

    /// A second copy, if the body was read to its end. Shares the bytes.
    #[must_use]
    pub fn replay(&self) -> Option<Self> {
        let whole = self.rest.is_none();
        whole.then(|| Self {
            read: self.read.clone(),
            read_bytes: self.read_bytes,
            rest: None,
        })
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(data) = self.read.pop_front() {
            self.read_bytes -= data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let Some(rest) = self.rest.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(rest).poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err(error.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let Some(rest) = &self.rest else {
            return SizeHint::with_exact(self.read_bytes);
        };
        let rest = rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(self.read_bytes + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(self.read_bytes + upper);
        }
        hint
    }
}
