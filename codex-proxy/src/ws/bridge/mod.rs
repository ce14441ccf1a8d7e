//! WebSocket for clients whose messages the upstream would not take: each turn is one request.
//!
//! OpenAI's own libraries say over WebSocket what they say over HTTP, and the ChatGPT backend
//! refuses much of it. So for a client that is not Codex, each `response.create` becomes one
//! streaming `POST` to a service that answers Responses requests, and each event of the answer one
//! text message, the event's data byte for byte (an error in a stream alone is written as it is over
//! WebSocket). What that service does for HTTP it does for every
//! turn: the choice of a profile, adaptation, errors.
//!
//! - **One turn at a time.** Messages that come during a turn wait for its end, in order; after 16
//!   of them, or 1 MiB, another one ends the connection (1008) with `too_many_messages`.
//! - **A client that leaves** ends its turn at once, whatever waits: the request is dropped.
//! - **An error** is a message `{"type":"error","status":…,"error":{…},"headers":{…}}`, and the
//!   connection goes on (wire reference 7.3).
//! - **After 60 minutes**, between two turns, the connection ends as OpenAI's do, with
//!   `websocket_connection_limit_reached`.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, ws::BridgeLayer};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let turns = service_fn(|_: Request<Full<Bytes>>| async {
//!     Ok::<_, BoxError>(Response::new(Full::from("data: {\"type\":\"response.completed\"}\n\n")))
//! });
//! let relayed = service_fn(|_: Request<Full<Bytes>>| async {
//!     let mut answer = Response::new(Full::default());
//!     *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
//!     Ok::<_, BoxError>(answer)
//! });
//! let service = ServiceBuilder::new().layer(BridgeLayer::new(turns)).service(relayed);
//!
//! let codex = Request::get("/v1/responses").header("originator", "codex_exec");
//! let answer = service.oneshot(codex.body(Full::default())?).await?;
//! assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS, "Codex goes on to the upstream");
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Around [`Upgrade`](super::Upgrade), inside [`RouteLayer`](crate::route::RouteLayer). The service
//! of the turns chooses the profile of each anew; a client that named one keeps it.
//!
//! # Caveats
//!
//! One lane: a message with a `stream_id` is refused, and so is every message but
//! `response.create`. Answers of a connection are continued from memory
//! ([`ConnectionMemory`](crate::responses::memory::ConnectionMemory)); those that are not stored are
//! forgotten with it. Parameters that are left out are not named: a turn has no head to name them in,
//! as `x-codex-router-dropped` does over HTTP.

mod answer;
mod ask;
mod layer;
mod session;

#[cfg(test)]
pub(in crate::ws) use ask::TurnHead;
pub use layer::{Bridge, BridgeLayer};
