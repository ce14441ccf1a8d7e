//! Logins in PostgreSQL, with a real server for each test: whatever happens to replicas and to the
//! database, no login is lost outside of the windows that `docs/token-safety.md` names, and no token
//! is posted twice unless the outcome of the time before cannot be known.
//!
//! With `CODEX_ROUTER_LONG=1` in the environment the chaos test goes on for ten minutes.

#![cfg(test)]
#![cfg(unix)]

mod away;
mod chaos;
mod dying;
mod sharing;
mod storing;
mod world;
