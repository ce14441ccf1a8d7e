//! A stream passed on byte for byte, by whole events, and watched for its end.

use bytes::{BufMut, BytesMut};
use serde_json::json;

use super::event::is_last;
use crate::{
    error::ApiError,
    sse::{Decoder, EventTooLarge},
    translated::{Flow, Translate},
};

/// Passes a Responses stream on. An event is held back until it is whole: after half an event, the
/// error event of a broken stream would be taken for a part of it.
#[derive(Debug, Default)]
pub struct Relay {
    decoder: Decoder,
    held: BytesMut,
}

impl Translate for Relay {
    fn piece(&mut self, piece: &[u8], out: &mut BytesMut) -> Flow {
        let mut flow = Flow::Nothing;
        let pushed = self.decoder.push(piece, |data| {
            if flow != Flow::Ended {
                flow = if is_last(data) {
                    Flow::Ended
                } else {
                    Flow::Events
                };
            }
        });
        match pushed {
            Ok(0) => self.held.put_slice(piece),
            Ok(whole) => {
                out.put_slice(&self.held.split());
                out.put_slice(&piece[..whole]);
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

fn write_error(error: &ApiError, out: &mut BytesMut) {
    let event = json!({
        "type": "error", "code": error.code, "message": error.message, "param": error.param,
        "sequence_number": 0,
    });
    out.put_slice(format!("event: error\ndata: {event}\n\n").as_bytes());
}
