//! Is this local client allowed? Nothing behind this layer is touched before it says yes.
//!
//! A port on loopback is open to every web page in the person's browser. [`ClientGateLayer`]
//! refuses what only a browser would send on behalf of a page of somebody else: a foreign `Host`
//! (DNS rebinding), a foreign `Origin`, and fetch metadata that says another site is asking. It
//! never sends CORS headers, so that no page can read an answer either. And it refuses what could be
//! read in two ways, by it and by whoever is behind it: two hosts, two lengths, paths in disguise.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, gate::ClientGateLayer};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new().layer(ClientGateLayer::loopback()).service(service_fn(
//!     |_: Request<()>| async { Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())) },
//! ));
//! let page = Request::builder().header("host", "localhost:9876").header("origin", "https://evil.example");
//! let answer = service.oneshot(page.body(())?).await?;
//! assert_eq!(answer.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```
//!
//! In an axum router it stands around the routes that it is to guard, and [`AllowedHosts`] changes the
//! names it answers to while it serves:
//!
//! ```
//! # #[cfg(feature = "server")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), codex_proxy::BoxError> {
//! use axum::{Router, body::Body, routing::get};
//! use codex_proxy::gate::{AllowedHosts, ClientGateLayer};
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! let hosts = AllowedHosts::default();
//! let gate = ClientGateLayer::loopback().with_allowed_hosts(hosts.clone());
//! let router: Router = Router::new().route("/", get(async || "local")).layer(gate);
//! let ask = || Request::get("/").header("host", "desk.example").body(Body::empty());
//! assert_eq!(router.clone().oneshot(ask()?).await?.status(), StatusCode::FORBIDDEN);
//! hosts.set(["desk.example".to_owned()]);
//! assert_eq!(router.oneshot(ask()?).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "server"))]
//! # fn main() {}
//! ```
//!
//! [`ClientKeyLayer`] lets only those pass who present a key, as soon as there are any.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, gate::{Admission, ClientKeyLayer, ClientKeys, KeyHolder}};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct OneKey;
//!
//! impl ClientKeys for OneKey {
//!     async fn admit(&self, presented: Option<&str>) -> Result<Admission, BoxError> {
//!         let holder = KeyHolder { name: "editor".into(), profile: None, identity: None };
//!         Ok(match presented {
//!             Some("crk_example") => Admission::Known(holder),
//!             _ => Admission::Refused,
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new().layer(ClientKeyLayer::new(OneKey)).service(service_fn(
//!     |_: Request<()>| async { Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())) },
//! ));
//! let without = Request::new(());
//! let answer = service.clone().oneshot(without).await?;
//! assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//! let with = Request::builder().header("authorization", "Bearer crk_example").body(())?;
//! assert_eq!(service.oneshot(with).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # Where they belong
//!
//! The gate outermost but for request ids and traces; the keys inside of it, around every route that
//! uses a login and around what chooses the login, which goes by the [`KeyHolder`] it finds.

mod keys;
mod layer;
mod path;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use keys::Pass;
pub use keys::{Admission, ClientKeyGate, ClientKeyLayer, ClientKeys, FromNetwork, KeyHolder};
pub use layer::{AllowedHosts, ClientGate, ClientGateLayer};
