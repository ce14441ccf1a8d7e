//! A Responses stream as the answer to a chat completion request: streamed, or in one object.

use bytes::BytesMut;

use super::{
    ReasoningFormat,
    deltas::Deltas,
    request::AnswerOptions,
    stream::ChatStream,
    wire::{ChunkWriter, Completion, Identity},
};
use crate::{
    error::ApiError,
    translated::{Flow, Opening, Translate},
};

/// Writes the chunks of a streamed answer.
#[derive(Debug)]
pub struct ChatChunks {
    deltas: Deltas,
    writer: ChunkWriter,
}

impl ChatChunks {
    /// A new answer.
    #[must_use]
    pub fn new(options: &AnswerOptions, reasoning: ReasoningFormat, identity: Identity) -> Self {
        Self {
            deltas: deltas_for(options, reasoning),
            writer: ChunkWriter::new(identity, options),
        }
    }
}

impl Translate for ChatChunks {
    fn piece(&mut self, piece: &[u8], out: &mut BytesMut) -> Flow {
        let Self { deltas, writer } = self;
        deltas.relay(piece, out, |delta, out| writer.write(delta, out))
    }

    fn broken(&mut self, error: &ApiError, out: &mut BytesMut) {
        self.deltas.fail(error, out);
    }

    fn opening(&mut self) -> Opening {
        self.deltas.opening()
    }
}

fn deltas_for(options: &AnswerOptions, reasoning: ReasoningFormat) -> Deltas {
    Deltas::of(ChatStream::new(reasoning, options.limits.clone()))
}

/// Gathers an answer into one object.
#[derive(Debug)]
pub(crate) struct Gatherer {
    deltas: Deltas,
    completion: Completion,
}

impl Gatherer {
    pub(crate) fn new(options: &AnswerOptions, reasoning: ReasoningFormat) -> Self {
        Self {
            deltas: deltas_for(options, reasoning),
            completion: Completion::default(),
        }
    }

    pub(crate) fn piece(&mut self, piece: &[u8]) -> Result<Flow, ApiError> {
        let Self { deltas, completion } = self;
        deltas.gather(piece, |delta| completion.add(delta))
    }

    pub(crate) fn into_json(self, options: &AnswerOptions) -> Vec<u8> {
        self.completion.write(&Identity::new(), options)
    }
}
