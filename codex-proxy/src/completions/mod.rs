//! Text completions, for editors that still use them, over an upstream that speaks the Responses
//! API.
//!
//! [`CompletionsLayer`] turns a completion request into one Responses request that asks a model
//! which follows instructions to continue a text, or to fill the gap before a `suffix`; and its
//! event stream into the text alone. A request for a login that has completions of its own passes
//! untouched.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, completions::CompletionsLayer};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Either, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! type Sent = Request<Either<Full<Bytes>, Full<Bytes>>>;
//! let upstream = service_fn(|request: Sent| async move {
//!     assert_eq!(request.uri().path(), "/v1/responses");
//!     let events = concat!(
//!         "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a + b\"}\n\n",
//!         "data: {\"type\":\"response.completed\",\"response\":{}}\n\n",
//!     );
//!     Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(events))))
//! });
//! let completions = ServiceBuilder::new().layer(CompletionsLayer::new()).service(upstream);
//!
//! let body = r#"{"model":"gpt-5.5","prompt":"fn add(a, b) {\n    ","suffix":"\n}"}"#;
//! let request = Request::post("/v1/completions").body(Full::new(Bytes::from(body)))?;
//! let answer = completions.oneshot(request).await?.into_body().collect().await?.to_bytes();
//! let answer: serde_json::Value = serde_json::from_slice(&answer)?;
//! assert_eq!(answer["choices"][0]["text"], "a + b");
//! # Ok(()) }
//! ```
//!
//! # Where it belongs
//!
//! Beside [`chat`](crate::chat), on the path `/v1/completions`.
//!
//! # Caveats
//!
//! - What becomes of each parameter is one table, [`parameters::PARAMETERS`]. Those left out are
//!   named in the answer's header `x-codex-router-dropped`.
//! - Without `max_tokens` the model decides where the text ends. The public API's default of 16
//!   tokens fits no editor, and is not imitated.
//! - The model is asked for little reasoning, since a completion is waited for; none is shown. A
//!   refusal is given as the text, for want of another place.

mod layer;
pub mod parameters;
mod request;
mod response;

#[cfg(test)]
mod tests;

pub use layer::{Completions, CompletionsLayer};
pub use response::TextChunks;
