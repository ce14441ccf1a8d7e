//! The server: layers stacked, and nothing of its own.
//!
//! Read [`stack`](self) first: one function of layers, each with its reason. [`Server`] binds and
//! serves it; [`Server::into_router`] gives the whole of it as an axum router (a
//! [`tower::Service`]) to mount in a program of yours.
//!
//! ```no_run
//! use codex_profiles::{CodexHome, ProfileStore};
//! use codex_proxy::server::Server;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let profiles = ProfileStore::open(CodexHome::discover()?)?;
//! let bound = Server::builder(profiles).build()?.bind("127.0.0.1:9876".parse()?).await?;
//! println!("listening on http://{}", bound.local_addr());
//! bound.serve(async { drop(tokio::signal::ctrl_c().await) }).await;
//! # Ok(())
//! # }
//! ```

mod config;
mod decode;
mod fallback;
mod keys;
mod metrics;
mod profiles;
mod router;
mod serve;
mod stack;

pub use config::{Server, ServerBuilder, ServerError};
pub use serve::Bound;
