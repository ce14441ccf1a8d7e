//! A body that reads an upstream's event stream and gives what a [`Translate`] makes of it.

mod exchange;
mod message;
mod stream;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;

use self::stream::EventStream;
pub(crate) use self::{
    exchange::exchange,
    message::{answer_headers, read_body, request_headers, require_plain},
    stream::read_whole,
};
use crate::error::{ApiError, BoxError};

/// Says on an answer which parameters of the request were left out.
pub const X_CODEX_ROUTER_DROPPED: http::HeaderName =
    http::HeaderName::from_static("x-codex-router-dropped");

/// What became of a stream after a piece of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Nothing but part of an event, or comments.
    Nothing,
    /// At least one event.
    Events,
    /// The upstream has said its last word.
    Ended,
    /// Enough was read: the upstream can stop.
    Cut,
}

/// Turns an upstream's stream into the client's.
pub trait Translate {
    /// Takes a piece of the stream, cut anywhere, and writes what it becomes.
    fn piece(&mut self, piece: &[u8], out: &mut BytesMut) -> Flow;
    /// Writes that the stream broke before its end. Never a clean end.
    fn broken(&mut self, error: &ApiError, out: &mut BytesMut);
    /// What there is of the answer. By default some: then an answer is never held back.
    fn opening(&mut self) -> Opening {
        Opening::Given
    }
}

/// What there is of an answer to which the client has not yet been given a status.
#[derive(Debug, Default)]
pub enum Opening {
    /// Nothing that would be lost if the answer failed now.
    #[default]
    Nothing,
    /// Some of the answer.
    Given,
    /// Nothing, and there will be nothing.
    Failed(Box<ApiError>),
}

pin_project! {
    /// The answer of a layer that translates: translated, made whole, or left as it came.
    pub struct TranslatedBody<R, T> {
        #[pin]
        kind: Kind<R, T>,
    }
}

pin_project! {
    #[project = Projected]
    enum Kind<R, T> {
        // The inner service's own body.
        Untouched { #[pin] body: R },
        // A body in one piece.
        Whole { #[pin] body: Full<Bytes> },
        // A stream, translated as it comes.
        Stream { #[pin] stream: EventStream<R, T> },
    }
}

impl<R, T> TranslatedBody<R, T> {
    pub(crate) fn untouched(body: R) -> Self {
        let kind = Kind::Untouched { body };
        Self { kind }
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let body = Full::new(bytes.into());
        let kind = Kind::Whole { body };
        Self { kind }
    }

    /// Translates the event stream of an upstream.
    #[must_use]
    pub fn stream(upstream: R, translate: T) -> Self {
        let stream = EventStream::new(upstream, translate);
        let kind = Kind::Stream { stream };
        Self { kind }
    }

    /// Translates the event stream of an upstream once it has begun to answer, or a second has
    /// passed. An upstream that fails first has answered with an error, whatever its status was.
    ///
    /// # Errors
    /// That error, with the status that it would have had as a plain answer.
    pub async fn opened(upstream: R, translate: T) -> Result<Self, ApiError>
    where
        R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
        T: Translate,
    {
        let stream = EventStream::new(upstream, translate).opened().await?;
        let kind = Kind::Stream { stream };
        Ok(Self { kind })
    }
}

impl<R, T> std::fmt::Debug for TranslatedBody<R, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Untouched { .. } => "TranslatedBody::Untouched",
            Kind::Whole { .. } => "TranslatedBody::Whole",
            Kind::Stream { .. } => "TranslatedBody::Stream",
        })
    }
}

impl<R, T> Body for TranslatedBody<R, T>
where
    R: Body<Data = Bytes, Error: Into<BoxError>>,
    T: Translate,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            Projected::Untouched { body } => body.poll_frame(cx).map_err(Into::into),
            Projected::Whole { body } => body.poll_frame(cx).map_err(Into::into),
            Projected::Stream { stream } => (stream.poll_bytes(cx)).map(|bytes| bytes.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Whole { body } => body.is_end_stream(),
            Kind::Stream { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Untouched { body } => body.size_hint(),
            Kind::Whole { body } => body.size_hint(),
            Kind::Stream { .. } => SizeHint::default(),
        }
    }
}
