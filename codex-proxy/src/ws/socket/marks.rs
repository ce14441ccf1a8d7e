//! Which messages came compressed: a bit in the first header of each.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How a message that begins here is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Plain,
    DeflatedText,
    DeflatedBinary,
}

/// A connection that takes the mark of compression off the frames that are read from it.
///
/// The library refuses frames with a reserved bit, and text that is not UTF-8. So a compressed text
/// reaches it as a plain binary message of the same length; the marks, in the order of the
/// messages, tell what it was. Of the bytes, nothing but the first of a header changes.
#[derive(Debug)]
pub(super) struct Marked<I> {
    io: I,
    /// Nothing where no extension gives the bit a meaning: then it stays, and is refused.
    frames: Option<Frames>,
}

impl<I> Marked<I> {
    pub(super) fn new(io: I, deflate: bool) -> Self {
        let frames = deflate.then(Frames::default);
        Self { io, frames }
    }

    /// How the next message is to be read, once for each that has come.
    pub(super) fn take(&mut self) -> Mark {
        let marks = self.frames.as_mut().map(|frames| &mut frames.marks);
        marks.and_then(VecDeque::pop_front).unwrap_or(Mark::Plain)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Marked<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if let Some(frames) = &mut self.frames {
            frames.pass(&mut buf.filled_mut()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Marked<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// First byte of a header (RFC 6455, section 5.2).
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0F;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// Second byte.
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;

/// The frames of one direction, followed from header to header.
#[derive(Debug, Default)]
struct Frames {
    /// What has come of a header without its masking key.
    header: [u8; 10],
    header_bytes: usize,
    /// What is still to come of the masking key and the payload.
    rest_bytes: u64,
    /// As many as there can be messages in what is read at once.
    marks: VecDeque<Mark>,
}

impl Frames {
    fn pass(&mut self, mut bytes: &mut [u8]) {
        loop {
            let skipped =
                usize::try_from(self.rest_bytes).map_or(bytes.len(), |rest| rest.min(bytes.len()));
            self.rest_bytes -= skipped as u64;
            let Some((next, after)) = bytes[skipped..].split_first_mut() else {
                return;
            };
            self.take_header_byte(next);
            bytes = after;
        }
    }

    fn take_header_byte(&mut self, byte: &mut u8) {
        if self.header_bytes == 0 {
            *byte = self.without_mark(*byte);
        }
        self.header[self.header_bytes] = *byte;
        self.header_bytes += 1;
        if let Some(rest_bytes) = rest_bytes(&self.header[..self.header_bytes]) {
            self.rest_bytes = rest_bytes;
            self.header_bytes = 0;
        }
    }

    /// A mark anywhere but at the beginning of a message stays, and is refused.
    fn without_mark(&mut self, first: u8) -> u8 {
        let (mark, plain) = match (first & RSV1 != 0, first & OPCODE) {
            (false, TEXT | BINARY) => (Mark::Plain, first),
            (true, TEXT) => (Mark::DeflatedText, first ^ RSV1 ^ TEXT ^ BINARY),
            (true, BINARY) => (Mark::DeflatedBinary, first ^ RSV1),
            _ => return first,
        };
        self.marks.push_back(mark);
        plain
    }
}

/// What follows a header, once it is whole.
fn rest_bytes(header: &[u8]) -> Option<u64> {
    let [_, second, extended @ ..] = header else {
        return None;
    };
    let payload = match second & LENGTH {
        126 => u16::from_be_bytes(extended.try_into().ok()?).into(),
        127 => u64::from_be_bytes(extended.try_into().ok()?),
        short => short.into(),
    };
    let key = if second & MASKED == 0 { 0 } else { 4 };
    Some(payload.saturating_add(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame, FrameHeader,
        coding::{Control, Data, OpCode},
    };

    use super::*;

    fn frame(opcode: OpCode, rsv1: bool, mask: Option<[u8; 4]>, payload: Vec<u8>) -> Vec<u8> {
        let header = FrameHeader {
            rsv1,
            opcode,
            mask,
            ..FrameHeader::default()
        };
        let mut bytes = Vec::new();
        let frame = Frame::from_payload(header, payload.into());
        frame.format(&mut bytes).unwrap();
        bytes
    }

    fn any_frame() -> impl Strategy<Value = (OpCode, bool, Option<[u8; 4]>, Vec<u8>)> {
        let opcodes = [
            OpCode::Data(Data::Text),
            OpCode::Data(Data::Binary),
            OpCode::Data(Data::Continue),
            OpCode::Control(Control::Ping),
            OpCode::Control(Control::Close),
        ];
        let lengths = prop_oneof![0..200_usize, 65_500..65_600_usize];
        let payload = lengths.prop_map(|length| vec![0xC1; length]);
        (
            prop::sample::select(opcodes.to_vec()),
            any::<bool>(),
            any::<Option<[u8; 4]>>(),
            payload,
        )
    }

    proptest! {
        /// Read in any pieces, all is as it was but for the marks, which are off.
        #[test]
        fn only_marks_are_taken_off(
            frames in prop::collection::vec(any_frame(), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let (mut marked, mut plain, mut marks) = (Vec::new(), Vec::new(), Vec::new());
            for (opcode, rsv1, mask, payload) in frames {
                marked.extend(frame(opcode, rsv1, mask, payload.clone()));
                let (mark, opcode, rsv1) = match opcode {
                    OpCode::Data(Data::Text) if rsv1 => {
                        (Some(Mark::DeflatedText), OpCode::Data(Data::Binary), false)
                    }
                    OpCode::Data(Data::Binary) if rsv1 => (Some(Mark::DeflatedBinary), opcode, false),
                    OpCode::Data(Data::Text | Data::Binary) => (Some(Mark::Plain), opcode, false),
                    other => (None, other, rsv1),
                };
                plain.extend(frame(opcode, rsv1, mask, payload));
                marks.extend(mark);
            }
            let mut borders: Vec<_> = cuts.iter().map(|it| it.index(marked.len() + 1)).collect();
            borders.extend([0, marked.len()]);
            borders.sort_unstable();
            let mut frames = Frames::default();
            for pair in borders.windows(2) {
                frames.pass(&mut marked[pair[0]..pair[1]]);
            }
            prop_assert!(marked == plain, "the bytes differ");
            prop_assert_eq!(Vec::from(frames.marks), marks);
        }

        #[test]
        fn any_bytes_are_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            Frames::default().pass(&mut bytes);
        }
    }
}
