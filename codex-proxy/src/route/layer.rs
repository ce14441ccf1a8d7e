use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::ProfileRef;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower::{Layer, Service};

use super::{ChosenProfile, ProfileTable, RouteReason, Routed, wish::Wish};
use crate::{ApiError, gate::KeyHolder, model_rules::Ruled, spans::Step};

/// On a request: the profile that must serve it.
pub const X_CODEX_PROFILE: HeaderName = HeaderName::from_static("x-codex-profile");
/// On an answer: the profile that served it.
pub const X_CODEX_ROUTER_PROFILE: HeaderName = HeaderName::from_static("x-codex-router-profile");
/// On an answer: why that profile served it.
pub const X_CODEX_ROUTER_REASON: HeaderName = HeaderName::from_static("x-codex-router-reason");

/// Chooses the profile of each request; see the [module](super).
#[derive(Debug, Clone)]
pub struct RouteLayer<T> {
    table: T,
}

impl<T> RouteLayer<T> {
    /// A layer that asks `table`.
    pub fn new(table: T) -> Self {
        Self { table }
    }
}

impl<S, T: Clone> Layer<S> for RouteLayer<T> {
    type Service = Route<S, T>;

    fn layer(&self, inner: S) -> Route<S, T> {
        Route {
            inner,
            table: self.table.clone(),
        }
    }
}

/// The service of [`RouteLayer`].
#[derive(Debug, Clone)]
pub struct Route<S, T> {
    inner: S,
    table: T,
}

impl<S, T, B, R> Service<Request<B>> for Route<S, T>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    T: ProfileTable + Clone,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let table = self.table.clone();
        Box::pin(async move {
            let step = Step::begin(request.extensions(), "route");
            let chosen = choose(&table, &mut request);
            let chosen = step.watch(chosen, Clone::clone).await;
            step.end();
            let (chosen, reason) = match chosen {
                Ok(chosen) => chosen,
                Err(error) => return Ok(error.into_response()),
            };
            tracing::Span::current().record("profile", chosen.profile.as_str());
            request.extensions_mut().insert(chosen.hint());
            request.extensions_mut().insert(reason);
            let response = ready.call(request).await?;
            let profile = chosen.profile;
            Ok(receipt(response, Routed { profile, reason }))
        })
    }
}

async fn choose<T: ProfileTable, B>(
    table: &T,
    request: &mut Request<B>,
) -> Result<(ChosenProfile, RouteReason), ApiError> {
    let holder = request.extensions().get::<KeyHolder>().cloned();
    let wish = Wish::take(request.headers_mut())?;
    let (bound_to, owner) = holder.map_or((None, None), |it| (it.profile, it.identity));
    let wish = match bound_to {
        Some(profile) => Some(Wish::of_key(profile, wish)?),
        None => wish,
    };
    let rule = request.extensions_mut().remove::<Ruled>();
    let rule = rule.filter(|_| wish.is_none());
    let named = wish.as_ref().map(|wish| &wish.profile);
    let wanted = named.or(rule.as_ref().map(|rule| &rule.profile));
    let chosen = table.choose(wanted).await.map_err(|error| match &rule {
        Some(rule) => rule.unavailable(&error),
        None => ApiError::from(&error),
    })?;
    if owner.is_some_and(|owner| chosen.identity.as_ref() != Some(&owner)) {
        return Err(another_login(&chosen.profile));
    }
    let by_rule = rule.map(|_| RouteReason::ModelRule);
    let reason = wish.map(|wish| wish.reason).or(by_rule);
    let reason = reason.unwrap_or(chosen.default_reason);
    Ok((chosen, reason))
}

/// The name was taken over by another login than the one that the key was made for.
fn another_login(profile: &ProfileRef) -> ApiError {
    let message = format!(
        "the client key was made for another login than the one that the profile `{profile}` holds \
         now: make the key anew"
    );
    ApiError::invalid_request("key_binding_lost", message).with_status(StatusCode::FORBIDDEN)
}

/// What was chosen, unless a layer inside says that it had another profile serve.
fn receipt<R>(mut response: Response<R>, chosen: Routed) -> Response<R> {
    let routed = response.extensions().get().cloned().unwrap_or(chosen);
    let headers = response.headers_mut();
    // A profile's name has no control characters, so it always fits; UTF-8 goes as it is.
    if let Ok(name) = HeaderValue::from_bytes(routed.profile.as_str().as_bytes()) {
        headers.insert(X_CODEX_ROUTER_PROFILE, name);
    }
    let reason = HeaderValue::from_static(routed.reason.as_str());
    headers.insert(X_CODEX_ROUTER_REASON, reason);
    response.extensions_mut().insert(routed);
    response
}
