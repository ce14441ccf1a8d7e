//! The Responses API over WebSocket: Codex's own way to ask, tried before any other.
//!
//! A handshake is an ordinary request, so it goes through the same stack: the gate, the choice of a
//! profile, the login and its second try after a 401. [`UpgradeLayer`] lets the client switch
//! protocols only when the upstream has, and then passes messages on between the two connections as
//! they come. It reads no more of them than where a turn begins and ends.
//!
//! - **A turn ends on the profile it began with.** When another profile would serve the next one,
//!   that message is answered `previous_response_not_found`, the one error after which Codex
//!   connects anew and sends its whole conversation (wire reference 7.3).
//! - **Nothing ends in silence.** What breaks in the middle of a turn is told in an error message
//!   that names whose fault it is, and then the connection is closed.
//! - **Nothing piles up.** A side that does not read stops the other: one message is held each way.
//! - **An upstream without WebSocket** is answered 426, after which Codex uses HTTP at once.
//! - **Messages are compressed** (`permessage-deflate`, RFC 7692) as agreed on with either side for
//!   itself. The upstream is offered what Codex offers; of what goes there, messages of 1 KiB and
//!   more are compressed. A client may compress if it offers to, each message for itself; what it
//!   is sent is not compressed, since it is near. A message is 64 MiB at most, inflated; a larger
//!   one closes the connection with 1009. An idle connection keeps nothing for it but the window of
//!   an upstream that wants one, about 40 KiB.
//! - **Each turn is a request** of the list that the handshake would be in
//!   ([`requests`](crate::requests)). Of what the upstream says, its last message alone is read.
//!
//! Other clients' messages are not for the ChatGPT backend: [`bridge`] serves them turn by turn.
//!
//! ```
//! use codex_auth::{Backend, CredentialError, ProfileRef};
//! use codex_proxy::{BoxError, route::{ChosenProfile, ProfileTable, RouteReason}, ws::UpgradeLayer};
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct AlwaysWork;
//!
//! impl ProfileTable for AlwaysWork {
//!     async fn choose(&self, _: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
//!         let profile = ProfileRef::new("work");
//!         let (backend, default_reason) = (Backend::ChatGpt, RouteReason::Current);
//!         Ok(ChosenProfile { profile, backend, identity: None, default_reason })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new().layer(UpgradeLayer::new(AlwaysWork)).service(service_fn(
//!     |_: Request<()>| async { Ok::<_, BoxError>(Response::new(bytes::Bytes::new())) },
//! ));
//! let error = service.oneshot(Request::new(())).await.unwrap_err();
//! assert!(error.to_string().contains("WebSocket"), "not a handshake: {error}");
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Inside [`RouteLayer`](crate::route::RouteLayer), outside the credentials; innermost something
//! that obeys the [`Handshake`] it leaves in a request, as
//! [`Upstream`](crate::upstream::Upstream) does.
//!
//! # Caveats
//!
//! No turn falls back to another profile ([`fallback`](crate::fallback)), whatever the settings.
//! HTTP/1.1 alone: WebSocket over HTTP/2 (RFC 8441) is not offered. A connection outlives the call
//! that made it: [`Connections`] ends it in good order.

pub mod bridge;
mod connections;
mod course;
mod end;
mod extension;
#[cfg(test)]
mod guard;
mod handshake;
mod layer;
mod listed;
mod relay;
mod socket;
mod turn;

pub use bridge::{Bridge, BridgeLayer};
pub use connections::Connections;
pub use handshake::{Handshake, is_handshake};
pub use layer::{Upgrade, UpgradeLayer};
pub use turn::kind_of;
