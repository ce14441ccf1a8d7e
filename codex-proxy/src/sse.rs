//! The event stream (WHATWG HTML 9.2): from bytes to the data of its events.
//!
//! ```
//! use codex_proxy::sse::Decoder;
//!
//! let mut decoder = Decoder::default();
//! let mut events = Vec::new();
//! decoder.push(b"data: {\"a\":1}\n\nda", |data| events.push(data.to_vec()))?;
//! decoder.push(b"ta: second\n\n", |data| events.push(data.to_vec()))?;
//! assert_eq!(events, [b"{\"a\":1}".to_vec(), b"second".to_vec()]);
//! # Ok::<(), codex_proxy::sse::EventTooLarge>(())
//! ```
//!
//! # Where it belongs
//!
//! Below [`chat`](crate::chat) and [`responses`](crate::responses), which say what events mean.
//!
//! # Caveats
//!
//! Names, ids and retry times of events are skipped: OpenAI's events say in their data what they
//! are, and Codex looks nowhere else. What follows the last blank line is no event and is dropped.

// Not over `sse-stream`: it owns the body and gives each event as an owned string. We relay bytes
// untouched while looking at them, borrow the data of an event that came in one piece (nearly all
// do), and must know where the last whole event ended, so that a cut stream can be closed with an
// error event that no client takes for part of the half one before it.

use crate::ApiError;

crate::json::never_shown!(Decoder);

/// The largest event that is kept while its end has not come: 64 MiB, more than any real one.
pub const MAX_EVENT_BYTES: usize = 64 << 20;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An event outgrew [`MAX_EVENT_BYTES`]; the stream cannot be followed any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {MAX_EVENT_BYTES} bytes")]
pub struct EventTooLarge;

impl From<EventTooLarge> for ApiError {
    fn from(error: EventTooLarge) -> Self {
        let bad_gateway = http::StatusCode::BAD_GATEWAY;
        Self::upstream(bad_gateway, "upstream_event_too_large", error.to_string())
    }
}

/// Finds events in pieces of a stream, cut anywhere. Time and memory are linear.
#[derive(Default)]
pub struct Decoder {
    /// A line whose end has not come.
    line: Vec<u8>,
    /// Data of the event under way, its lines joined by LF.
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    started: bool,
}

impl Decoder {
    /// Takes the next piece and hands on the data of each event that it completes.
    ///
    /// Returns how many bytes of the piece belong to finished events, that is, where the last blank
    /// line in it ends; 0 if there is none.
    ///
    /// # Errors
    /// [`EventTooLarge`]: give the stream up.
    pub fn push(
        &mut self,
        piece: &[u8],
        mut on_event: impl FnMut(&[u8]),
    ) -> Result<usize, EventTooLarge> {
        let mut rest = self.without_lf_of_cr(piece);
        let mut whole = None;
        let mut finished_bytes = 0;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let (line, after) = (&rest[..end], after_line_end(rest, end));
            self.after_cr = rest[end..] == *b"\r";
            rest = after;
            let is_blank = if self.line.is_empty() && self.started {
                self.take_line(line, &mut whole, &mut on_event);
                line.is_empty()
            } else {
                self.take_kept_line(line, &mut on_event, &mut whole)
            };
            if is_blank && !self.is_open(whole) {
                finished_bytes = piece.len() - rest.len();
            }
        }
        self.keep(whole, rest)?;
        Ok(finished_bytes)
    }

    fn without_lf_of_cr<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        if piece.is_empty() || !std::mem::take(&mut self.after_cr) {
            return piece;
        }
        piece.strip_prefix(b"\n").unwrap_or(piece)
    }

    fn is_open(&self, whole: Option<&[u8]>) -> bool {
        self.has_data || whole.is_some() || !self.line.is_empty()
    }

    /// A line that began in an earlier piece, or the very first, which may have a BOM. Says whether
    /// it is blank.
    fn take_kept_line<'p>(
        &mut self,
        end: &'p [u8],
        on_event: &mut impl FnMut(&[u8]),
        whole: &mut Option<&'p [u8]>,
    ) -> bool {
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(end);
        let text = if self.started {
            &line[..]
        } else {
            line.strip_prefix(BOM).unwrap_or(&line)
        };
        self.started = true;
        let is_blank = text.is_empty();
        if is_blank {
            self.dispatch(whole.take(), on_event);
        } else if let Some(value) = data_value(text) {
            self.append(whole.take());
            self.append(Some(value));
        }
        line.clear();
        self.line = line;
        is_blank
    }

    fn take_line<'p>(
        &mut self,
        line: &'p [u8],
        whole: &mut Option<&'p [u8]>,
        on_event: &mut impl FnMut(&[u8]),
    ) {
        if line.is_empty() {
            self.dispatch(whole.take(), on_event);
        } else if let Some(value) = data_value(line) {
            if self.has_data || whole.is_some() {
                self.append(whole.take());
                self.append(Some(value));
            } else {
                *whole = Some(value);
            }
        }
    }

    fn dispatch(&mut self, whole: Option<&[u8]>, on_event: &mut impl FnMut(&[u8])) {
        if let Some(data) = whole {
            on_event(data);
        } else if self.has_data {
            on_event(&self.data);
            self.has_data = false;
            self.data.clear();
            self.data.shrink_to(64 << 10);
        }
    }

    fn append(&mut self, value: Option<&[u8]>) {
        let Some(value) = value else { return };
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
    }

    fn keep(&mut self, whole: Option<&[u8]>, rest: &[u8]) -> Result<(), EventTooLarge> {
        self.append(whole);
        self.line.extend_from_slice(rest);
        if self.line.len() + self.data.len() > MAX_EVENT_BYTES {
            return Err(EventTooLarge);
        }
        Ok(())
    }
}

/// What follows the line end at `end`, which is LF, CR or CRLF.
fn after_line_end(bytes: &[u8], end: usize) -> &[u8] {
    let after = &bytes[end + 1..];
    match bytes[end] {
        b'\r' => after.strip_prefix(b"\n").unwrap_or(after),
        _ => after,
    }
}

fn data_value(line: &[u8]) -> Option<&[u8]> {
    let value = match line.strip_prefix(b"data")? {
        [] => return Some(b""),
        [b':', value @ ..] => value,
        _ => return None,
    };
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder
                .push(piece, |data| {
                    events.push(String::from_utf8_lossy(data).into_owned());
                })
                .unwrap();
        }
        events
    }

    #[test]
    fn events_are_found_in_every_form_the_standard_allows() {
        let table: &[(&str, &[&str])] = &[
            ("data: a\n\ndata: b\n\n", &["a", "b"]),
            ("data: a\r\n\r\ndata:b\r\r", &["a", "b"]),
            ("\u{feff}data: a\n\n", &["a"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            ("data: a\ndata: b\ndata: c\n\n", &["a\nb\nc"]),
            ("event: x\nid: 1\ndata: a\nretry: 5\n\n", &["a"]),
            (": ping\n\ndata: a\n\n", &["a"]),
            ("data\n\n", &[""]),
            ("data:  a\n\n", &[" a"]),
            ("database: a\n\n", &[]),
            ("data: half", &[]),
            ("data: half\n", &[]),
            ("\n\n\n", &[]),
        ];
        for (text, events) in table {
            assert_eq!(decode(&[text.as_bytes()]), *events, "{text:?}");
        }
    }

    #[test]
    fn a_blank_line_after_a_piece_that_ends_in_crlf_is_one() {
        assert_eq!(decode(&[b"data: a\r\n", b"\r\n"]), ["a"]);
        assert_eq!(decode(&[b"data: a\r\n", b"\n"]), ["a"]);
        assert_eq!(
            decode(&[b"data: a\r", b"\n\r", b"\ndata: b\n\n"]),
            ["a", "b"]
        );
    }

    #[test]
    fn the_end_of_the_last_whole_event_is_known() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"data: a\n\ndata: b", |_| ()), Ok(9));
        assert_eq!(decoder.push(b"c\n", |_| ()), Ok(0));
        assert_eq!(decoder.push(b"\n", |_| ()), Ok(1));
        assert_eq!(decoder.push(b"event: c", |_| ()), Ok(0));
        assert_eq!(decoder.push(b"\n", |_| ()), Ok(0), "no blank line");
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut decoder = Decoder::default();
        let piece = vec![b'x'; MAX_EVENT_BYTES / 2 + 1];
        assert_eq!(decoder.push(&piece, |_| ()), Ok(0));
        assert_eq!(decoder.push(&piece, |_| ()), Err(EventTooLarge));
    }

    fn cut<'b>(bytes: &'b [u8], at: &[prop::sample::Index]) -> Vec<&'b [u8]> {
        let mut borders: Vec<_> = at.iter().map(|i| i.index(bytes.len() + 1)).collect();
        borders.extend([0, bytes.len()]);
        borders.sort_unstable();
        borders
            .windows(2)
            .map(|pair| &bytes[pair[0]..pair[1]])
            .collect()
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_events(
            text in "(\u{feff})?((data|event|data: ?|: ?|id)?[a-c]{0,3}(\n|\r|\r\n)){0,12}",
            at in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            prop_assert_eq!(decode(&[bytes]), decode(&cut(bytes, &at)));
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&[&bytes]);
        }
    }
}
