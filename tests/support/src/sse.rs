//! Event streams: how an event is written, and a body that sends them one by one.

use std::iter::Peekable;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::Frame;
use serde::Serialize;
use tokio::time::Sleep;

use crate::faults::Action;
use crate::shared::Shared;

/// An event with a name (WHATWG HTML 9.2.6).
pub(crate) fn event(kind: &str, write_data: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = Vec::with_capacity(320);
    bytes.extend_from_slice(b"event: ");
    bytes.extend_from_slice(kind.as_bytes());
    bytes.extend_from_slice(b"\ndata: ");
    write_data(&mut bytes);
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}

/// An event without a name, as chat completions have it.
pub(crate) fn data(data: &impl Serialize) -> Bytes {
    let mut bytes = Vec::with_capacity(320);
    bytes.extend_from_slice(b"data: ");
    // Writing to memory fails only for map keys that are no text, and ours are.
    let _ = serde_json::to_writer(&mut bytes, data);
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}

/// A body that sends one event per frame. Dropped before its end, it counts as cancelled.
pub(crate) struct EventBody {
    /// Peeked, so that a client that leaves after the last event has not cancelled anything.
    events: Peekable<Box<dyn Iterator<Item = Bytes> + Send>>,
    delay: Option<Duration>,
    pause: Option<Pin<Box<Sleep>>>,
    fault: Option<StreamFault>,
    sent: usize,
    ended: bool,
    shared: Arc<Shared>,
}

/// What goes wrong in the middle of a stream.
#[derive(Clone, Copy, Debug)]
enum StreamFault {
    Cut { after: usize },
    Stall { after: usize, pause: Duration },
}

/// Long enough for what was sent to leave, before the connection is cut.
const FLUSH: Duration = Duration::from_millis(20);

impl EventBody {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        fault: Option<&Action>,
        events: impl Iterator<Item = Bytes> + Send + 'static,
    ) -> Self {
        shared.open_streams.fetch_add(1, Ordering::Relaxed);
        let events: Box<dyn Iterator<Item = Bytes> + Send> = Box::new(events);
        Self {
            events: events.peekable(),
            delay: shared.settings.event_delay,
            pause: None,
            fault: fault.and_then(StreamFault::of),
            sent: 0,
            ended: false,
            shared: Arc::clone(shared),
        }
    }

    /// The pause before the next event, if one is due and has not been made.
    fn due_pause(&mut self) -> Option<Duration> {
        match self.fault {
            Some(StreamFault::Cut { after }) if after == self.sent => Some(FLUSH),
            Some(StreamFault::Stall { after, pause }) if after == self.sent => {
                self.fault = None;
                Some(pause)
            }
            _ => self.delay.filter(|_| self.sent > 0 && !self.ended),
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pause.is_none() {
            let Some(pause) = self.due_pause() else {
                return Poll::Ready(());
            };
            self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        }
        match &mut self.pause {
            Some(pause) => pause.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl StreamFault {
    fn of(action: &Action) -> Option<Self> {
        match *action {
            Action::CutAfter { events } | Action::CloseAfter { events, .. } => {
                Some(Self::Cut { after: events })
            }
            Action::StallAfter {
                events,
                milliseconds,
            } => {
                let pause = Duration::from_millis(milliseconds);
                Some(Self::Stall {
                    after: events,
                    pause,
                })
            }
            _ => None,
        }
    }
}

impl http_body::Body for EventBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        ready!(self.poll_pause(cx));
        self.pause = None;
        if matches!(self.fault, Some(StreamFault::Cut { after }) if after == self.sent) {
            self.ended = true;
            return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionAborted.into())));
        }
        self.sent += 1;
        self.shared.events.fetch_add(1, Ordering::Relaxed);
        let event = self.events.next();
        self.ended = self.events.peek().is_none();
        let event = match event {
            Some(event) if self.shared.settings.stamped => Some(stamped(event)),
            event => event,
        };
        Poll::Ready(event.map(|event| Ok(Frame::data(event))))
    }
}

/// What stands for the time at which an event is sent.
const NO_TIME: &[u8; 20] = b"####################";

fn stamped(event: Bytes) -> Bytes {
    let mut windows = event.windows(NO_TIME.len());
    let Some(at) = windows.position(|window| window == NO_TIME) else {
        return event;
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = format!("{:020}", now.unwrap_or_default().as_nanos());
    let mut event = event.to_vec();
    event[at..at + NO_TIME.len()].copy_from_slice(now.as_bytes());
    event.into()
}

impl Drop for EventBody {
    fn drop(&mut self) {
        self.shared.open_streams.fetch_sub(1, Ordering::Relaxed);
        if !self.ended {
            self.shared
                .cancelled_streams
                .fetch_add(1, Ordering::Relaxed);
        }
    }
}
