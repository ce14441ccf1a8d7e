use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use tower::{Layer, Service};
use uuid::Uuid;

use super::{
    ListedBody, NotedBody, OpenRequest, OverWebSocket, RequestEntry, RequestLog, client::client_of,
    path::route_of,
};
use crate::{BoxError, error::ErrorMark, route::Routed, spans::Operation, ws::is_handshake};

/// Left in the extensions of an answer whose request is in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed;

const X_REQUEST_ID: &str = "x-request-id";
const LONGEST_ID: usize = 64;

/// Lists each request; see the [module](super).
#[derive(Debug, Clone)]
pub struct RequestLogLayer {
    log: RequestLog,
}

impl RequestLogLayer {
    /// A layer that lists requests in `log`.
    #[must_use]
    pub fn new(log: RequestLog) -> Self {
        Self { log }
    }
}

impl<S> Layer<S> for RequestLogLayer {
    type Service = RequestLogService<S>;

    fn layer(&self, inner: S) -> RequestLogService<S> {
        RequestLogService {
            inner,
            log: self.log.clone(),
        }
    }
}

/// The service of [`RequestLogLayer`].
#[derive(Debug, Clone)]
pub struct RequestLogService<S> {
    inner: S,
    log: RequestLog,
}

impl<S, B, R> Service<Request<B>> for RequestLogService<S>
where
    S: Service<Request<NotedBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Response = Response<ListedBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let entry = entry_of(&request);
        let operation = Operation::of(&request, &entry.route);
        let open = OpenRequest::new(self.log.clone(), entry, operation);
        if !is_handshake(&request) {
            open.list();
        }
        let is_head = request.method() == Method::HEAD;
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(open.handle().clone());
        open.handle().operation().lead(&mut parts.extensions);
        let body = NotedBody::new(body, &parts.headers, open.handle());
        let answer = ready.call(Request::from_parts(parts, body));
        Box::pin(async move { answered(answer.await, open, is_head) })
    }
}

fn entry_of<B>(request: &Request<B>) -> RequestEntry {
    let over_socket = request.extensions().get::<OverWebSocket>().is_some();
    let method = if over_socket {
        "WS"
    } else {
        request.method().as_str()
    };
    let id = id_of(request.headers()).map(str::to_owned);
    let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
    let mut entry = RequestEntry::begun(id, method, route_of(request.uri().path()));
    entry.client = client_of(request.headers());
    entry
}

/// The id that the request has, if it can be shown: a client may have made it up.
pub(crate) fn id_of(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let usual = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain);
    usual.then_some(id)
}

fn answered<R: Body, E>(
    answer: Result<Response<R>, E>,
    mut open: OpenRequest,
    is_head: bool,
) -> Result<Response<ListedBody<R>>, E> {
    match answer {
        Ok(response) => Ok(listed(response, open, is_head)),
        Err(error) => {
            // The client is still there, whatever it is told.
            open.end();
            Err(error)
        }
    }
}

fn listed<R: Body>(
    response: Response<R>,
    mut open: OpenRequest,
    is_head: bool,
) -> Response<ListedBody<R>> {
    let (mut head, body) = response.into_parts();
    if let Some(Routed { profile, reason }) = head.extensions.get() {
        open.handle().note_served(profile, *reason);
    }
    open.set_status(head.status.as_u16());
    open.handle().operation().answers(&head.headers);
    if let Some(id) = id_of(&head.headers) {
        open.set_answer_id(id);
    }
    if let Some(mark) = head.extensions.get::<ErrorMark>() {
        open.handle().note_error(mark);
    }
    let is_listed = head.status != StatusCode::SWITCHING_PROTOCOLS;
    if is_listed {
        // A handshake that failed is a request like any other.
        open.list();
        head.extensions.insert(Listed);
    }
    if is_head {
        // Nobody will read the body.
        open.end();
    }
    let body = ListedBody::new(body, is_listed.then_some(open));
    Response::from_parts(head, body)
}
