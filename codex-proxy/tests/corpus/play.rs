//! Plays the stream of an upstream to a client, through the layers that a server stacks.

use bytes::{Bytes, BytesMut};
use codex_proxy::{
    ApiError, BoxError,
    chat::{
        ChatCompletionsLayer, ReasoningFormat,
        request::{AnswerOptions, translate},
        response::ChatChunks,
        wire::Identity,
    },
    responses::{Relay, ResponsesLayer},
    translated::{Translate, TranslatedBody},
};
use futures_util::stream;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use serde_json::{Value, json};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::well_formed::{CREATED, ID};

pub(crate) const FORMATS: [ReasoningFormat; 3] = [
    ReasoningFormat::ReasoningContent,
    ReasoningFormat::ThinkTags,
    ReasoningFormat::None,
];

/// A client of chat completions, by what its request says beside the model and the messages.
#[derive(Debug, Clone)]
pub(crate) struct ChatClient(Value);

impl ChatClient {
    pub(crate) fn new(parameters: Value) -> Self {
        let mut body = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]});
        let Value::Object(parameters) = parameters else {
            panic!("not an object: {parameters}");
        };
        body.as_object_mut().unwrap().extend(parameters);
        Self(body)
    }

    fn options(&self) -> AnswerOptions {
        let mut body = self.0.clone();
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
        let translated = translate(body.to_string().as_bytes(), ReasoningFormat::default());
        translated.unwrap().answer
    }

    /// What the client gets if it streams, with the tokens counted.
    pub(crate) fn streamed<P: AsRef<[u8]>>(&self, pieces: &[P], format: ReasoningFormat) -> String {
        let identity = Identity {
            id: ID.into(),
            created: CREATED,
        };
        let chunks = ChatChunks::new(&self.options(), format, identity);
        String::from_utf8(translated(pieces, chunks)).unwrap()
    }

    /// What the client gets if it does not stream. Its id and time are those of all answers here.
    pub(crate) fn whole<P: AsRef<[u8]>>(
        &self,
        pieces: &[P],
        format: ReasoningFormat,
    ) -> Result<Value, ApiError> {
        let layer = ChatCompletionsLayer::new().with_reasoning(format);
        let answer = ask(layer.layer(upstream(pieces)), &self.0)?;
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        let id = answer["id"].as_str().unwrap();
        assert!(
            id.starts_with("chatcmpl-") && answer["created"].is_i64(),
            "{answer}"
        );
        answer["id"] = ID.into();
        answer["created"] = CREATED.into();
        Ok(answer)
    }
}

impl Default for ChatClient {
    fn default() -> Self {
        Self::new(json!({}))
    }
}

/// What a streaming client of the Responses API gets.
pub(crate) fn relayed<P: AsRef<[u8]>>(pieces: &[P]) -> Vec<u8> {
    translated(pieces, Relay::default())
}

/// What a client of the Responses API gets that does not stream.
pub(crate) fn response<P: AsRef<[u8]>>(pieces: &[P]) -> Result<Value, ApiError> {
    let body = json!({"model": "gpt-5.5", "input": "hi"});
    let answer = ask(ResponsesLayer::new().layer(upstream(pieces)), &body)?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

type Sent = Request<Either<Full<Bytes>, Full<Bytes>>>;
type Ended = Result<Frame<Bytes>, BoxError>;

fn pieces_of<P: AsRef<[u8]>>(pieces: &[P]) -> StreamBody<stream::Iter<std::vec::IntoIter<Ended>>> {
    let copy = |piece: &P| Ok(Frame::data(Bytes::copy_from_slice(piece.as_ref())));
    let frames: Vec<Ended> = pieces.iter().map(copy).collect();
    StreamBody::new(stream::iter(frames))
}

fn upstream<P: AsRef<[u8]>>(
    pieces: &[P],
) -> impl Service<
    Sent,
    Response = Response<impl Body<Data = Bytes, Error = BoxError> + Send + 'static>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.as_ref().to_vec()).collect();
    service_fn(move |_: Sent| {
        let answer = Response::new(pieces_of(&pieces));
        async move { Ok(answer) }
    })
}

fn translated<P: AsRef<[u8]>>(pieces: &[P], translate: impl Translate) -> Vec<u8> {
    let body = TranslatedBody::stream(pieces_of(pieces), translate);
    collected(body).unwrap()
}

/// The body of the answer, or the error as the client will see it.
fn ask<S, R>(service: S, body: &Value) -> Result<Bytes, ApiError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = BoxError>,
    R: Body<Data = Bytes, Error = BoxError>,
{
    let request = Request::post("http://router.test/v1/answers");
    let request = request.body(Full::from(body.to_string())).unwrap();
    let answer =
        block_on(service.oneshot(request)).map_err(|error| ApiError::from_boxed(&error))?;
    Ok(collected(answer.into_body()).unwrap().into())
}

fn collected(body: impl Body<Data = Bytes, Error = BoxError>) -> Result<Vec<u8>, BoxError> {
    let mut all = BytesMut::new();
    block_on(async {
        let mut body = std::pin::pin!(body);
        while let Some(frame) = body.frame().await {
            all.extend_from_slice(frame?.data_ref().unwrap());
        }
        Ok(all.to_vec())
    })
}

/// The layers set timers; none of them ever waits here, since the clock is stopped.
fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
