//! A stream passed on byte for byte, by whole events, and watched for its end.

use std::fmt;

use bytes::{BufMut, BytesMut};
use memchr::memmem;
use serde_json::json;

use super::{aggregate::Kept, event::is_last, recall::OpenTurn};
use crate::{
    error::ApiError,
    sse::{Decoder, EventTooLarge},
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
}

impl Relay {
    /// For an answer that is to be kept once it is complete.
    pub(super) fn keeping(turn: Option<OpenTurn>) -> Self {
        Self {
            turn,
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
        let Self {
            decoder,
            kept,
            turn,
            ..
        } = self;
        let (mut flow, mut amended) = (Flow::Nothing, None);
        let pushed = decoder.push(piece, |data| {
            if flow == Flow::Ended {
                return;
            }
            flow = Flow::Events;
            if is_last(data) {
                flow = Flow::Ended;
                amended = kept.completed(data, turn.take()).map(|complete| {
                    let data = data.to_owned();
                    Amended { data, complete }
                });
            } else if memmem::find(data, ITEM_DONE).is_some() {
                // It is no last event, and so no failure.
                let _ = kept.event(data);
            }
        });
        match pushed {
            Ok(0) => self.held.put_slice(piece),
            Ok(whole) => {
                if let Some(amended) = amended {
                    self.held.put_slice(&piece[..whole]);
                    amended.write(&self.held.split(), out);
                } else {
                    out.put_slice(&self.held.split());
                    out.put_slice(&piece[..whole]);
                }
                self.held.put_slice(&piece[whole..]);
            }
            Err(EventTooLarge) => {
                write_error(&crate::chat::response::too_large(), out);
                return Flow::Cut;
            }
        }
        flow
    }

    fn broken(&mut self, error: &ApiError, out: &mut BytesMut) {
        write_error(error, out);
    }
}

/// Far cheaper to look for than every event is to read.
const ITEM_DONE: &[u8] = b"\"response.output_item.done\"";

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
