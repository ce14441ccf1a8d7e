//! The desktop parts, driven on a display of their own: see `tray_probe.py`, which needs what
//! `scripts/setup test` installs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(target_os = "linux")]

#[path = "../router/harness.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod harness;
mod menu;
mod notifications;
mod pictures;
mod running;
mod session;
mod window;
