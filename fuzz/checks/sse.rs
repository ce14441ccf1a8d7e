//! A stream cut in two at any place is the same stream, and ends its events at the same places.

use codex_proxy::sse::Decoder;

/// The first two bytes say where to cut the rest.
pub(crate) fn check(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first_chunk() else {
        return;
    };
    let cut = usize::from(u16::from_le_bytes(*cut)).min(bytes.len());
    let (whole, pieces) = (read(&[bytes]), read(&[&bytes[..cut], &bytes[cut..]]));
    assert_eq!(whole.events, pieces.events);
    // The LF of a CRLF may be in the next piece, which it does not finish.
    let rest = &bytes[whole.finished.min(pieces.finished)..whole.finished.max(pieces.finished)];
    assert!(rest.is_empty() || rest == b"\n", "{rest:?}");
}

#[derive(Default)]
struct Read {
    events: Vec<Vec<u8>>,
    /// Where the last finished event ends.
    finished: usize,
}

fn read(pieces: &[&[u8]]) -> Read {
    let mut decoder = Decoder::default();
    let (mut read, mut before) = (Read::default(), 0);
    for piece in pieces {
        let finished = decoder.push(piece, |event| read.events.push(event.to_vec()));
        if let Ok(bytes @ 1..) = finished {
            read.finished = before + bytes;
        }
        before += piece.len();
    }
    read
}
