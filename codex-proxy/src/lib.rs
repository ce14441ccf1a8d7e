//! Tower layers that put a Codex login into requests, and an OpenAI-compatible server made of them.

pub mod auth;
pub mod chat;
pub mod conversation;
pub mod error;
pub mod gate;
pub mod json;
pub mod models;
pub mod responses;
pub mod route;
#[cfg(feature = "server")]
pub mod server;
pub mod sse;
pub mod translated;
pub mod upstream;

pub use error::{ApiError, BoxError, Origin};
