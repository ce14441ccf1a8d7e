use std::{
    mem,
    task::{Context, Poll},
};

use codex_auth::{
    CredentialError, CredentialProvider, Credentials, LoginReason, ProfileRef, RouteHint,
};
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use tower::{Service, ServiceExt as _};

use super::ReplayBody;
use crate::{
    BoxError,
    spans::{Link, Step},
};

/// Left in an answer's extensions: which profile's login the request was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedBy(pub ProfileRef);

/// The service of [`CodexAuthLayer`](super::CodexAuthLayer).
#[derive(Debug, Clone)]
pub struct CodexAuth<S, P> {
    inner: S,
    provider: P,
    replay_limit_bytes: usize,
}

impl<S, P> CodexAuth<S, P> {
    pub(super) fn new(inner: S, provider: P, replay_limit_bytes: usize) -> Self {
        Self {
            inner,
            provider,
            replay_limit_bytes,
        }
    }
}

impl<S, P, B, R> Service<Request<B>> for CodexAuth<S, P>
where
    P: CredentialProvider + Clone,
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Unpin + Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled is the one that is called.
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        let exchange = Exchange {
            inner: ready,
            provider: self.provider.clone(),
        };
        Box::pin(exchange.run(request, self.replay_limit_bytes))
    }
}

/// One request with its second try.
struct Exchange<S, P> {
    inner: S,
    provider: P,
}

impl<S, P> Exchange<S, P>
where
    P: CredentialProvider,
{
    async fn run<B, R>(
        mut self,
        request: Request<B>,
        replay_limit_bytes: usize,
    ) -> Result<Response<R>, BoxError>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
        S::Error: Into<BoxError>,
        B: Body<Error: Into<BoxError>> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let hint = parts
            .extensions
            .get::<RouteHint>()
            .cloned()
            .unwrap_or_default();
        let body = ReplayBody::buffer(body, replay_limit_bytes).await?;
        let step = Step::begin(&parts.extensions, "credentials");
        let credentials = self.provider.credentials(&hint);
        let credentials = step.watch(credentials, |error| error.into()).await?;
        step.served_by(credentials.profile());
        let second_try = body.replay().map(|body| (parts.clone(), body));
        let link = Link::of(&parts.extensions);

        let first = with_login(parts, body, &credentials);
        let response = self.inner.call(first).await.map_err(Into::into)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(receipt(response, &credentials));
        }
        tracing::debug!(profile = %credentials.profile(), "the upstream answered 401; refreshing");
        let fresh = self.provider.refresh(&credentials);
        let fresh = link
            .step("refresh")
            .watch(fresh, |error| error.into())
            .await;
        let Some((parts, body)) = second_try else {
            return Ok(receipt(response, &credentials));
        };
        // The connection is free again before the second try wants one.
        drop(response);
        self.again(parts, body, &fresh?).await
    }

    async fn again<B, R>(
        mut self,
        parts: Parts,
        body: ReplayBody<B>,
        fresh: &Credentials,
    ) -> Result<Response<R>, BoxError>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
        S::Error: Into<BoxError>,
    {
        let request = with_login(parts, body, fresh);
        let inner = self.inner.ready().await.map_err(Into::into)?;
        let response = inner.call(request).await.map_err(Into::into)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let profile = fresh.profile().clone();
            return Err(CredentialError::LoginRequired {
                profile,
                reason: LoginReason::Refused,
            }
            .into());
        }
        Ok(receipt(response, fresh))
    }
}

fn with_login<B>(
    mut parts: Parts,
    body: ReplayBody<B>,
    credentials: &Credentials,
) -> Request<ReplayBody<B>> {
    credentials.apply(&mut parts.headers);
    parts.extensions.insert(credentials.clone());
    Request::from_parts(parts, body)
}

fn receipt<R>(mut response: Response<R>, credentials: &Credentials) -> Response<R> {
    response
        .extensions_mut()
        .insert(ServedBy(credentials.profile().clone()));
    response
}
