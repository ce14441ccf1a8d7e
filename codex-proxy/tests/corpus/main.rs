//! The translation, over requests as clients send them and streams as upstreams answer them.
//!
//! The corpus is `tests/data` of the workspace; its README tells what is there. Everything here goes
//! through the public interface alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accumulate;
mod conversation;
mod edges;
mod files;
mod generate;
mod oracle;
mod play;
mod promises;
mod rechunking;
mod regressions;
mod requests;
mod sse;
mod streams;
mod unknowns;

#[path = "../../../fuzz/checks/backend.rs"]
mod backend;
#[path = "../../../fuzz/checks/http_edge.rs"]
mod http_edge;
#[path = "../../../fuzz/checks/well_formed.rs"]
mod well_formed;
