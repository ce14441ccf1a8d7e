//! A stream passed on byte for byte, by whole events, and watched for its end.

use std::fmt;

use bytes::{BufMut, BytesMut};
use memchr::memmem;
use serde_json::json;

use super::{aggregate::Kept, event::Mark, limit::Limiter, recall::OpenTurn};
use crate::{
    error::ApiError,
    sse::Decoder,
    translated::{Flow, Translate},
};

/// Passes a Responses stream on. An event is held back until it is whole: after half an event, the
/// error event of a broken stream would be taken for a part of it.
///
/// Only the last event is written anew: if its `output` is empty although there were items, since
/// the helpers of the SDKs take the final answer from there; and, where answers are kept, so that
/// its `store` and `previous_response_id` say what the client asked. The events before it say what
/// the upstream was asked; the SDKs take neither from there.
#[derive(Default)]
pub struct Relay {
    decoder: Decoder,
    held: BytesMut,
    kept: Kept,
    turn: Option<OpenTurn>,
    limiter: Option<Limiter>,
}

impl Relay {
    /// For an answer that is to be kept once it is complete, and cut where it is too long. With a
    /// limit every event is written anew, whole as it is.
    pub(super) fn new(turn: Option<OpenTurn>, max_output_tokens: Option<u64>) -> Self {
        Self {
            turn,
            limiter: max_output_tokens.map(Limiter::new),
            ..Self::default()
        }
    }
}

/// What is said is never shown.
impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

/// What the last event says, and what it should say.
struct Amended {
    data: Vec<u8>,
    complete: Vec<u8>,
}

impl Translate for Relay {
    fn piece(&mut self, piece: &[u8], out: &mut BytesMut) -> Flow {
        let Some(limiter) = &mut self.limiter else {
            return self.relay(piece, out);
        };
        let mut passed = BytesMut::new();
        let ended = limiter.piece(piece, &mut passed);
        let flow = self.relay(&passed, out);
        match ended {
            Ok(false) => flow,
            Ok(true) => Flow::Cut,
            Err(too_large) => {
                write_error(&too_large.into(), out);
                Flow::Cut
            }
        }
    }

    fn broken(&mut self, error: &ApiError, out: &mut BytesMut) {
        write_error(error, out);
    }
}

impl Relay {
    fn relay(&mut self, piece: &[u8], out: &mut BytesMut) -> Flow {
        let Self {
            decoder,
            kept,
            turn,
            ..
        } = self;
        let (mut flow, mut amended, mut events) = (Flow::Nothing, None, 0);
        let pushed = decoder.push(piece, |data| {
            if flow == Flow::Ended {
                return;
            }
            events += 1;
            flow = Flow::Events;
            match Mark::of(data) {
                Mark::Last => {
                    flow = Flow::Ended;
                    amended = kept.completed(data, turn.take()).map(|complete| {
                        let data = data.to_owned();
                        Amended { data, complete }
                    });
                }
                // It is no last event, and so no failure.
                Mark::ItemDone => drop(kept.event(data)),
                Mark::Other => {}
            }
        });
        match pushed {
            Ok(0) => self.held.put_slice(piece),
            Ok(_) if flow == Flow::Ended => {
                self.held.put_slice(piece);
                let held = self.held.split();
                let told = up_to_event(&held, events);
                match amended {
                    Some(amended) => amended.write(told, out),
                    None => out.put_slice(told),
                }
                // The other half of the line end may come with the next piece, which is not read.
                if told.ends_with(b"\r\n\r") {
                    out.put_u8(b'\n');
                }
            }
            Ok(whole) => {
                out.put_slice(&self.held.split());
                out.put_slice(&piece[..whole]);
                self.held.put_slice(&piece[whole..]);
            }
            Err(too_large) => {
                write_error(&too_large.into(), out);
                return Flow::Cut;
            }
        }
        flow
    }
}

/// The first events of a stream. What follows the last one is part of no answer, and would pass or
/// not as the network happens to cut.
fn up_to_event(stream: &[u8], count: usize) -> &[u8] {
    let (mut decoder, mut seen, mut from) = (Decoder::default(), 0, 0);
    for end in memchr::memchr2_iter(b'\n', b'\r', stream) {
        // Events too large were found by the decoder of the whole.
        let _ = decoder.push(&stream[from..=end], |_| seen += 1);
        from = end + 1;
        if seen == count {
            break;
        }
    }
    &stream[..from]
}

impl Amended {
    /// The events with the data of the last one replaced. Data of several lines does not stand in
    /// them as it was read; it passes as it is.
    fn write(&self, events: &[u8], out: &mut BytesMut) {
        let Some(start) = memmem::rfind(events, &self.data) else {
            return out.put_slice(events);
        };
        out.put_slice(&events[..start]);
        out.put_slice(&self.complete);
        out.put_slice(&events[start + self.data.len()..]);
    }
}

fn write_error(error: &ApiError, out: &mut BytesMut) {
    let event = json!({
        "type": "error", "code": error.code, "message": error.message, "param": error.param,
        "sequence_number": 0,
    });
    out.put_slice(format!("event: error\ndata: {event}\n\n").as_bytes());
}
