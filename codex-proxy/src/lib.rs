//! codex-proxy
