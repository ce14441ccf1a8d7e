//! A body that reads an upstream's event stream and gives what a [`Translate`] makes of it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::error::{ApiError, BoxError};

/// Silence after which a comment is sent, so that nothing on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Silence of the upstream after which the stream counts as stalled: what Codex waits.
const IDLE_GAP: Duration = Duration::from_mins(5);
/// How long the upstream may take to close after its last event. Reading to the end lets the
/// connection serve again; the client has everything by then.
const LINGER: Duration = Duration::from_millis(250);
/// A frame is handed over at this size even if more could be read at once.
const FRAME_BYTES: usize = 64 << 10;

/// Comments are no events: every client skips them.
const COMMENT: &[u8] = b": keep-alive\n\n";

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

pin_project! {
    // An event stream under translation.
    struct EventStream<R, T> {
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
    fn new(upstream: R, translate: T) -> Self {
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
    fn poll_bytes(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
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

/// Makes the headers of a request fit a body that was written anew.
pub(crate) fn request_headers(headers: &mut HeaderMap) {
    for name in [
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        TRANSFER_ENCODING,
        ACCEPT_ENCODING,
    ] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        http::header::ACCEPT,
        HeaderValue::from_static("text/event-stream"),
    );
}

/// Makes the headers of an answer fit a body that was written anew.
pub(crate) fn answer_headers(headers: &mut HeaderMap, stream: bool, dropped: &[String]) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let kind = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if stream {
        headers.insert(
            http::header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        );
    }
    if let Some(names) = header_list(dropped) {
        headers.insert(X_CODEX_ROUTER_DROPPED, names);
    }
}

/// Names as a header value. A client may make up any name: those no header can carry are left out,
/// and the list ends before it grows past what servers accept.
fn header_list(names: &[String]) -> Option<HeaderValue> {
    let mut list = String::new();
    for name in names.iter().filter(|name| is_token(name)) {
        if list.len() + name.len() > 1024 {
            break;
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(name);
    }
    HeaderValue::from_str(&list)
        .ok()
        .filter(|value| !value.is_empty())
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && (name.bytes()).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Refuses a body that must be read and is still compressed.
///
/// # Errors
/// 415, which a client answers by sending the body plain.
pub(crate) fn require_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(ApiError::invalid_request(
            "unsupported_content_encoding",
            "the request body is compressed in a way that is not understood here: send it plain",
        )
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        _ => Ok(()),
    }
}

/// Refuses an answer that must be read and is compressed, although none was asked for.
///
/// # Errors
/// 502.
pub(crate) fn require_plain_answer(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(ApiError::upstream(
            StatusCode::BAD_GATEWAY,
            "upstream_encoding",
            "the upstream's answer is compressed, although it was asked for a plain one",
        )),
        _ => Ok(()),
    }
}

/// The body of a request, up to a limit.
///
/// # Errors
/// [`http_body_util::LengthLimitError`] beyond it, else the body's own.
pub(crate) async fn read_body<B>(body: B, limit_bytes: usize) -> Result<Bytes, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let limited = http_body_util::Limited::new(body, limit_bytes);
    Ok(limited.collect().await?.to_bytes())
}
