//! How much of its limits each account has used: read in passing, and asked for now and then.
//!
//! [`UsageLayer`] reads the headers of every answer and hands what they tell to a [`UsageSink`];
//! [`UpgradeLayer`](crate::ws::UpgradeLayer::with_usage) does so with the events of a WebSocket.
//! [`UsageClient`] asks OpenAI, which costs nothing of the quota. With the feature `server`,
//! [`UsagePoll`] asks for every profile at intervals, less often while nobody is at work.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use codex_auth::{Credentials, ProfileRef, secret::AccessToken, usage::{Limits, Reading}};
//! use codex_proxy::usage::{UsageLayer, UsageOwner, UsageSink};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! #[derive(Default)]
//! struct Last(Mutex<Limits>);
//!
//! impl UsageSink for Last {
//!     fn record(&self, _: &UsageOwner, reading: &Reading) {
//!         self.0.lock().unwrap().take(reading);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let last = Arc::new(Last::default());
//! let service = ServiceBuilder::new()
//!     .layer(UsageLayer::new(last.clone()))
//!     .service(service_fn(|_: Request<()>| async {
//!         Response::builder().header("x-codex-primary-used-percent", "42").body(())
//!     }));
//!
//! let mut request = Request::new(());
//! // As `CodexAuthLayer` leaves them in a request.
//! let token = AccessToken::new("example");
//! request.extensions_mut().insert(Credentials::chatgpt(ProfileRef::new("work"), &token, None)?);
//! service.oneshot(request).await?;
//!
//! let usage = last.0.lock().unwrap().usage(jiff::Timestamp::now()).expect("it was told");
//! assert_eq!(usage.windows[0].used_percent, Some(42.0));
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Inside [`CodexAuthLayer`](crate::auth::CodexAuthLayer), where each attempt carries the login it
//! is sent with.

mod client;
mod layer;
#[cfg(feature = "server")]
mod poll;
mod sink;

pub use client::{UsageClient, UsageError};
pub use layer::{ReadingFuture, UsageLayer, UsageReader};
#[cfg(feature = "server")]
pub use poll::UsagePoll;
pub use sink::{UsageOwner, UsageSink};
