//! Tower layers that put a Codex login into requests, and an OpenAI-compatible server made of them.
//!
//! Everything the server does is a [`tower::Layer`] that works in a stack of your own. Nothing in a
//! layer names axum, reqwest, a folder or the executor; only [`upstream`] speaks reqwest, and only
//! the feature `server` knows files and axum.
//!
#![cfg_attr(feature = "server", doc = "```")]
#![cfg_attr(not(feature = "server"), doc = "```ignore")]
//! use bytes::Bytes;
//! use codex_profiles::{CodexHome, ProfileStore};
//! use codex_proxy::{BoxError, auth::CodexAuthLayer, upstream::Upstream};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Service, ServiceBuilder};
//!
//! /// A client of OpenAI's that acts as the current profile: any provider of logins would do, and
//! /// any service that speaks `http`.
//! fn openai(
//!     home: CodexHome,
//! ) -> Result<impl Service<Request<Full<Bytes>>, Error = BoxError>, BoxError> {
//!     Ok(ServiceBuilder::new()
//!         .layer(CodexAuthLayer::new(ProfileStore::open(home)?))
//!         .service(Upstream::new(reqwest::Client::new())))
//! }
//! # let folder = std::env::temp_dir().join("no-home-of-codex");
//! # assert!(openai(CodexHome::at(folder)).is_ok());
//! ```
//!
//! # How a request flows
//!
//! ```text
//!  client                                      what each ring adds or decides
//!    │
//! ┌ request id, trace ──────── tower-http ───  id, route, profile; never a query or a body
//! │┌ gate ──────────────────── [gate] ───────  is this local client allowed?
//! ││┌ list ─────────────────── [requests] ───  what is shown of it: when, who, how long, how it ended
//! ││┌ model rules ──────────── [model_rules]   the profile that its model is for, where rules say so
//! ││┌ route ────────────────── [route] ──────  which profile, and why
//! ││┌ fallback ─────────────── [fallback] ───  another one, where a person has said so
//! │││┌ errors ──────────────── [error] ──────  OpenAI-shaped, and whose they are
//! │││├ [body_budget] ───────────────────────  how many large bodies there is memory for
//! ││││┌ translate ──────────── [chat], [completions], [responses]    for clients that are not Codex
//! │││││┌ conversation ──────── [conversation]         what an account cannot read stays behind
//! │││││┌ or upgrade ────────── [ws]      WebSocket: the handshake is an ordinary request
//! ││││││┌ credentials ──────── [auth] ───────  the login; 401 → refresh → once more
//! │││││││┌ [usage] ──────────────────────────  what its answers tell of its limits
//! │││││││├ workspace, retry, timeout ────────  where its workspace is; connect errors only
//! │││││││├ [meter] ──────────────────────────  which model answers, and how many tokens it takes
//! ││││││││└► [upstream]                        base address by login, hop-by-hop headers off
//! ```
//!
//! A retry below the credentials carries the same login, and what chooses a login stands above
//! them: no path through the stack moves a request to another account, but for the fallback that a
//! person has set for the current profile, which never takes a request that names its own.
//!
//! # Features
//!
//! - `server`: the axum server of these layers over `codex-profiles`, with decompression; and what
//!   tells whether it can work on this machine.
//! - `otel`: spans of all that for OpenTelemetry, made by a tracer that is given to it.
//! - `metrics`: counts of all that for Prometheus, in a registry of their own.
//! - `control`: the page of that server, and the API that the page, a tray and scripts use.

pub mod auth;
pub mod body_budget;
pub mod chat;
pub mod completions;
#[cfg(feature = "control")]
pub mod control;
pub mod conversation;
#[cfg(feature = "server")]
pub mod doctor;
pub mod error;
pub mod fallback;
pub mod gate;
pub mod json;
pub mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod model_rules;
pub mod models;
pub mod parameters;
pub mod requests;
pub mod responses;
pub mod route;
#[cfg(feature = "server")]
pub mod server;
mod spans;
pub mod sse;
#[cfg(feature = "otel")]
pub mod traces;
pub mod translated;
pub mod upstream;
pub mod usage;
pub mod ws;

pub use error::{ApiError, BoxError, Origin};
