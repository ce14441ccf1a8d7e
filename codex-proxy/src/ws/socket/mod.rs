//! One side of a connection: messages of bounded size, compressed where both ends agreed.
//!
//! The library knows no extension. So its connection is [`Marked`], its incoming messages are
//! inflated after it, and those that go out are handed to it as finished frames.

mod deflate;
mod inflate;
mod marks;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{Role, WebSocketConfig},
    },
};

use self::{
    deflate::Deflating,
    inflate::Inflater,
    marks::{Mark, Marked},
};
use super::extension::Compression;

/// The largest message either way, inflated, as large as a request body may be.
pub(super) const MESSAGE_LIMIT_BYTES: usize = 64 << 20;
/// Four of these for each connection; larger ones would only cost memory.
const BUFFER_BYTES: usize = 16 << 10;

/// Why a connection cannot be used any longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    #[error(transparent)]
    Library(#[from] Error),
    #[error("a message cannot be decompressed")]
    NotDeflate,
}

/// The messages of one connection. What is fed to it leaves when it is flushed, or when there is
/// too much of it.
///
/// # Cancellation
/// Nothing is lost with a future over it: a message that is half inflated or half compressed waits
/// in here.
pub(super) struct Socket<I> {
    library: WebSocketStream<Marked<I>>,
    inflater: Inflater,
    window_bits: Option<u8>,
    deflating: Option<Deflating>,
    /// Compressed, and not yet taken by the library.
    deflated: Option<Message>,
}

/// What is said is never shown, be it in a buffer of the library's.
impl<I> fmt::Debug for Socket<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Socket<I> {
    pub(super) async fn new(io: I, role: Role, compression: Option<Compression>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_message_size(Some(MESSAGE_LIMIT_BYTES))
            .max_frame_size(Some(MESSAGE_LIMIT_BYTES));
        let io = Marked::new(io, compression.is_some());
        let takeover = compression.is_some_and(|it| it.takeover);
        Self {
            library: WebSocketStream::from_raw_socket(io, role, Some(config)).await,
            inflater: Inflater::new(takeover, MESSAGE_LIMIT_BYTES),
            window_bits: compression.and_then(|it| it.window_bits),
            deflating: None,
            deflated: None,
        }
    }

    /// Nothing is under way in here; what the library has is another matter.
    fn poll_deflated(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if let Some(deflating) = &mut self.deflating {
            self.deflated = deflating.step();
            if self.deflated.is_none() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.deflating = None;
        }
        if self.deflated.is_some() {
            ready!(self.library.poll_ready_unpin(cx))?;
            if let Some(message) = self.deflated.take() {
                self.library.start_send_unpin(message)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Stream for Socket<I> {
    type Item = Result<Message, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.inflater.is_busy() {
                let inflated = self.inflater.step().transpose();
                if inflated.is_none() {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(inflated);
            }
            let message = match ready!(self.library.poll_next_unpin(cx)) {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => message,
                other => return Poll::Ready(other.map(|it| it.map_err(Into::into))),
            };
            let mark = self.library.get_mut().take();
            if mark == Mark::Plain {
                return Poll::Ready(Some(Ok(message)));
            }
            let text = mark == Mark::DeflatedText;
            self.inflater.begin(message.into_data(), text);
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Socket<I> {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        ready!(self.poll_deflated(cx))?;
        self.library.poll_ready_unpin(cx).map_err(Into::into)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        let message = match self.window_bits {
            None => message,
            Some(bits) => match Deflating::new(message, bits) {
                Ok(deflating) => {
                    self.deflating = Some(deflating);
                    return Ok(());
                }
                Err(message) => message,
            },
        };
        self.library.start_send_unpin(message).map_err(Into::into)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        ready!(self.poll_deflated(cx))?;
        self.library.poll_flush_unpin(cx).map_err(Into::into)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        ready!(self.poll_deflated(cx))?;
        self.library.poll_close_unpin(cx).map_err(Into::into)
    }
}
