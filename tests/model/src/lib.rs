//! A model of how routers and Codex share a login, explored to its last state.
//!
//! A refresh token works once. Whoever posts it a second time ends the login, and whoever receives
//! the next one and does not keep it has lost the login as well. Several routers and Codex itself
//! hold the same token, in several files, and Codex takes no lock while it refreshes. This crate
//! says in a few hundred lines who does what in which order, and [`explore`] tries **every** order
//! in which it can happen, with processes killed between any two steps, requests that arrive after
//! their sender is gone, answers that get lost, time that passes, and time stamps that lie.
//!
//! # What is in it
//!
//! Two routers, up to two Codex processes, one issuer, and one home: the live file, a profile of
//! the same login, a second profile with the same token under an identity that reads differently,
//! and another account to switch to. A file is replaced as a whole; a lock ends with its process;
//! whatever is done under Codex's `auth.lock` is one step, as is one write of a file. Time is a
//! phase of each token: ahead of Codex's window, in it, or past it with nobody having acted.
//!
//! The protocol of the router is read best in this order: `router/refresh.rs`,
//! `router/landing.rs`, `disk.rs` (which of two copies is newer), `router/switch.rs`; that of Codex
//! in `codex.rs`. `docs/token-safety.md` tells it in prose.
//!
//! # What is shown
//!
//! - No token is posted again unless nobody can know what came of the time before, and no more than
//!   twice without a long pause.
//! - A login is lost in a [`Window`] that the [`Setup`] admits, or not at all. Each test admits
//!   what it must and no more: it also wants to have seen a loss in every window it admits, in a
//!   history that went through no other.
//! - Whatever is left behind, one router that is started and left alone brings every file to the
//!   newest token, or says for this very token why one must log in again.
//! - What `codex login` wrote for an account of which nobody knew is kept.
//!
//! And that it could have come out otherwise: each [`Mutant`] lacks one part of the protocol, and
//! for each the checker finds a way to lose a login or to post a token too often.
//!
//! ```
//! use codex_router_model::{Mutant, Setup, explore};
//!
//! let setup = Setup { copy: true, refreshes: 2, ..Setup::default() };
//! assert!(explore(setup.clone()).broken.is_empty());
//!
//! // Two profiles with one token, and a lock for each of them instead of one for the token.
//! let flawed = explore(setup.without(Mutant::LockByIdentity));
//! assert!(flawed.broken[0].trace.contains("RouterRefreshes"));
//! ```
//!
//! # What is not
//!
//! A model is not the program: that the program does these steps in this order is for its own tests
//! and for the test with real processes in `tests/chaos`. Sizes are small: two or three refreshes,
//! one or two crashes, one expiry or two; with `CODEX_ROUTER_LONG=1` in the environment one more of
//! each. The writes of an adoption to several files count as one step. Of the disk it is assumed
//! that what was synced stays, and of the issuer that it answers as the wire reference says.

mod action;
mod codex;
mod disk;
mod explore;
mod history;
mod issuer;
mod router;
mod settle;
mod setup;
mod state;
mod world;

pub use explore::{Broken, Findings, explore};
pub use history::{Event, Window};
pub use setup::{Mutant, Setup, Stamps};
