use std::fmt;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, error::CapacityError};

use super::SocketError;

/// What a sender leaves out at the end of each message (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// The most that comes of one step: a millisecond or so, after which others have their turn.
const STEP_BYTES: usize = 256 << 10;

/// Takes the compression off one message after the other.
#[derive(Debug)]
pub(super) struct Inflater {
    /// Whether a message may refer to those before it.
    takeover: bool,
    limit_bytes: usize,
    /// Made when it is needed, and kept only where the next message may need it.
    context: Option<Decompress>,
    message: Option<Inflating>,
}

struct Inflating {
    text: bool,
    compressed: Bytes,
    /// How much of it, and of the tail after it, has been read.
    read_bytes: usize,
    inflated: Vec<u8>,
}

impl Inflater {
    pub(super) fn new(takeover: bool, limit_bytes: usize) -> Self {
        Self {
            takeover,
            limit_bytes,
            context: None,
            message: None,
        }
    }

    pub(super) fn begin(&mut self, compressed: Bytes, text: bool) {
        let likely_bytes = compressed.len().saturating_mul(4).min(STEP_BYTES);
        self.message = Some(Inflating {
            text,
            compressed,
            read_bytes: 0,
            inflated: Vec::with_capacity(likely_bytes),
        });
    }

    pub(super) fn is_busy(&self) -> bool {
        self.message.is_some()
    }

    /// Goes on with the message under way; gives it when it is whole.
    ///
    /// # Errors
    /// It outgrows the limit, or is not what it says it is.
    pub(super) fn step(&mut self) -> Result<Option<Message>, SocketError> {
        let Some(mut message) = self.message.take() else {
            return Ok(None);
        };
        let context = self.context.get_or_insert_with(|| Decompress::new(false));
        let end = message.step(context, self.limit_bytes)?;
        if end == End::Open {
            self.message = Some(message);
            return Ok(None);
        }
        // A final block ends what could be referred to.
        if !self.takeover || end == End::Final {
            self.context = None;
        }
        message.into_message().map(Some)
    }
}

/// What was said is never shown.
impl fmt::Debug for Inflating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflating").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The message is whole.
    Whole,
    /// It is, and no message may refer to it.
    Final,
}

impl Inflating {
    fn step(&mut self, context: &mut Decompress, limit_bytes: usize) -> Result<End, SocketError> {
        let until = self.inflated.len() + STEP_BYTES;
        while self.inflated.len() < until {
            let room_bytes = self.make_room(until, limit_bytes);
            let (status, read, written) = self.inflate(context, room_bytes)?;
            if self.inflated.len() > limit_bytes {
                return Err(too_large(self.inflated.len(), limit_bytes));
            }
            let full = written == room_bytes;
            let all_read = self.read_bytes == self.compressed.len() + TAIL.len();
            match status {
                Status::StreamEnd => return Ok(End::Final),
                _ if all_read && !full => return Ok(End::Whole),
                _ if read == 0 && written == 0 => {
                    return Err(SocketError::NotDeflate);
                }
                Status::Ok | Status::BufError => {}
            }
        }
        Ok(End::Open)
    }

    /// As much again where there is none, but for one byte more than may be, by which that shows.
    /// Says how much may come of one call.
    fn make_room(&mut self, until: usize, limit_bytes: usize) -> usize {
        let held_bytes = self.inflated.len();
        let most_bytes = limit_bytes + 1;
        if held_bytes == self.inflated.capacity() {
            let wanted_bytes = (2 * held_bytes).max(256).min(most_bytes);
            self.inflated.reserve_exact(wanted_bytes - held_bytes);
        }
        let room_until = self.inflated.capacity().min(until).min(most_bytes);
        room_until - held_bytes
    }

    /// Says how much was read, and how much was written, which is no more than there is room for.
    fn inflate(
        &mut self,
        context: &mut Decompress,
        room_bytes: usize,
    ) -> Result<(Status, usize, usize), SocketError> {
        let input = match self.read_bytes.checked_sub(self.compressed.len()) {
            Some(of_tail) => &TAIL[of_tail..],
            None => &self.compressed[self.read_bytes..],
        };
        let (in_before, out_before) = (context.total_in(), context.total_out());
        let start = self.inflated.len();
        self.inflated.resize(start + room_bytes, 0);
        let status = context
            .decompress(input, &mut self.inflated[start..], FlushDecompress::Sync)
            .map_err(|_| SocketError::NotDeflate)?;
        let read = usize::try_from(context.total_in() - in_before).expect("no more than there was");
        let written = usize::try_from(context.total_out() - out_before).expect("it was in memory");
        self.inflated.truncate(start + written);
        self.read_bytes += read;
        Ok((status, read, written))
    }

    fn into_message(self) -> Result<Message, SocketError> {
        if !self.text {
            return Ok(Message::Binary(self.inflated.into()));
        }
        let text = Utf8Bytes::try_from(self.inflated).map_err(Error::from)?;
        Ok(Message::Text(text))
    }
}

fn too_large(size: usize, max_size: usize) -> SocketError {
    Error::Capacity(CapacityError::MessageTooLong { size, max_size }).into()
}
