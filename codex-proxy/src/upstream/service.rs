use std::task::{Context, Poll};

use bytes::Bytes;
use codex_auth::Credentials;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyDataStream;
use tower::Service;

use super::{Coalesce, Targets, headers};
use crate::{ApiError, BoxError};

/// The innermost service: sends a request where its login is accepted; see the [module](super).
#[derive(Debug, Clone)]
pub struct Upstream {
    client: reqwest::Client,
    targets: Targets,
}

impl Upstream {
    /// Sends over `client` to OpenAI's own servers.
    #[must_use]
    pub fn new(client: reqwest::Client) -> Self {
        Self {
            client,
            targets: Targets::default(),
        }
    }

    /// Sends to other servers.
    #[must_use]
    pub fn with_targets(self, targets: Targets) -> Self {
        Self { targets, ..self }
    }

    fn prepare<B>(&self, request: Request<B>) -> Result<reqwest::Request, ApiError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let credentials = parts.extensions.get::<Credentials>().ok_or_else(no_login)?;
        let backend = credentials.backend();
        let mut outgoing =
            reqwest::Request::new(parts.method, self.targets.resolve(backend, &parts.uri)?);
        headers::prepare_request(&mut parts.headers, backend);
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
        let request = self.prepare(request);
        let client = self.client.clone();
        Box::pin(async move {
            // The address may hold what the client put into its query: it stays out of errors.
            let answer = client
                .execute(request?)
                .await
                .map_err(reqwest::Error::without_url)?;
            let mut answer: Response<reqwest::Body> = answer.into();
            headers::prepare_answer(answer.headers_mut());
            Ok(answer.map(Coalesce::new))
        })
    }
}

fn no_login() -> ApiError {
    let message = "no credentials were put into the request: is CodexAuthLayer in the stack?";
    ApiError::router(StatusCode::INTERNAL_SERVER_ERROR, "no_credentials", message)
}
