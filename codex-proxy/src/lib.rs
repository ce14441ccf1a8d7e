//! Tower layers that put a Codex login into requests, and an OpenAI-compatible server made of them.

pub mod auth;
pub mod error;
pub mod gate;
pub mod models;
pub mod route;
pub mod upstream;

pub use error::{ApiError, BoxError, Origin};
