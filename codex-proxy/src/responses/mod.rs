//! The Responses API for clients that are not Codex.
//!
//! Codex's own requests, and those for a login of the public API, pass untouched, byte for byte.
//! Other clients' requests are adapted to what the ChatGPT backend accepts ([`adapt`]); its stream
//! passes byte for byte, but for a last event that lacks the output, or is gathered into one object
//! for a client that does not stream.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, responses::ResponsesLayer};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Either, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! type Sent = Request<Either<Full<Bytes>, Full<Bytes>>>;
//! let upstream = service_fn(|request: Sent| async move {
//!     let body = request.into_body().collect().await?.to_bytes();
//!     let body: serde_json::Value = serde_json::from_slice(&body)?;
//!     assert_eq!(body["input"][0]["type"], "message");
//!     let event = r#"data: {"type":"response.completed","response":{"id":"resp_1","output":[]}}"#;
//!     Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(format!("{event}\n\n")))))
//! });
//! let responses = ServiceBuilder::new().layer(ResponsesLayer::new()).service(upstream);
//!
//! let body = r#"{"model":"gpt-5.5","input":"Hi","temperature":0.5}"#;
//! let request = Request::post("/v1/responses").body(Full::new(Bytes::from(body)))?;
//! let answer = responses.oneshot(request).await?;
//! assert_eq!(answer.headers()["x-codex-router-dropped"], "temperature");
//! # Ok(()) }
//! ```
//!
//! # Where it belongs
//!
//! Beside [`chat`](crate::chat), on the path `/v1/responses`: below whatever chooses the login,
//! above the credentials. Decompression of request bodies belongs above it for clients that are not
//! Codex; Codex's own compressed bodies need none, as nothing here reads them.
//!
//! # Caveats
//!
//! - `previous_response_id` and `store` need a [`memory`]; without one, or where it does not know
//!   the answer, a request that goes on from an answer is refused with 400.
//! - Stored prompts, conversations and background answers need a server that keeps more than that:
//!   they are refused with 400.

pub mod adapt;
mod aggregate;
pub mod event;
mod input_items;
mod layer;
pub mod memory;
mod recall;
mod relay;
mod stored;
mod warm_up;
pub mod wire;

#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;

pub use layer::{Responses, ResponsesLayer};
pub use relay::Relay;
pub use stored::{StoredResponses, StoredResponsesLayer};
