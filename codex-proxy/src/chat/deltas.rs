//! From the bytes of a stream to the deltas of an answer: what all forms of an answer share.

use std::mem;

use bytes::BytesMut;

use super::{
    stream::{ChatStream, Delta, Step},
    wire,
};
use crate::{
    error::ApiError,
    responses::event::Event,
    sse::Decoder,
    translated::{Flow, Opening},
};

/// The deltas of one answer.
#[derive(Debug)]
pub(crate) struct Deltas {
    decoder: Decoder,
    stream: ChatStream,
    opening: Opening,
}

impl Deltas {
    pub(crate) fn of(stream: ChatStream) -> Self {
        Self {
            decoder: Decoder::default(),
            stream,
            opening: Opening::Nothing,
        }
    }

    /// Gives the deltas of a piece of the stream to `add`.
    ///
    /// # Errors
    /// The upstream failed, or cannot be followed any further.
    pub(crate) fn gather(
        &mut self,
        piece: &[u8],
        mut add: impl FnMut(&Delta<'_>),
    ) -> Result<Flow, ApiError> {
        let Self {
            decoder,
            stream,
            opening,
        } = self;
        let mut last = None;
        let pushed = decoder.push(piece, |data| {
            if matches!(last, None | Some(Step::Open)) {
                let mut give = |delta: Delta<'_>| {
                    if !matches!(delta, Delta::Start { .. }) {
                        *opening = Opening::Given;
                    }
                    add(&delta);
                };
                last = Some(stream.on(&Event::parse(data), &mut give));
            }
        });
        pushed?;
        match last {
            None => Ok(Flow::Nothing),
            Some(Step::Open) => Ok(Flow::Events),
            Some(Step::Ended) => Ok(Flow::Ended),
            Some(Step::Cut) => Ok(Flow::Cut),
            Some(Step::Failed(error)) => Err(*error),
        }
    }

    /// Gives the deltas of a piece to `write`, and writes how the stream ends.
    pub(crate) fn relay(
        &mut self,
        piece: &[u8],
        out: &mut BytesMut,
        mut write: impl FnMut(&Delta<'_>, &mut BytesMut),
    ) -> Flow {
        let gathered = self.gather(piece, |delta| write(delta, out));
        match &gathered {
            Ok(Flow::Ended | Flow::Cut) => wire::write_done(out),
            Ok(_) => {}
            Err(error) => self.fail(error, out),
        }
        gathered.unwrap_or(Flow::Cut)
    }

    /// Writes a failure, and keeps it in case that nothing was given before it.
    pub(crate) fn fail(&mut self, error: &ApiError, out: &mut BytesMut) {
        wire::write_error(error, out);
        if matches!(self.opening, Opening::Nothing) {
            self.opening = Opening::Failed(Box::new(error.clone()));
        }
    }

    /// What was given so far; a failure once.
    pub(crate) fn opening(&mut self) -> Opening {
        match &mut self.opening {
            Opening::Given => Opening::Given,
            opening => mem::take(opening),
        }
    }
}
