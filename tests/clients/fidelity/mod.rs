//! The table of what works with which client, `docs/fidelity.md`: what the suites prove, and no
//! more.
//!
//! A script says on its standard output what it has proved, in lines of these two forms, the
//! first of which stays in force until the next one:
//!
//! ```text
//! table: Tools | openai (Python)
//! feature: calls in parallel: ok
//! ```
//!
//! The test of a suite compares the committed table with it, in the columns of that suite, or with
//! `UPDATE_FIDELITY=1` writes them anew. The notes are written by hand.

mod claims;
mod document;

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use self::claims::Claims;
use self::document::Document;
use crate::child::Outcome;

/// Fails unless the committed table says what a suite proved: against the control, with a ChatGPT
/// login, and with an API key, in this order.
pub(crate) fn check(outcomes: &[Outcome; 3]) {
    let claims = Claims::of(&outcomes.each_ref().map(|outcome| outcome.stdout.as_str()));
    assert!(
        !claims.is_empty(),
        "the suite says nothing of what it proved"
    );
    if std::env::var_os("UPDATE_FIDELITY").is_some() {
        update(&claims);
    }
    let problems = committed().problems(&claims);
    assert!(
        problems.is_empty(),
        "docs/fidelity.md is not what was found; UPDATE_FIDELITY=1 writes it anew:\n{}",
        problems.join("\n")
    );
}

/// Another suite may be writing it at this moment.
fn committed() -> Document {
    let mut file = File::open(path()).unwrap();
    file.lock_shared().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    Document::parse(&text)
}

/// Other suites may do the same at this moment.
fn update(claims: &Claims) {
    let mut file = File::options().read(true).write(true).open(path()).unwrap();
    file.lock().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let mut document = Document::parse(&text);
    document.put(claims);
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    file.write_all(document.to_string().as_bytes()).unwrap();
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/fidelity.md")
}
