//! An upstream's event stream under translation.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::{Flow, Opening, Translate};
use crate::error::{ApiError, BoxError};

/// Silence after which a comment is sent, so that nothing on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Silence of the upstream after which the stream counts as stalled: what Codex waits.
const IDLE_GAP: Duration = Duration::from_mins(5);
/// How long the upstream may take to close after its last event. Reading to the end lets the
/// connection serve again; the client has everything by then.
const LINGER: Duration = Duration::from_millis(250);
/// How long a client waits for a status, once the upstream has given its own, in case that the
/// answer begins with a failure. It loses nothing by it: there is no text yet.
const OPENING: Duration = Duration::from_secs(1);
/// A frame is handed over at this size even if more could be read at once.
const FRAME_BYTES: usize = 64 << 10;

/// Comments are no events: every client skips them.
const COMMENT: &[u8] = b": keep-alive\n\n";

pin_project! {
    // An event stream under translation.
    pub(super) struct EventStream<R, T> {
        #[pin]
        upstream: Option<R>,
        translate: T,
        out: BytesMut,
        ended: bool,
        // The last event, and the last thing sent: each kind of silence is counted from its own.
        heard_at: Option<Instant>,
        sent_at: Option<Instant>,
        // Boxed, so that the body can be moved wherever the upstream's can.
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<R, T> EventStream<R, T> {
    pub(super) fn new(upstream: R, translate: T) -> Self {
        Self {
            upstream: Some(upstream),
            translate,
            out: BytesMut::new(),
            ended: false,
            heard_at: None,
            sent_at: None,
            timer: None,
        }
    }
}

impl<R, T> EventStream<R, T>
where
    R: Body<Data = Bytes, Error: Into<BoxError>>,
    T: Translate,
{
    /// Reads on until there is some of the answer, or the client should wait no longer.
    pub(super) async fn opened(mut self) -> Result<Self, ApiError>
    where
        R: Unpin,
    {
        self.heard_at = Some(Instant::now());
        let opening = timeout(OPENING, poll_fn(|cx| self.poll_opening(cx)));
        match opening.await {
            Ok(Opening::Failed(error)) => Err(*error),
            _ => Ok(self),
        }
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Opening>
    where
        R: Unpin,
    {
        let open = Pin::new(&mut *self).read_what_is_ready(cx);
        match self.translate.opening() {
            Opening::Nothing if open && !self.ended => Poll::Pending,
            opening => Poll::Ready(opening),
        }
    }

    pub(super) fn poll_bytes(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Frame<Bytes>>> {
        let open = self.as_mut().read_what_is_ready(cx);
        let this = self.as_mut().project();
        if !this.out.is_empty() {
            *this.sent_at = Some(Instant::now());
            return Poll::Ready(Some(Frame::data(this.out.split().freeze())));
        }
        match (open, *this.ended) {
            (false, _) => Poll::Ready(None),
            (true, true) => self.poll_linger(cx),
            (true, false) => self.poll_silence(cx),
        }
    }

    /// Translates all that the upstream has ready; says whether more can come.
    fn read_what_is_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let mut heard = false;
        while this.out.len() < FRAME_BYTES {
            let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
                return false;
            };
            let flow = match upstream.poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(_))) if *this.ended => Flow::Nothing,
                Poll::Ready(_) if *this.ended => Flow::Cut,
                Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                    Some(piece) => this.translate.piece(piece, this.out),
                    None => Flow::Nothing,
                },
                Poll::Ready(end) => {
                    this.translate.broken(&early_end(end.is_some()), this.out);
                    Flow::Cut
                }
            };
            match flow {
                Flow::Nothing => {}
                Flow::Events => heard = true,
                // What is left is read at the next poll, once the client has its answer.
                Flow::Ended => {
                    *this.ended = true;
                    *this.timer = None;
                    break;
                }
                Flow::Cut => {
                    *this.ended = true;
                    this.upstream.set(None);
                }
            }
        }
        if heard {
            *this.heard_at = Some(Instant::now());
        }
        true
    }

    /// The client has all; the upstream has a moment to close, so that its connection lives on.
    fn poll_linger(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let mut this = self.project();
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        ready!(timer.as_mut().poll(cx));
        this.upstream.set(None);
        Poll::Ready(None)
    }

    fn poll_silence(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let mut this = self.project();
        loop {
            let now = Instant::now();
            let stalls_at = *this.heard_at.get_or_insert(now) + IDLE_GAP;
            let comment_at = *this.sent_at.get_or_insert(now) + KEEP_ALIVE;
            if now >= stalls_at {
                this.translate.broken(&stalled(), this.out);
                *this.ended = true;
                this.upstream.set(None);
                return Poll::Ready(Some(Frame::data(this.out.split().freeze())));
            }
            if now >= comment_at {
                *this.sent_at = Some(now);
                return Poll::Ready(Some(Frame::data(Bytes::from_static(COMMENT))));
            }
            // An earlier alarm than needed is set again here, not at each event.
            let alarm = || Box::pin(sleep_until(stalls_at.min(comment_at)));
            ready!(this.timer.get_or_insert_with(alarm).as_mut().poll(cx));
            *this.timer = None;
        }
    }
}

fn early_end(failed: bool) -> ApiError {
    let message = if failed {
        "the connection to the upstream broke in the middle of the answer; try again"
    } else {
        "the upstream ended the answer before it was complete; try again"
    };
    ApiError::upstream(StatusCode::BAD_GATEWAY, "upstream_connection_lost", message)
}

fn stalled() -> ApiError {
    let message = "the upstream went silent in the middle of the answer; try again";
    ApiError::upstream(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", message)
}

/// Reads a stream to its end for a client that wants one answer.
///
/// # Errors
/// An [`ApiError`] when the stream breaks or stalls, or the one that `piece` gives.
pub(crate) async fn read_whole<R>(
    body: R,
    mut piece: impl FnMut(&[u8]) -> Result<Flow, ApiError>,
) -> Result<(), BoxError>
where
    R: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut body = std::pin::pin!(body);
    let mut heard_at = Instant::now();
    loop {
        let next = tokio::time::timeout_at(heard_at + IDLE_GAP, body.frame());
        let frame = match next.await.map_err(|_| stalled())? {
            Some(Ok(frame)) => frame,
            end => return Err(early_end(end.is_some()).into()),
        };
        let flow = frame
            .data_ref()
            .map_or(Ok(Flow::Nothing), |data| piece(data))?;
        match flow {
            Flow::Nothing => {}
            Flow::Events => heard_at = Instant::now(),
            Flow::Cut => return Ok(()),
            Flow::Ended => break,
        }
    }
    // The end lets the connection serve again; it is not worth more than a moment.
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
    Ok(())
}
