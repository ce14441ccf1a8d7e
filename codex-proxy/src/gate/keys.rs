use std::{
    fmt,
    future::Future,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use codex_auth::{ProfileRef, secret::ApiKey};
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{AUTHORIZATION, UPGRADE},
};
use tower::{Layer, Service};

use crate::{ApiError, BoxError, spans::Step};

/// Knows the keys that clients may present.
pub trait ClientKeys: Send + Sync + 'static {
    /// Whether a client that presents this key, or none, may go on. Asked for every request: what
    /// was revoked counts at the next one.
    ///
    /// # Errors
    /// Whatever keeps it from knowing; the request is refused then.
    fn admit(
        &self,
        presented: Option<&str>,
    ) -> impl Future<Output = Result<Admission, BoxError>> + Send;
}

/// Whether a client may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// There are no keys, and so none is needed on this machine.
    Open,
    /// It presented a key.
    Known(KeyHolder),
    /// A key is required, and it presented none, or one that is not known.
    Refused,
}

/// Left in a request's extensions: whose key came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// What the key is called.
    pub name: Arc<str>,
    /// The one profile that may serve it, if the key is bound.
    pub profile: Option<ProfileRef>,
    /// Whose login that profile must hold, where that is known: the fingerprint of its identity.
    pub identity: Option<Arc<str>>,
}

/// In a request's extensions: it may have come from another machine, so that a key is needed even
/// if none has been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromNetwork;

/// Lets nobody pass without a key, once there are any; see the [module](super).
#[derive(Debug, Clone)]
pub struct ClientKeyLayer<K> {
    keys: K,
}

impl<K> ClientKeyLayer<K> {
    /// A layer that asks `keys`.
    pub fn new(keys: K) -> Self {
        Self { keys }
    }
}

impl<S, K: Clone> Layer<S> for ClientKeyLayer<K> {
    type Service = ClientKeyGate<S, K>;

    fn layer(&self, inner: S) -> ClientKeyGate<S, K> {
        ClientKeyGate {
            inner,
            keys: self.keys.clone(),
        }
    }
}

/// The service of [`ClientKeyLayer`].
#[derive(Debug, Clone)]
pub struct ClientKeyGate<S, K> {
    inner: S,
    keys: K,
}

impl<S, K, B, R> Service<Request<B>> for ClientKeyGate<S, K>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    K: ClientKeys + Clone,
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
        let keys = self.keys.clone();
        Box::pin(async move {
            let step = Step::begin(request.extensions(), "client_key");
            let checked = step.watch(checked(&keys, &mut request), Clone::clone).await;
            step.end();
            match checked {
                Ok(()) => ready.call(request).await,
                Err(error) => Ok(error.into_response()),
            }
        })
    }
}

/// Takes the key off a request that may go on: nobody behind is to see it.
async fn checked<K, B>(keys: &K, request: &mut Request<B>) -> Result<(), ApiError>
where
    K: ClientKeys + Clone,
{
    let presented = Presented::of(request)?;
    if let Some(holder) = presented.holder(keys).await? {
        request.headers_mut().remove(AUTHORIZATION);
        request.extensions_mut().insert(holder);
    }
    if request.headers().contains_key(UPGRADE) {
        let keys = keys.clone();
        request
            .extensions_mut()
            .insert(Pass(Arc::new(Entry { keys, presented })));
    }
    Ok(())
}

/// In the extensions of a request that asks for a connection: whether its client may still go on,
/// each time it wants something on that connection.
#[derive(Clone)]
pub(crate) struct Pass(Arc<dyn Renewable>);

impl Pass {
    /// What a request with the same key would be told now.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn renew(&self) -> Result<(), ApiError> {
        self.0.renew().await
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").finish_non_exhaustive()
    }
}

trait Renewable: Send + Sync {
    fn renew(&self) -> BoxFuture<'_, Result<(), ApiError>>;
}

/// Who came in, and by whose leave.
struct Entry<K> {
    keys: K,
    presented: Presented,
}

impl<K: ClientKeys> Renewable for Entry<K> {
    fn renew(&self) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async { self.presented.holder(&self.keys).await.map(drop) })
    }
}

/// What a client brings in the place of a key.
struct Presented {
    key: Option<ApiKey>,
    is_codex_login: bool,
    from_network: bool,
}

impl Presented {
    fn of<B>(request: &Request<B>) -> Result<Self, ApiError> {
        let headers: &HeaderMap = request.headers();
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next(), values.next()) else {
            let message = "the header `authorization` comes twice";
            return Err(ApiError::invalid_request("invalid_header", message)
                .with_param(AUTHORIZATION.as_str()));
        };
        let key = value.and_then(|value| value.to_str().ok()).and_then(bearer);
        Ok(Self {
            // As Codex sends its own ChatGPT login (wire reference 10.1).
            is_codex_login: key.is_some_and(is_compact_jws)
                && headers.contains_key("chatgpt-account-id"),
            key: key.map(ApiKey::new),
            from_network: request.extensions().get::<FromNetwork>().is_some(),
        })
    }

    /// Whose key it is; nobody's where none is needed.
    async fn holder<K: ClientKeys>(&self, keys: &K) -> Result<Option<KeyHolder>, ApiError> {
        let admission = keys.admit(self.key.as_ref().map(ApiKey::expose)).await;
        match admission.map_err(|error| unreadable(&error))? {
            Admission::Open if !self.from_network => Ok(None),
            Admission::Known(holder) => Ok(Some(holder)),
            Admission::Open | Admission::Refused => Err(self.refusal()),
        }
    }

    fn refusal(&self) -> ApiError {
        let kept = "`codex-router key create NAME` makes one";
        if self.is_codex_login {
            // Never a 401: Codex would spend its own refresh token (wire reference 6.4).
            let message = "the router requires a client key, and Codex sends its own login instead: \
                `codex-router attach --provider` lets it send a key";
            return refused("client_key_required", message).with_status(StatusCode::FORBIDDEN);
        }
        match self.key.as_ref().map(ApiKey::expose) {
            None => refused(
                "client_key_required",
                format!("the router requires a client key, as a bearer token: {kept}"),
            ),
            Some(key) if key.starts_with("profile:") => refused(
                "invalid_api_key",
                "the router requires a client key: present one, and name the profile with the \
                 header `x-codex-profile`",
            ),
            Some(_) => refused(
                "invalid_api_key",
                format!("the router knows no such client key: {kept}"),
            ),
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// Three parts, the first of which is JSON (RFC 7515, section 7.1).
fn is_compact_jws(token: &str) -> bool {
    token.starts_with("ey") && token.split('.').count() == 3
}

fn refused(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid_request(code, message).with_status(StatusCode::UNAUTHORIZED)
}

fn unreadable(error: &BoxError) -> ApiError {
    tracing::warn!(%error, "client keys could not be read");
    let message = "the router's client keys cannot be read, so that it cannot tell who may use it: \
                   look at `router/state.json`";
    ApiError::router(
        StatusCode::SERVICE_UNAVAILABLE,
        "client_keys_unreadable",
        message,
    )
}

#[cfg(test)]
mod tests {
    use codex_auth::{Backend, CredentialError};
    use futures_util::future;
    use http_body_util::Full;
    use proptest::prelude::*;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::route::{ChosenProfile, ProfileTable, RouteLayer, RouteReason};

    /// `crk_bound` is bound to `work`, `crk_free` to none.
    #[derive(Debug, Clone, Copy)]
    struct TwoKeys;

    impl ClientKeys for TwoKeys {
        async fn admit(&self, presented: Option<&str>) -> Result<Admission, BoxError> {
            let holder = |name: &str, profile: Option<&str>| {
                Admission::Known(KeyHolder {
                    name: name.into(),
                    profile: profile.map(ProfileRef::new),
                    identity: None,
                })
            };
            Ok(match presented {
                Some("crk_bound") => holder("bound", Some("work")),
                Some("crk_free") => holder("free", None),
                _ => Admission::Refused,
            })
        }
    }

    #[derive(Debug, Clone, Copy)]
    struct NoKeys;

    impl ClientKeys for NoKeys {
        async fn admit(&self, _: Option<&str>) -> Result<Admission, BoxError> {
            Ok(Admission::Open)
        }
    }

    #[derive(Debug, Clone, Copy)]
    struct BrokenKeys;

    impl ClientKeys for BrokenKeys {
        async fn admit(&self, _: Option<&str>) -> Result<Admission, BoxError> {
            Err("no such disk".into())
        }
    }

    /// Knows every profile; `current` is the current one.
    #[derive(Debug, Clone, Copy)]
    struct AnyProfile;

    impl ProfileTable for AnyProfile {
        async fn choose(
            &self,
            wanted: Option<&ProfileRef>,
        ) -> Result<ChosenProfile, CredentialError> {
            Ok(ChosenProfile {
                profile: wanted
                    .cloned()
                    .unwrap_or_else(|| ProfileRef::new("current")),
                backend: Backend::ChatGpt,
                identity: None,
                default_reason: RouteReason::Current,
            })
        }
    }

    type Answer = Response<Full<Bytes>>;

    /// Echoes whether the key was seen behind.
    fn asked(keys: impl ClientKeys + Clone, request: Request<()>) -> Answer {
        let inner = service_fn(|request: Request<()>| {
            let seen = request.headers().contains_key(AUTHORIZATION);
            let answer = Response::builder().header("key-seen", seen.to_string());
            future::ready(answer.body(Full::default()).map_err(BoxError::from))
        });
        let stack = ServiceBuilder::new()
            .layer(ClientKeyLayer::new(keys))
            .layer(RouteLayer::new(AnyProfile))
            .service(inner);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(stack.oneshot(request)).unwrap()
    }

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get("/v1/models");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
        let value = answer.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn served(answer: &Answer) -> (u16, &str, &str) {
        (
            answer.status().as_u16(),
            header(answer, "x-codex-router-profile"),
            header(answer, "x-codex-router-reason"),
        )
    }

    const BOUND: (&str, &str) = ("authorization", "Bearer crk_bound");
    const FREE: (&str, &str) = ("authorization", "bearer  crk_free");

    #[test]
    fn a_key_chooses_its_profile_and_goes_no_further() {
        let answer = asked(TwoKeys, request(&[BOUND]));
        assert_eq!(served(&answer), (200, "work", "key"));
        assert_eq!(header(&answer, "key-seen"), "false");
        let answer = asked(TwoKeys, request(&[FREE]));
        assert_eq!(served(&answer), (200, "current", "current"));
        assert_eq!(header(&answer, "key-seen"), "false");
    }

    #[test]
    fn a_header_names_the_profile_unless_the_key_is_bound_to_another() {
        let answer = asked(TwoKeys, request(&[FREE, ("x-codex-profile", "home")]));
        assert_eq!(served(&answer), (200, "home", "header"));
        let answer = asked(TwoKeys, request(&[BOUND, ("x-codex-profile", " work ")]));
        assert_eq!(served(&answer), (200, "work", "key"));
        let answer = asked(TwoKeys, request(&[BOUND, ("x-codex-profile", "home")]));
        assert_eq!(served(&answer), (403, "", ""));
    }

    #[test]
    fn who_has_no_key_is_refused_whatever_else_it_brings() {
        for headers in [
            &[][..],
            &[("authorization", "Bearer crk_other")],
            &[("authorization", "Bearer profile:work")],
            &[("authorization", "Basic crk_free")],
            &[("authorization", "crk_free")],
            &[("x-codex-profile", "work")],
            &[("x-api-key", "crk_free")],
        ] {
            let answer = asked(TwoKeys, request(headers));
            assert_eq!(served(&answer), (401, "", ""), "{headers:?}");
        }
        assert_eq!(asked(TwoKeys, request(&[BOUND, FREE])).status(), 400);
    }

    /// A 401 would make it spend its own refresh token.
    #[test]
    fn codex_with_its_own_login_is_never_told_401() {
        let own = [
            ("authorization", "Bearer eyJ.eyJ.sig"),
            ("chatgpt-account-id", "acct"),
        ];
        assert_eq!(asked(TwoKeys, request(&own)).status(), 403);
    }

    #[test]
    fn without_any_key_only_this_machine_is_served() {
        assert_eq!(served(&asked(NoKeys, request(&[]))).0, 200);
        let mut from_network = request(&[]);
        from_network.extensions_mut().insert(FromNetwork);
        assert_eq!(served(&asked(NoKeys, from_network)).0, 401);
    }

    #[test]
    fn keys_that_cannot_be_read_let_nobody_in() {
        assert_eq!(served(&asked(BrokenKeys, request(&[FREE]))).0, 503);
    }

    proptest! {
        #[test]
        fn no_request_with_a_bound_key_reaches_another_profile(
            named in proptest::option::of("[ -~]{0,12}"),
            others in proptest::collection::vec(("(x-codex-profile|x-other|authorization)", "(Bearer )?(profile:)?[a-z]{0,6}"), 0..4),
            first in any::<bool>(),
        ) {
            let mut headers: Vec<(&str, &str)> = others
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            headers.extend(named.as_deref().map(|name| ("x-codex-profile", name)));
            headers.insert(if first { 0 } else { headers.len() }, BOUND);
            let answer = asked(TwoKeys, request(&headers));
            let (status, profile, reason) = served(&answer);
            prop_assert!(
                (status, profile, reason) == (200, "work", "key") || (status >= 400 && profile.is_empty()),
                "{headers:?}: {status} {profile} {reason}"
            );
        }
    }
}
