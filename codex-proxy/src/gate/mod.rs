//! Is this local client allowed? Nothing behind this layer is touched before it says yes.
//!
//! A port on loopback is open to every web page in the person's browser. [`ClientGateLayer`]
//! refuses what only a browser would send on behalf of a page of somebody else: a foreign `Host`
//! (DNS rebinding), a foreign `Origin`, and fetch metadata that says another site is asking. It
//! never sends CORS headers, so that no page can read an answer either.
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
//! # Where it belongs
//!
//! Outermost but for request ids and traces.

mod layer;
mod rules;
#[cfg(test)]
mod tests;

pub use layer::{ClientGate, ClientGateLayer};
