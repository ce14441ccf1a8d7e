//! codex-profiles
