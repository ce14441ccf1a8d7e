//! A model of how routers and Codex share a login.

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
