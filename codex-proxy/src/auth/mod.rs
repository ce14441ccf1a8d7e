//! Puts a Codex login into each request, refreshes it on a 401, and tries once more.
//!
//! [`CodexAuthLayer`] asks a [`CredentialProvider`] for the login of a request (the provider sees
//! the request's [`RouteHint`], if an outer layer left one in the extensions), puts it into the
//! headers, and leaves it in the extensions for the inner service. When the answer is 401, the
//! provider is asked for another login of the same profile and the request is sent once more.
//!
//! ```
//! use bytes::Bytes;
//! use codex_auth::{CredentialError, CredentialProvider, Credentials, ProfileRef, RouteHint, secret::ApiKey};
//! use codex_proxy::auth::{CodexAuthLayer, ReplayBody, ServedBy};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct OneKey;
//!
//! impl CredentialProvider for OneKey {
//!     async fn credentials(&self, _: &RouteHint) -> Result<Credentials, CredentialError> {
//!         Ok(Credentials::api_key(ProfileRef::new("key"), &ApiKey::new("sk-1")).unwrap())
//!     }
//!     async fn refresh(&self, stale: &Credentials) -> Result<Credentials, CredentialError> {
//!         Ok(stale.clone())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new().layer(CodexAuthLayer::new(OneKey)).service(service_fn(
//!     |request: Request<ReplayBody<Full<Bytes>>>| async move {
//!         assert_eq!(request.headers()["authorization"], "Bearer sk-1");
//!         Ok::<_, codex_proxy::BoxError>(Response::new(Full::<Bytes>::default()))
//!     },
//! ));
//! let response = service.oneshot(Request::new(Full::<Bytes>::default())).await.unwrap();
//! assert_eq!(response.extensions().get::<ServedBy>().unwrap().0.as_str(), "key");
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Inside whatever chooses a profile, so that no retry can change the login; outside time limits
//! and connection retries, so that a refresh does not eat the upstream's time.
//!
//! # Caveats
//!
//! A body is buffered up to a limit so that it can be sent twice; a longer one is sent once, and a
//! 401 is then handed back as it came, with the login refreshed for the next request.

mod layer;
mod replay;
mod service;
#[cfg(test)]
mod tests;

pub use layer::{CodexAuthLayer, DEFAULT_REPLAY_LIMIT_BYTES};
pub use replay::ReplayBody;
pub use service::{CodexAuth, ServedBy};

#[cfg(doc)]
use codex_auth::{CredentialProvider, RouteHint};
