//! The paths below `/v1/responses/{id}`, from memory.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::json;
use tower::{Layer, Service};

use super::{
    input_items::{Page, list},
    memory::ResponseMemory,
    recall::Memories,
};
use crate::{
    error::{ApiError, BoxError},
    upstream::is_codex_client,
};

/// Retrieves, deletes and lists the input of answers in a [`ResponseMemory`], as the public API
/// does of those that it stores.
///
/// Only for clients that are not Codex, and for logins whose servers keep no answers; every other
/// request passes untouched.
#[derive(Debug, Clone)]
pub struct StoredResponsesLayer {
    memory: ResponseMemory,
}

impl StoredResponsesLayer {
    /// The memory that [`ResponsesLayer`](super::ResponsesLayer) has too.
    #[must_use]
    pub fn new(memory: ResponseMemory) -> Self {
        Self { memory }
    }
}

impl<S> Layer<S> for StoredResponsesLayer {
    type Service = StoredResponses<S>;

    fn layer(&self, inner: S) -> Self::Service {
        StoredResponses {
            inner,
            memory: self.memory.clone(),
        }
    }
}

/// The service of [`StoredResponsesLayer`].
#[derive(Debug, Clone)]
pub struct StoredResponses<S> {
    inner: S,
    memory: ResponseMemory,
}

impl<S, B, R> Service<Request<B>> for StoredResponses<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let Some(wish) = Wish::of(&request) else {
            let answer = ready.call(request);
            return Box::pin(async move { answer.await.map_err(Into::into) });
        };
        let memories = Memories::of(request.extensions(), Some(&self.memory));
        let answer = wish.answer(&memories, request.uri().query().unwrap_or_default());
        Box::pin(async move { Ok(json_answer(answer?)) })
    }
}

/// What is wanted of which answer.
struct Wish {
    id: String,
    what: What,
}

enum What {
    Response,
    InputItems,
    Deletion,
    Cancellation,
}

impl Wish {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let hint = request.extensions().get::<RouteHint>();
        let native = hint.is_some_and(|hint| hint.backend == Some(Backend::OpenAi));
        if native || is_codex_client(request.headers()) {
            return None;
        }
        let rest = request.uri().path().strip_prefix("/v1/responses/")?;
        let (id, below) = rest.split_once('/').unwrap_or((rest, ""));
        // These are no ids.
        if matches!(id, "" | "compact" | "input_tokens") {
            return None;
        }
        let what = match (request.method(), below) {
            (&Method::GET, "") => What::Response,
            (&Method::GET, "input_items") => What::InputItems,
            (&Method::DELETE, "") => What::Deletion,
            (&Method::POST, "cancel") => What::Cancellation,
            _ => return None,
        };
        let id = id.to_owned();
        Some(Self { id, what })
    }

    fn answer(&self, memories: &Memories, query: &str) -> Result<String, ApiError> {
        if matches!(self.what, What::Deletion) {
            return if memories.delete(&self.id) {
                let object = json!({"id": self.id, "object": "response", "deleted": true});
                Ok(object.to_string())
            } else {
                Err(not_found())
            };
        }
        let turn = memories.turn(&self.id).ok_or_else(not_found)?;
        match self.what {
            What::InputItems => Ok(list(&turn.asked(), &Page::parse(query)?)),
            What::Cancellation => Err(not_in_background()),
            _ if asks_for_stream(query) => Err(no_stream()),
            _ => Ok(turn.response().to_owned()),
        }
    }
}

fn asks_for_stream(query: &str) -> bool {
    query
        .split('&')
        .any(|pair| matches!(pair, "stream=true" | "stream=True" | "stream=1"))
}

fn json_answer<R: From<Bytes>>(json: String) -> Response<R> {
    let mut answer = Response::new(R::from(Bytes::from(json)));
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn not_found() -> ApiError {
    let message = "no answer of this id is kept here: answers are kept in memory for some hours, \
                   up to a size, for the profile that gave them, and not with `store: false`";
    ApiError::invalid_request("response_not_found", message)
        .with_status(StatusCode::NOT_FOUND)
        .with_param("response_id")
}

fn not_in_background() -> ApiError {
    let message = "only an answer that is made in the background can be cancelled";
    ApiError::invalid_request("not_cancellable", message).with_param("response_id")
}

fn no_stream() -> ApiError {
    let message = "an answer that is kept here cannot be streamed again: retrieve it without \
                   `stream`";
    ApiError::invalid_request("unsupported_parameter", message).with_param("stream")
}
