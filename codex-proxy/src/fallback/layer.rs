use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::{Backend, ProfileRef, RouteHint};
use futures_util::future::BoxFuture;
use http::{Extensions, Method, Request, Response, StatusCode, request::Parts};
use http_body::Body;
use tower::{Layer, Service, ServiceExt as _};

use super::{FallbackPlan, FallbackRules};
use crate::{
    ApiError, BoxError,
    auth::{DEFAULT_REPLAY_LIMIT_BYTES, ReplayBody},
    error::ErrorMark,
    meter::TokenWatch,
    route::{ChosenProfile, ProfileTable, RouteReason, Routed},
};

/// Has another profile serve what the current one could not; see the [module](super).
#[derive(Debug, Clone)]
pub struct FallbackLayer<T> {
    table: T,
    rules: Arc<dyn FallbackRules>,
    body_limit_bytes: usize,
}

impl<T> FallbackLayer<T> {
    /// A layer that does as `rules` say with the profiles of `table`.
    pub fn new(table: T, rules: Arc<dyn FallbackRules>) -> Self {
        Self {
            table,
            rules,
            body_limit_bytes: DEFAULT_REPLAY_LIMIT_BYTES,
        }
    }

    /// Keeps at most this much of a body for another try; a longer one has none.
    #[must_use]
    pub fn with_body_limit(self, body_limit_bytes: usize) -> Self {
        Self {
            body_limit_bytes,
            ..self
        }
    }
}

impl<S, T: Clone> Layer<S> for FallbackLayer<T> {
    type Service = Fallback<S, T>;

    fn layer(&self, inner: S) -> Fallback<S, T> {
        Fallback {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`FallbackLayer`].
#[derive(Debug, Clone)]
pub struct Fallback<S, T> {
    inner: S,
    layer: FallbackLayer<T>,
}

impl<S, T, B, R> Service<Request<B>> for Fallback<S, T>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    T: ProfileTable + Clone,
    B: Body<Data: Send, Error: Into<BoxError>> + Unpin + Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let Some(from) = Current::of(&request) else {
            return Box::pin(inner.call(request.map(ReplayBody::unread)));
        };
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.rules.plan().await {
                Some(plan) => {
                    Tries {
                        inner,
                        layer,
                        from,
                        plan,
                    }
                    .run(request)
                    .await
                }
                None => inner.call(request.map(ReplayBody::unread)).await,
            }
        })
    }
}

/// The current profile, where another one may serve its request.
struct Current {
    profile: ProfileRef,
    identity: Option<Arc<str>>,
}

impl Current {
    /// Nothing for a request that must be served by the profile it has.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let extensions = request.extensions();
        let by_default = extensions.get() == Some(&RouteReason::Current);
        let may_move = by_default && request.method() == Method::POST;
        let hint = extensions.get::<RouteHint>().filter(|_| may_move)?;
        Some(Self {
            profile: hint.profile.clone()?,
            identity: hint.identity.clone(),
        })
    }

    /// Whether a profile is another account's: the same one has the same limit.
    fn is_other(&self, chosen: &ChosenProfile) -> bool {
        let same_account = self.identity.is_some() && self.identity == chosen.identity;
        chosen.profile != self.profile && !same_account
    }
}

/// One request, with those who may serve it.
struct Tries<S, T> {
    inner: S,
    layer: FallbackLayer<T>,
    from: Current,
    plan: Arc<FallbackPlan>,
}

impl<S, T> Tries<S, T>
where
    T: ProfileTable,
{
    async fn run<B, R>(mut self, request: Request<B>) -> Result<Response<R>, S::Error>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
        B: Body<Error: Into<BoxError>> + Unpin,
        R: From<Bytes>,
    {
        let (parts, body) = request.into_parts();
        let limit_bytes = self.layer.body_limit_bytes;
        let body = match ReplayBody::buffer(body, limit_bytes).await {
            Ok(body) => body,
            // Before anything was sent.
            Err(error) => return Ok(ApiError::broken_off(error.as_ref()).into_response()),
        };
        let again = body.replay().map(|body| (parts.clone(), body));
        let answer = self.inner.call(Request::from_parts(parts, body)).await?;
        match again.filter(|_| self.plan.covers(&answer)) {
            Some((parts, body)) => Ok(self.others(parts, body).await?.unwrap_or(answer)),
            None => Ok(answer),
        }
    }

    /// The answer of the first other profile that serves.
    async fn others<B, R>(
        &mut self,
        parts: Parts,
        body: ReplayBody<B>,
    ) -> Result<Option<Response<R>>, S::Error>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
        B: Body<Error: Into<BoxError>> + Unpin,
    {
        let plan = self.plan.clone();
        for name in &plan.profiles {
            let chosen = choose(&self.layer.table, name).await;
            let chosen = chosen.filter(|chosen| self.from.is_other(chosen));
            let Some((chosen, body)) = chosen.zip(body.replay()) else {
                continue;
            };
            if !self.layer.rules.take().await {
                tracing::warn!(
                    "the current profile cannot serve, and today's fallbacks are used up"
                );
                break;
            }
            let request = Request::from_parts(self.parts_for(&parts, &chosen), body);
            let answer = self.inner.ready().await?.call(request).await?;
            if answer.status().is_success() {
                return Ok(Some(self.served(answer, chosen.profile)));
            }
            tracing::warn!(profile = %chosen.profile, status = answer.status().as_u16(),
                "a profile that is set as a fallback could not serve either");
        }
        Ok(None)
    }

    fn parts_for(&self, parts: &Parts, chosen: &ChosenProfile) -> Parts {
        let mut parts = parts.clone();
        parts.extensions.insert(chosen.hint());
        parts.extensions.insert(RouteReason::Fallback);
        if chosen.backend == Backend::OpenAi {
            self.count_tokens(&mut parts.extensions);
        }
        parts
    }

    fn count_tokens(&self, extensions: &mut Extensions) {
        let rules = self.layer.rules.clone();
        extensions.insert(TokenWatch::new(move |tokens| rules.spent(tokens.total())));
    }

    fn served<R>(&self, mut answer: Response<R>, profile: ProfileRef) -> Response<R> {
        tracing::Span::current().record("profile", profile.as_str());
        self.layer.rules.served(&self.from.profile, &profile);
        let reason = RouteReason::Fallback;
        answer.extensions_mut().insert(Routed { profile, reason });
        answer
    }
}

async fn choose<T: ProfileTable>(table: &T, name: &ProfileRef) -> Option<ChosenProfile> {
    let chosen = table.choose(Some(name)).await;
    chosen
        .inspect_err(
            |error| tracing::warn!(%error, "a profile that is set as a fallback is not there"),
        )
        .ok()
}

impl FallbackPlan {
    /// Whether this answer is one that somebody else may better.
    fn covers<R>(&self, answer: &Response<R>) -> bool {
        let Some(mark) = answer.extensions().get::<ErrorMark>() else {
            return false;
        };
        match answer.status() {
            StatusCode::TOO_MANY_REQUESTS => mark.has_code("usage_limit_reached"),
            StatusCode::SERVICE_UNAVAILABLE => {
                self.on_needs_login && mark.has_code("profile_needs_login")
            }
            _ => false,
        }
    }
}
