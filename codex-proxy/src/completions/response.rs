//! A Responses stream as the answer to a completion request: streamed, or in one object.

use bytes::{BufMut, BytesMut};

use crate::{
    chat::{
        ReasoningFormat,
        deltas::Deltas,
        request::AnswerOptions,
        stream::{ChatStream, Delta, FinishReason},
        wire::{Identity, usage_json},
    },
    error::ApiError,
    json::{Escaped, EscapedBuf},
    responses::wire::Usage,
    translated::{Flow, Opening, Translate},
};

crate::json::never_shown!(TextAnswer);

/// How an answer is to be given.
pub(super) struct TextAnswer {
    pub(super) options: AnswerOptions,
    /// The prompt, where it is to go before the text.
    pub(super) echo: Option<EscapedBuf>,
}

/// Writes the chunks of a streamed completion.
#[derive(Debug)]
pub struct TextChunks {
    deltas: Deltas,
    writer: Writer,
}

impl TextChunks {
    pub(super) fn new(wanted: TextAnswer) -> Self {
        Self {
            deltas: deltas_for(&wanted),
            writer: Writer {
                identity: identity(),
                prefix: String::new(),
                wanted,
            },
        }
    }
}

impl Translate for TextChunks {
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

fn deltas_for(wanted: &TextAnswer) -> Deltas {
    let limits = wanted.options.limits.clone();
    Deltas::of(ChatStream::new(ReasoningFormat::None, limits))
}

fn identity() -> Identity {
    Identity {
        id: format!("cmpl-{}", uuid::Uuid::new_v4().simple()),
        ..Identity::new()
    }
}

/// `{"id":…,"object":…,"created":…,"model":…`, for a model that the upstream may have named.
fn beginning(identity: &Identity, model: Option<&str>, wanted: &TextAnswer) -> String {
    let Identity { id, created } = identity;
    let own = EscapedBuf::new(&wanted.options.model);
    let model = model.unwrap_or(own.as_escaped().as_str());
    format!(r#"{{"id":"{id}","object":"text_completion","created":{created},"model":"{model}""#)
}

fn choice(text: &str, finish: Option<FinishReason>) -> String {
    let finish = finish.map_or("null", |reason| match reason {
        FinishReason::Stop | FinishReason::ToolCalls => "\"stop\"",
        FinishReason::Length => "\"length\"",
        FinishReason::ContentFilter => "\"content_filter\"",
    });
    format!(
        r#","choices":[{{"text":"{text}","index":0,"logprobs":null,"finish_reason":{finish}}}]"#
    )
}

#[derive(Debug)]
struct Writer {
    identity: Identity,
    wanted: TextAnswer,
    prefix: String,
}

impl Writer {
    fn write(&mut self, delta: &Delta<'_>, out: &mut BytesMut) {
        match delta {
            Delta::Start { model } => {
                self.prefix = beginning(&self.identity, model.map(Escaped::as_str), &self.wanted);
                if let Some(prompt) = &self.wanted.echo {
                    self.chunk(&choice(prompt.as_escaped().as_str(), None), out);
                }
            }
            Delta::Content(text) | Delta::Refusal(text) => {
                self.chunk(&choice(text.as_str(), None), out);
            }
            Delta::Finish(reason) => self.chunk(&choice("", Some(*reason)), out),
            Delta::Usage(usage) if self.wanted.options.include_usage => {
                let usage = usage_json(usage);
                self.write_all(&[r#","choices":[],"usage":"#, &usage], out);
            }
            _ => {}
        }
    }

    fn chunk(&self, choice: &str, out: &mut BytesMut) {
        let uncounted = if self.wanted.options.include_usage {
            r#","usage":null"#
        } else {
            ""
        };
        self.write_all(&[choice, uncounted], out);
    }

    fn write_all(&self, parts: &[&str], out: &mut BytesMut) {
        for part in ["data: ", &self.prefix]
            .iter()
            .chain(parts)
            .chain(&["}\n\n"])
        {
            out.put_slice(part.as_bytes());
        }
    }
}

/// Gathers a completion into one object. Texts are escaped, as they came.
pub(super) struct TextGatherer {
    deltas: Deltas,
    wanted: TextAnswer,
    gathered: Gathered,
}

#[derive(Default)]
struct Gathered {
    model: Option<String>,
    text: String,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
}

impl TextGatherer {
    pub(super) fn new(wanted: TextAnswer) -> Self {
        Self {
            deltas: deltas_for(&wanted),
            gathered: Gathered::default(),
            wanted,
        }
    }

    pub(super) fn piece(&mut self, piece: &[u8]) -> Result<Flow, ApiError> {
        let Self {
            deltas, gathered, ..
        } = self;
        deltas.gather(piece, |delta| gathered.add(delta))
    }

    pub(super) fn into_json(self) -> Vec<u8> {
        let Gathered {
            model,
            text,
            finish,
            usage,
        } = self.gathered;
        let begin = beginning(&identity(), model.as_deref(), &self.wanted);
        let echo = self.wanted.echo.as_ref().map(EscapedBuf::as_escaped);
        let text = [echo.unwrap_or_default().as_str(), &text].concat();
        let choice = choice(&text, Some(finish.unwrap_or(FinishReason::Stop)));
        let usage = usage.map(|usage| [r#","usage":"#, &usage_json(&usage)].concat());
        [&begin, &choice, &usage.unwrap_or_default(), "}"]
            .concat()
            .into_bytes()
    }
}

impl Gathered {
    fn add(&mut self, delta: &Delta<'_>) {
        match delta {
            Delta::Start { model } => self.model = model.map(|model| model.as_str().into()),
            Delta::Content(text) | Delta::Refusal(text) => self.text.push_str(text.as_str()),
            Delta::Finish(reason) => self.finish = Some(*reason),
            Delta::Usage(usage) => self.usage = Some(*usage),
            _ => {}
        }
    }
}
