//! Another profile for a request that the current one could not serve, where a person has set one.
//!
//! Meant for "my API key when my plan's limit is reached". [`FallbackLayer`] does nothing until its
//! [`FallbackRules`] name somebody, and then only
//!
//! - for a request that the **current** profile serves: what names its profile, by header or key,
//!   is served by that one or fails, and so is what goes to the live login;
//! - for a `POST`, when the answer is **429 `usage_limit_reached`**, or, if that is asked for too,
//!   when the login must be renewed (`profile_needs_login`);
//! - **before the first byte** of an answer, with a body that fits into memory within a limit;
//! - as often in a day as the rules allow. Each try is counted before it is sent.
//!
//! The second try goes through everything inside again, translation and all, with the other
//! profile's hint and the reason [`RouteReason::Fallback`]. An answer of the other profile counts
//! only if it is a success; else the next one is asked, and in the end the current profile's own
//! answer stands, as if nobody else had been.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use codex_auth::{Backend, CredentialError, ProfileRef, RouteHint};
//! use codex_proxy::{ApiError, BoxError, auth::ReplayBody, fallback::{FallbackLayer, FallbackPlan, FallbackRules}};
//! use codex_proxy::route::{ChosenProfile, ProfileTable, RouteLayer, RouteReason};
//! use futures_util::future::BoxFuture;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! #[derive(Clone)]
//! struct Two;
//!
//! impl ProfileTable for Two {
//!     async fn choose(&self, wanted: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
//!         let profile = wanted.cloned().unwrap_or_else(|| ProfileRef::new("work"));
//!         let (backend, default_reason) = (Backend::OpenAi, RouteReason::Current);
//!         Ok(ChosenProfile { profile, backend, identity: None, default_reason })
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct AlwaysKey;
//!
//! impl FallbackRules for AlwaysKey {
//!     fn plan(&self) -> BoxFuture<'_, Option<Arc<FallbackPlan>>> {
//!         let plan = FallbackPlan { profiles: vec![ProfileRef::new("key")], on_needs_login: false };
//!         Box::pin(async { Some(Arc::new(plan)) })
//!     }
//!     fn take(&self) -> BoxFuture<'_, bool> {
//!         Box::pin(async { true })
//!     }
//! }
//!
//! type Sent = Request<ReplayBody<Full<Bytes>>>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(RouteLayer::new(Two))
//!     .layer(FallbackLayer::new(Two, Arc::new(AlwaysKey)))
//!     .service(service_fn(|request: Sent| async move {
//!         let hint = request.extensions().get::<RouteHint>().unwrap();
//!         if hint.profile.as_ref().unwrap().as_str() == "key" {
//!             return Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()));
//!         }
//!         let limit = ApiError::upstream(StatusCode::TOO_MANY_REQUESTS, "usage_limit_reached", "");
//!         Ok(limit.into_response())
//!     }));
//! let request = Request::post("/v1/responses").body(Full::default())?;
//! let answer = service.oneshot(request).await?;
//! assert_eq!(answer.headers()["x-codex-router-profile"], "key");
//! assert_eq!(answer.headers()["x-codex-router-reason"], "fallback");
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Right inside [`RouteLayer`](crate::route::RouteLayer), around everything that may fail, errors
//! rendered: it tells errors by their [`ErrorMark`](crate::error::ErrorMark).
//!
//! # Caveats
//!
//! Over HTTP alone: the turns of a Codex that speaks WebSocket are the upstream's own connection,
//! and have no second try. Tokens are counted where an answer says them; a stream of chat
//! completions says them only if it is asked to, so that the bound on requests is the firmer one.

mod layer;
mod rules;
#[cfg(test)]
mod tests;

pub use layer::{Fallback, FallbackLayer};
pub use rules::{FallbackPlan, FallbackRules};

#[cfg(doc)]
use crate::route::RouteReason;
