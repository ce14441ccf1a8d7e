//! A Responses stream as the answer to a chat completion request: streamed, or in one object.

use std::mem;

use bytes::BytesMut;

use super::{
    ReasoningFormat,
    request::AnswerOptions,
    stream::{ChatStream, Delta, Step},
    wire::{self, ChunkWriter, Completion, Identity},
};
use crate::{
    error::ApiError,
    responses::event::Event,
    sse::{Decoder, EventTooLarge},
    translated::{Flow, Opening, Translate},
};

/// Writes the chunks of a streamed answer.
#[derive(Debug)]
pub struct ChatChunks {
    decoder: Decoder,
    stream: ChatStream,
    writer: ChunkWriter,
    opening: Opening,
}

impl ChatChunks {
    /// A new answer.
    #[must_use]
    pub fn new(options: &AnswerOptions, reasoning: ReasoningFormat, identity: Identity) -> Self {
        Self {
            decoder: Decoder::default(),
            stream: ChatStream::new(reasoning, options.limits.clone()),
            writer: ChunkWriter::new(identity, options),
            opening: Opening::Nothing,
        }
    }

    /// Writes the failure, and keeps it in case that nothing was given before it.
    fn fail(&mut self, error: &ApiError, out: &mut BytesMut) {
        wire::write_error(error, out);
        if matches!(self.opening, Opening::Nothing) {
            self.opening = Opening::Failed(Box::new(error.clone()));
        }
    }
}

impl Translate for ChatChunks {
    fn piece(&mut self, piece: &[u8], out: &mut BytesMut) -> Flow {
        let Self {
            decoder,
            stream,
            writer,
            opening,
        } = self;
        let mut last = None;
        let pushed = decoder.push(piece, |data| {
            if matches!(last, None | Some(Step::Open)) {
                let mut write = |delta: Delta<'_>| {
                    if !matches!(delta, Delta::Start { .. }) {
                        *opening = Opening::Given;
                    }
                    writer.write(&delta, out);
                };
                last = Some(stream.on(&Event::parse(data), &mut write));
            }
        });
        if pushed == Err(EventTooLarge) {
            self.fail(&too_large(), out);
            return Flow::Cut;
        }
        match last {
            None => return Flow::Nothing,
            Some(Step::Open) => return Flow::Events,
            Some(Step::Failed(error)) => self.fail(&error, out),
            Some(Step::Ended) => wire::write_done(out),
            Some(Step::Cut) => {
                wire::write_done(out);
                return Flow::Cut;
            }
        }
        Flow::Ended
    }

    fn broken(&mut self, error: &ApiError, out: &mut BytesMut) {
        self.fail(error, out);
    }

    fn opening(&mut self) -> Opening {
        match &mut self.opening {
            Opening::Given => Opening::Given,
            opening => mem::take(opening),
        }
    }
}

/// Gathers an answer into one object.
#[derive(Debug)]
pub(crate) struct Gatherer {
    decoder: Decoder,
    stream: ChatStream,
    completion: Completion,
}

impl Gatherer {
    pub(crate) fn new(options: &AnswerOptions, reasoning: ReasoningFormat) -> Self {
        Self {
            decoder: Decoder::default(),
            stream: ChatStream::new(reasoning, options.limits.clone()),
            completion: Completion::default(),
        }
    }

    pub(crate) fn piece(&mut self, piece: &[u8]) -> Result<Flow, ApiError> {
        let Self {
            decoder,
            stream,
            completion,
        } = self;
        let mut last = None;
        let pushed = decoder.push(piece, |data| {
            if matches!(last, None | Some(Step::Open)) {
                let mut add = |delta: Delta<'_>| completion.add(&delta);
                last = Some(stream.on(&Event::parse(data), &mut add));
            }
        });
        pushed.map_err(|EventTooLarge| too_large())?;
        match last {
            None => Ok(Flow::Nothing),
            Some(Step::Open) => Ok(Flow::Events),
            Some(Step::Ended) => Ok(Flow::Ended),
            Some(Step::Cut) => Ok(Flow::Cut),
            Some(Step::Failed(error)) => Err(*error),
        }
    }

    pub(crate) fn into_json(self, options: &AnswerOptions) -> Vec<u8> {
        self.completion.write(&Identity::new(), options)
    }
}

pub(crate) fn too_large() -> ApiError {
    let message = "the upstream sent an event too large to be understood";
    ApiError::upstream(
        http::StatusCode::BAD_GATEWAY,
        "upstream_event_too_large",
        message,
    )
}
