//! The server behind: base address by login, hop-by-hop headers off, over one pooled client.
//!
//! [`Upstream`] is the innermost service of a stack. It expects the
//! [`Credentials`](codex_auth::Credentials) that [`CodexAuthLayer`](crate::auth::CodexAuthLayer)
//! leaves in a request, and sends the request where that login is accepted: `/v1/responses` goes
//! to `{chatgpt}/codex/responses` for a ChatGPT login and to `{openai}/responses` for an API key.
//!
//! ```
//! use codex_proxy::upstream::{Targets, Upstream};
//!
//! let targets = Targets::new("https://chatgpt.com/backend-api", "https://api.openai.com/v1")?;
//! let upstream = Upstream::new(reqwest::Client::new()).with_targets(targets);
//! # Ok::<(), codex_proxy::upstream::InvalidBaseUrl>(())
//! ```
//!
//! # Caveats
//!
//! A client that follows redirects would carry a login to another host: use
//! [`client_builder`], which does not.

mod body;
mod connect;
mod headers;
mod service;
mod target;
mod workspace;

pub use body::Coalesce;
pub use connect::{ConnectRetry, client_builder};
pub(crate) use headers::OUR_USER_AGENT;
pub use headers::is_codex_client;
pub use service::Upstream;
pub use target::{InvalidBaseUrl, Targets};
pub use workspace::{Workspace, WorkspaceLayer};
