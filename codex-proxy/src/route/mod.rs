//! Which profile serves a request, and why.
//!
//! The first that applies: the profile that a client's key is bound to
//! ([`KeyHolder`](crate::gate::KeyHolder)), the header `x-codex-profile`, the bearer `profile:NAME`,
//! the rule for its model ([`model_rules`](crate::model_rules)), the current profile. [`RouteLayer`] asks a [`ProfileTable`], leaves a [`RouteHint`] and the [`RouteReason`] in the request for the
//! layers inside, takes the router's own headers off, and writes on every answer who served and
//! why.
//!
//! ```
//! use bytes::Bytes;
//! use codex_auth::{Backend, CredentialError, ProfileRef, RouteHint};
//! use codex_proxy::{BoxError, route::{ChosenProfile, ProfileTable, RouteLayer, RouteReason}};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct AlwaysWork;
//!
//! impl ProfileTable for AlwaysWork {
//!     async fn choose(&self, wanted: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
//!         let profile = wanted.cloned().unwrap_or_else(|| ProfileRef::new("work"));
//!         Ok(ChosenProfile {
//!             profile,
//!             backend: Backend::ChatGpt,
//!             identity: None,
//!             default_reason: RouteReason::Current,
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new().layer(RouteLayer::new(AlwaysWork)).service(service_fn(
//!     |request: Request<()>| async move {
//!         let hint = request.extensions().get::<RouteHint>().unwrap();
//!         assert_eq!(hint.profile.as_ref().unwrap().as_str(), "home");
//!         Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
//!     },
//! ));
//! let request = Request::builder().header("x-codex-profile", "home").body(())?;
//! let answer = service.oneshot(request).await?;
//! assert_eq!(answer.headers()["x-codex-router-profile"], "home");
//! assert_eq!(answer.headers()["x-codex-router-reason"], "header");
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Inside the gate, outside everything that uses a login: no layer below can move a request to
//! another profile, but for [`FallbackLayer`](crate::fallback::FallbackLayer), right inside, which a
//! person must have asked for.

mod layer;
mod table;
mod wish;

pub use layer::{
    Route, RouteLayer, X_CODEX_PROFILE, X_CODEX_ROUTER_PROFILE, X_CODEX_ROUTER_REASON,
};
pub use table::{ChosenProfile, ProfileTable, RouteReason, Routed};

/// Whether a request names its profile, by header or key, so that no rule counts for it.
pub(crate) fn names_profile<B>(request: &http::Request<B>) -> bool {
    wish::Wish::is_in(request)
}

#[cfg(doc)]
use codex_auth::RouteHint;
