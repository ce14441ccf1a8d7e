//! One Codex login: what `auth.json` holds, what its tokens claim, which headers it puts on a
//! request, how it is refreshed, and how a new one is made.
//!
//! The crate knows no profiles and no server, and without features it has no network stack. The
//! contract that everything above it builds on is [`CredentialProvider`]: whoever implements it can
//! supply logins to `codex-proxy`'s `CodexAuthLayer`.
//!
//! ```
//! use codex_auth::{AuthDotJson, AuthMode};
//!
//! let login = AuthDotJson::parse(br#"{"OPENAI_API_KEY":"sk-example"}"#)?;
//! assert_eq!(login.mode(), AuthMode::ApiKey);
//! assert!(!format!("{login:?}").contains("sk-example"), "a secret cannot print");
//! # Ok::<(), codex_auth::AuthJsonError>(())
//! ```
//!
//! # Features
//!
//! - `refresh`: refreshing tokens at the issuer, and signing out there, over a
//!   [`reqwest`](https://docs.rs/reqwest) client of the caller's.
//! - `login`: signing in, with a browser, with a device code, or by pasting an address.

pub mod auth_json;
pub mod claims;
pub mod credentials;
pub mod issuer;
pub mod jwt;
#[cfg(feature = "login")]
pub mod login;
pub mod memory;
pub mod provider;
#[cfg(feature = "refresh")]
pub mod refresh;
#[cfg(feature = "refresh")]
mod request;
#[cfg(feature = "refresh")]
pub mod revoke;
pub mod secret;
pub mod text;
pub mod usage;

pub use auth_json::{AuthDotJson, AuthJsonError, AuthMode};
pub use claims::{IdTokenClaims, Identity, PlanType};
pub use credentials::{Backend, Credentials};
pub use issuer::Issuer;
pub use provider::{CredentialError, CredentialProvider, LoginReason, ProfileRef, RouteHint};
