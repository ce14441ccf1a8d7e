//! Tower layers that put a Codex login into requests, and an OpenAI-compatible server made of them.

pub mod chat;
pub mod error;
pub mod json;
pub mod responses;
pub mod sse;
pub mod translated;

pub use error::{ApiError, BoxError, Origin};
