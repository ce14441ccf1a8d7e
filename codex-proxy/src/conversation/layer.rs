use std::{
    io::Read as _,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::{Backend, RouteHint};
use futures_util::future::BoxFuture;
use http::{HeaderName, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt as _, Either, Full, Limited};
use tower::{Layer, Service, ServiceExt as _};

use super::{
    Passage,
    threads::{Thread, Threads, thread_of},
    travel::{Foreign, Leave, Portable, ResponseBefore, digest, is_foreign_state, portable},
};
use crate::{ApiError, BoxError, auth::ReplayBody, route::RouteReason};

/// Keeps the calls of one turn on one server of one account.
const TURN_STATE: HeaderName = HeaderName::from_static("x-codex-turn-state");
/// A refusal is short; a longer error answer is passed on unread.
const LONGEST_REFUSAL_BYTES: usize = 64 << 10;
/// The largest body that is kept for a second try, packed and unpacked.
const BODY_LIMIT_BYTES: usize = 64 << 20;

/// Lets a conversation change account; see the [module](super).
#[derive(Debug, Clone, Default)]
pub struct ConversationLayer {
    threads: Arc<Threads>,
}

impl ConversationLayer {
    /// Services made by one layer and its clones know of the same threads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl ConversationLayer {
    /// The conversation that a connection is made for; see [`Passage`].
    pub(crate) fn passage(&self, handshake: &mut Parts) -> Option<Passage> {
        Passage::of(&self.threads, handshake)
    }
}

impl<S> Layer<S> for ConversationLayer {
    type Service = Conversation<S>;

    fn layer(&self, inner: S) -> Conversation<S> {
        Conversation {
            inner,
            threads: self.threads.clone(),
        }
    }
}

/// The service of [`ConversationLayer`].
#[derive(Debug, Clone)]
pub struct Conversation<S> {
    inner: S,
    threads: Arc<Threads>,
}

/// The client's own body, or what is left of it for another account.
type Outgoing<B> = Either<ReplayBody<B>, Full<Bytes>>;

impl<S, B, R> Service<Request<B>> for Conversation<S>
where
    S: Service<Request<Outgoing<B>>, Response = Response<R>, Error = BoxError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let turn = Turn {
            inner: mem::replace(&mut self.inner, next),
            threads: self.threads.clone(),
        };
        Box::pin(turn.run(request))
    }
}

/// One request with its second try.
struct Turn<S> {
    inner: S,
    threads: Arc<Threads>,
}

/// An answer, and what had to be left behind for it.
type Answered<R> = (Response<R>, Arc<Foreign>);

impl<S> Turn<S> {
    async fn run<B, R>(mut self, request: Request<B>) -> Result<Response<R>, BoxError>
    where
        S: Service<Request<Outgoing<B>>, Response = Response<R>, Error = BoxError>,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
        R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes>,
    {
        let (parts, body) = request.into_parts();
        let body = ReplayBody::buffer(body, BODY_LIMIT_BYTES).await?;
        let Some(account) = account_of(&parts) else {
            let untouched = Request::from_parts(parts, Either::Left(body));
            return self.inner.call(untouched).await;
        };
        let name = thread_of(&parts.headers);
        let thread = name.as_deref().and_then(|name| self.threads.recall(name));
        let leave = Leave::for_account(&account, thread.as_ref());
        let (response, foreign) = self.try_twice(leave, parts, body).await?;
        if let Some(name) = name.filter(|_| response.status().is_success()) {
            self.threads.note(name, Thread { account, foreign });
        }
        Ok(response)
    }

    /// Sends what the account should be able to read; if it says that it cannot, sends less.
    async fn try_twice<B, R>(
        &mut self,
        leave: Leave,
        parts: Parts,
        body: ReplayBody<B>,
    ) -> Result<Answered<R>, BoxError>
    where
        S: Service<Request<Outgoing<B>>, Response = Response<R>, Error = BoxError>,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
        R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes>,
    {
        let second_try = match leave {
            Leave::Everything => None,
            _ => body.replay().map(|body| (parts.clone(), body)),
        };
        let (response, left) = self.send(leave, parts, body).await?;
        let Some((parts, body)) = second_try.filter(|_| may_be_refusal(&response)) else {
            return Ok((response, left));
        };
        if let Some(other) = read_refusal(response).await {
            return Ok((other, left));
        }
        tracing::debug!("the upstream cannot read another account's reasoning");
        self.inner.ready().await?;
        self.send(Leave::Everything, parts, body).await
    }

    async fn send<B, R>(
        &mut self,
        leave: Leave,
        mut parts: Parts,
        body: ReplayBody<B>,
    ) -> Result<Answered<R>, BoxError>
    where
        S: Service<Request<Outgoing<B>>, Response = Response<R>, Error = BoxError>,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        if matches!(leave, Leave::Nothing) {
            let untouched = Request::from_parts(parts, Either::Left(body));
            return Ok((self.inner.call(untouched).await?, Arc::default()));
        }
        let body = body.collect().await?.to_bytes();
        let Portable { body, mut left } =
            portable(&unpacked(&parts, body)?, &leave, ResponseBefore::Left)?;
        parts.headers.remove(header::CONTENT_ENCODING);
        parts.headers.remove(header::CONTENT_LENGTH);
        left.extend(leave_turn_state(&mut parts, &leave));
        let rest = Request::from_parts(parts, Either::Right(Full::from(body)));
        let response = self.inner.call(rest).await?;
        // What was foreign once stays foreign, even where this turn did not send it.
        let known = leave.known();
        Ok((
            response,
            Arc::new(known.iter().copied().chain(left).collect()),
        ))
    }
}

/// The account that will serve a call of the Responses API, where accounts have state.
fn account_of(parts: &Parts) -> Option<String> {
    let hint = parts.extensions.get::<RouteHint>()?;
    // What comes to an API key as a fallback was begun by the account in whose place it serves.
    let moved = parts.extensions.get() == Some(&RouteReason::Fallback);
    let has_accounts = hint.backend == Some(Backend::ChatGpt) || moved;
    let has_state = parts.method == Method::POST && has_accounts;
    hint.account().filter(|_| has_state).map(str::to_owned)
}

/// Codex echoes the state of a turn's first answer to the turn's end, whoever answered.
pub(super) fn leave_turn_state(parts: &mut Parts, leave: &Leave) -> Option<u64> {
    let state = digest(parts.headers.get(TURN_STATE)?.as_bytes());
    let foreign = leave.applies_to(state);
    foreign.then(|| parts.headers.remove(TURN_STATE))?;
    Some(state)
}

/// Reads an error answer: nothing if it says that the account cannot read what was sent, else the
/// answer as it was.
async fn read_refusal<R>(response: Response<R>) -> Option<Response<R>>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes>,
{
    let (mut head, answer) = response.into_parts();
    match Limited::new(answer, LONGEST_REFUSAL_BYTES).collect().await {
        Ok(answer) => {
            let answer = answer.to_bytes();
            (!is_foreign_state(&answer)).then(|| Response::from_parts(head, R::from(answer)))
        }
        // Its status and headers still say what it was.
        Err(_unreadable) => {
            head.headers.remove(header::CONTENT_LENGTH);
            Some(Response::from_parts(head, R::from(Bytes::new())))
        }
    }
}

fn may_be_refusal<R: Body>(response: &Response<R>) -> bool {
    let length = response.body().size_hint().lower();
    response.status() == StatusCode::BAD_REQUEST && length <= LONGEST_REFUSAL_BYTES as u64
}

fn unpacked(parts: &Parts, body: Bytes) -> Result<Bytes, ApiError> {
    let encoding = parts.headers.get(header::CONTENT_ENCODING);
    match encoding.map(http::HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(body),
        Some(b"zstd") => unpack(&body),
        Some(_) => Err(unknown_encoding()),
    }
}

fn unpack(packed: &[u8]) -> Result<Bytes, ApiError> {
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| not_zstd())?;
    let read = decoder
        .take(BODY_LIMIT_BYTES as u64 + 1)
        .read_to_end(&mut plain);
    match read.map_err(|_| not_zstd())? {
        bytes if bytes > BODY_LIMIT_BYTES => Err(ApiError::body_too_large()),
        _ => Ok(plain.into()),
    }
}

fn not_zstd() -> ApiError {
    let message = "the request body does not match its Content-Encoding";
    ApiError::invalid_request("invalid_content_encoding", message)
}

fn unknown_encoding() -> ApiError {
    let message = "the request body has a Content-Encoding that cannot be taken off here";
    ApiError::invalid_request("unsupported_content_encoding", message)
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

#[cfg(test)]
mod tests;
