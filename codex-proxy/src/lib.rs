//! Tower layers that put a Codex login into requests, and an OpenAI-compatible server made of them.

pub mod auth;
pub mod error;

pub use error::{ApiError, BoxError, Origin};
