//! Refreshing: when it is due, the request to the token endpoint, and what its answer means.
//!
//! A refresh token works once (RFC 9700, section 4.14). Nothing here keeps a file or a lock:
//! whoever calls [`TokenEndpoint::refresh`] must hold the login alone and have noted its intent on
//! disk, as `codex-profiles` does; for a login that lives in memory alone there is
//! [`MemoryLogin`](crate::memory::MemoryLogin).

mod attempts;
mod backoff;
mod due;
mod endpoint;
mod error;

pub use attempts::pause_after_unanswered;
pub use backoff::Backoff;
pub use due::{CODEX_WINDOW, Freshness};
pub use endpoint::{ANSWER_LIMIT, RefreshReason, TokenEndpoint};
pub use error::RefreshError;
#[cfg(feature = "login")]
pub(crate) use error::code_of;
