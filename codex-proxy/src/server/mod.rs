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
//! println!("listening on {}", bound.address().url());
//! bound.serve(async { drop(tokio::signal::ctrl_c().await) }).await;
//! # Ok(())
//! # }
//! ```
//!
//! It listens at an IP address, a Unix socket, a named pipe
//! ([`ListenAddress`](codex_profiles::ListenAddress)), or at what a service manager hands over
//! ([`Activated`]). What a client may ask of it is in [`Limits`]; a [`ServerHandle`] changes it
//! while it serves.

mod config;
mod connection;
mod decode;
mod fallback;
mod handle;
mod keys;
mod limits;
mod listen;
mod metrics;
mod model_rules;
mod profiles;
mod router;
mod serve;
mod shared;
mod stack;

pub use config::{Server, ServerBuilder, ServerError};
pub use handle::ServerHandle;
pub use limits::Limits;
pub use listen::Activated;
pub use serve::Bound;

/// Where a program on this machine connects to.
#[cfg(feature = "control")]
fn url(address: &codex_profiles::ListenAddress) -> String {
    serve::from_this_machine(address).url()
}
