//! A Responses stream as the answer to a chat completion request: streamed, or in one object.

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
    translated::{Flow, Translate},
};

/// Writes the chunks of a streamed answer.
#[derive(Debug)]
pub struct ChatChunks {
    decoder: Decoder,
    stream: ChatStream,
    writer: ChunkWriter,
}

impl ChatChunks {
    /// A new answer.
    #[must_use]
    pub fn new(options: &AnswerOptions, reasoning: ReasoningFormat, identity: Identity) -> Self {
        Self {
            decoder: Decoder::default(),
            stream: ChatStream::new(reasoning, options.limits.clone()),
            writer: ChunkWriter::new(identity, options),
        }
    }
}

impl Translate for ChatChunks {
    fn piece(&mut self, piece: &[u8], out: &mut BytesMut) -> Flow {
        let Self {
            decoder,
            stream,
            writer,
        } = self;
        relay(decoder, stream, piece, out, |delta, out| {
            writer.write(delta, out);
        })
    }

    fn broken(&mut self, error: &ApiError, out: &mut BytesMut) {
        wire::write_error(error, out);
    }
}

/// Translates a piece of a stream, and writes how it ends.
pub(crate) fn relay(
    decoder: &mut Decoder,
    stream: &mut ChatStream,
    piece: &[u8],
    out: &mut BytesMut,
    mut write: impl FnMut(&Delta<'_>, &mut BytesMut),
) -> Flow {
    let mut flow = Flow::Nothing;
    let pushed = decoder.push(piece, |data| {
        if matches!(flow, Flow::Nothing | Flow::Events) {
            let step = stream.on(&Event::parse(data), &mut |delta| write(&delta, out));
            flow = end(step, out);
        }
    });
    if pushed == Err(EventTooLarge) {
        wire::write_error(&too_large(), out);
        return Flow::Cut;
    }
    flow
}

fn end(step: Step, out: &mut BytesMut) -> Flow {
    match step {
        Step::Open => Flow::Events,
        Step::Ended => {
            wire::write_done(out);
            Flow::Ended
        }
        Step::Cut => {
            wire::write_done(out);
            Flow::Cut
        }
        Step::Failed(error) => {
            wire::write_error(&error, out);
            Flow::Ended
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
        gather(decoder, stream, piece, |delta| completion.add(delta))
    }

    pub(crate) fn into_json(self, options: &AnswerOptions) -> Vec<u8> {
        self.completion.write(&Identity::new(), options)
    }
}

/// Gives the deltas of a piece of a stream to `add`.
pub(crate) fn gather(
    decoder: &mut Decoder,
    stream: &mut ChatStream,
    piece: &[u8],
    mut add: impl FnMut(&Delta<'_>),
) -> Result<Flow, ApiError> {
    let mut last = None;
    let pushed = decoder.push(piece, |data| {
        if matches!(last, None | Some(Step::Open)) {
            last = Some(stream.on(&Event::parse(data), &mut |delta| add(&delta)));
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

pub(crate) fn too_large() -> ApiError {
    let message = "the upstream sent an event too large to be understood";
    ApiError::upstream(
        http::StatusCode::BAD_GATEWAY,
        "upstream_event_too_large",
        message,
    )
}
