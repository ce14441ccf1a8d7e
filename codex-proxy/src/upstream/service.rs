use std::task::{Context, Poll};

use bytes::Bytes;
use codex_auth::Credentials;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyDataStream;
use tower::Service;

use super::{Coalesce, Targets, headers, workspace::WorkspaceOrigin};
use crate::{ApiError, BoxError, spans::Link, ws::Handshake};

/// The innermost service: sends a request where its login is accepted; see the [module](super).
#[derive(Debug, Clone)]
pub struct Upstream {
    client: reqwest::Client,
    upgrade_client: Option<reqwest::Client>,
    targets: Targets,
}

impl Upstream {
    /// Sends over `client` to OpenAI's own servers.
    #[must_use]
    pub fn new(client: reqwest::Client) -> Self {
        Self {
            client,
            upgrade_client: None,
            targets: Targets::default(),
        }
    }

    /// Sends to other servers.
    #[must_use]
    pub fn with_targets(self, targets: Targets) -> Self {
        Self { targets, ..self }
    }

    /// Asks for a WebSocket over this client, which must speak nothing but HTTP/1.1. Without it, the
    /// usual one is asked, which works unless it agrees on HTTP/2 with the server.
    #[must_use]
    pub fn with_upgrade_client(self, client: reqwest::Client) -> Self {
        Self {
            upgrade_client: Some(client),
            ..self
        }
    }

    /// The client that speaks what this request asks for.
    fn client_for<B>(&self, request: &Request<B>) -> reqwest::Client {
        let upgrades = request.extensions().get::<Handshake>();
        let client = upgrades.and(self.upgrade_client.as_ref());
        client.unwrap_or(&self.client).clone()
    }

    fn prepare<B>(&self, request: Request<B>) -> Result<reqwest::Request, ApiError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let credentials = parts.extensions.get::<Credentials>().ok_or_else(no_login)?;
        let backend = credentials.backend();
        let mut url = self.targets.resolve(backend, &parts.uri)?;
        if let Some(WorkspaceOrigin(origin)) = parts.extensions.get() {
            url = move_to(origin, &url);
        }
        let mut outgoing = reqwest::Request::new(parts.method, url);
        headers::prepare_request(&mut parts.headers, backend);
        if let Some(handshake) = parts.extensions.get::<Handshake>() {
            handshake.apply(&mut parts.headers);
        }
        if !body.is_end_stream() {
            // Known lengths are sent as such: Codex is never chunked, and servers may insist.
            if let Some(length) = body.size_hint().exact() {
                parts.headers.insert(header::CONTENT_LENGTH, length.into());
            }
            let body = reqwest::Body::wrap_stream(BodyDataStream::new(body));
            *outgoing.body_mut() = Some(body);
        }
        *outgoing.headers_mut() = parts.headers;
        Ok(outgoing)
    }
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Coalesce<reqwest::Body>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The pool has no bound of its own: a stack sheds load at its outer edge.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = self.client_for(&request);
        let link = Link::of(request.extensions());
        let request = self.prepare(request);
        Box::pin(async move {
            let request = request?;
            let step = link.call(request.method(), request.url());
            // The address may hold what the client put into its query: it stays out of errors.
            let answer = client.execute(request).await;
            let answer = answer.map_err(|error| BoxError::from(error.without_url()));
            let answer = answer.inspect_err(|error| step.fail(|| ApiError::from_boxed(error)))?;
            step.answered(answer.status());
            let mut answer: Response<reqwest::Body> = answer.into();
            headers::prepare_answer(answer.headers_mut());
            Ok(answer.map(|body| Coalesce::new(body).of_call(step)))
        })
    }
}

/// The same path and query at another origin.
fn move_to(origin: &reqwest::Url, url: &reqwest::Url) -> reqwest::Url {
    let mut moved = origin.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved
}

fn no_login() -> ApiError {
    let message = "no credentials were put into the request: is CodexAuthLayer in the stack?";
    ApiError::router(StatusCode::INTERNAL_SERVER_ERROR, "no_credentials", message)
}
