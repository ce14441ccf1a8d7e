//! codex-router
fn main() {}
