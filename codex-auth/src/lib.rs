//! codex-auth
