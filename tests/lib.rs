//! Whole-program tests of Codex Router live in `router/`; the fake OpenAI they use in `support/`.

#[cfg(all(feature = "postgres", unix))]
#[path = "postgres/cluster.rs"]
pub mod cluster;
