//! What the programs of this package share: `codex-router`, and `codex-router-window` that it starts.

pub mod browser;
#[cfg(feature = "gui")]
pub mod icon;
