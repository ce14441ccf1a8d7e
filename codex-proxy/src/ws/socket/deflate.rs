use std::fmt;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

/// Below this, what could be saved is less than a packet.
const WORTH_BYTES: usize = 1 << 10;
/// A first prompt of 70 KB takes 0.6 ms, to 21 KB; the best level takes six times as long for 20.
const LEVEL: u32 = 3;
/// The most that goes into one step: a few milliseconds, after which others have their turn.
const STEP_BYTES: usize = 256 << 10;
/// What is left out at the end of each message (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// Compresses one message. None refers to another, so that nothing is kept between two.
pub(super) struct Deflating {
    message: Message,
    data: Bytes,
    opcode: Data,
    compress: Compress,
    read_bytes: usize,
    deflated: Vec<u8>,
}

/// What is said is never shown.
impl fmt::Debug for Deflating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflating").finish_non_exhaustive()
    }
}

impl Deflating {
    /// Begins, where it is worth the while; else gives the message back.
    pub(super) fn new(message: Message, window_bits: u8) -> Result<Self, Message> {
        let (data, opcode) = match &message {
            Message::Text(text) => (text.clone().into(), Data::Text),
            Message::Binary(data) => (data.clone(), Data::Binary),
            _ => return Err(message),
        };
        if data.len() < WORTH_BYTES {
            return Err(message);
        }
        let compress = Compress::new_with_window_bits(Compression::new(LEVEL), false, window_bits);
        Ok(Self {
            message,
            deflated: Vec::with_capacity(data.len().min(STEP_BYTES) / 2),
            data,
            opcode,
            compress,
            read_bytes: 0,
        })
    }

    /// Goes on; gives what is to be sent when it is done.
    pub(super) fn step(&mut self) -> Option<Message> {
        let end = self.data.len().min(self.read_bytes + STEP_BYTES);
        let flush = if end == self.data.len() {
            FlushCompress::Sync
        } else {
            FlushCompress::None
        };
        loop {
            self.deflated.reserve(STEP_BYTES / 8);
            let before = self.compress.total_in();
            let input = &self.data[self.read_bytes..end];
            self.compress
                .compress_vec(input, &mut self.deflated, flush)
                .expect("neither the stream nor its parameters can be wrong");
            let read = self.compress.total_in() - before;
            self.read_bytes += usize::try_from(read).expect("no more than there was");
            let full = self.deflated.len() == self.deflated.capacity();
            if self.read_bytes == end && !full {
                break;
            }
        }
        (end == self.data.len()).then(|| self.finish())
    }

    fn finish(&mut self) -> Message {
        let mut deflated = std::mem::take(&mut self.deflated);
        if deflated.ends_with(&TAIL) {
            deflated.truncate(deflated.len() - TAIL.len());
        }
        if deflated.len() >= self.data.len() {
            return self.message.clone();
        }
        let mut frame = Frame::message(deflated, OpCode::Data(self.opcode), true);
        frame.header_mut().rsv1 = true;
        Message::Frame(frame)
    }
}
