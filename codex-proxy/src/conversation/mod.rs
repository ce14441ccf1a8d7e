//! A conversation that changes account in the middle.
//!
//! Encrypted reasoning, the turn's state and `previous_response_id` belong to the account that made
//! them; under another one the upstream refuses them (wire reference 5.7). [`ConversationLayer`]
//! remembers which account served a thread last. When the thread arrives at another account, or
//! when the upstream says that it cannot read the reasoning, what cannot travel is taken out, and
//! the turn goes on: one such retry, before the first byte of an answer. A compacted conversation
//! cannot move, and is told so.
//!
//! Everything else passes untouched, to the byte.
//!
//! ```
//! use bytes::Bytes;
//! use codex_auth::{Backend, ProfileRef, RouteHint};
//! use codex_proxy::{BoxError, auth::ReplayBody, conversation::ConversationLayer};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt as _, Either, Full};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new().layer(ConversationLayer::new()).service(service_fn(
//!     |request: Request<Either<ReplayBody<Full<Bytes>>, Full<Bytes>>>| async move {
//!         let body = request.into_body().collect().await?.to_bytes();
//!         Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(body)))
//!     },
//! ));
//! let turn = |profile: &str| {
//!     let body = r#"{"input":[{"type":"reasoning","encrypted_content":"gAAA"}]}"#;
//!     let mut request = Request::post("/v1/responses").header("thread-id", "t");
//!     let hint = RouteHint::profile(ProfileRef::new(profile)).with_backend(Backend::ChatGpt);
//!     request.extensions_mut().unwrap().insert(hint);
//!     request.body(Full::<Bytes>::from(body)).unwrap()
//! };
//! let first = service.clone().oneshot(turn("work")).await?.into_body().collect().await?;
//! assert!(first.to_bytes().ends_with(b"}]}"), "untouched");
//! let moved = service.oneshot(turn("home")).await?.into_body().collect().await?;
//! assert_eq!(moved.to_bytes(), r#"{"input":[]}"#);
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Inside the layers that change bodies, outside the credentials: a refresh of the same account is
//! no change of account.

mod layer;
mod passage;
mod threads;
mod travel;

pub use layer::{Conversation, ConversationLayer};
pub(crate) use passage::Passage;
pub(crate) use threads::thread_of;
