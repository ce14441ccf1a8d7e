//! What is printed of names, paths and claims that files bring along.

use std::path::Path;

use codex_auth::text::printable;

/// As long as a path can be.
const LONGEST: usize = 4096;
/// What fits into a table beside other things.
const LONGEST_FACT: usize = 120;

/// A path, or a sentence with one in it. Lines stay lines.
pub(crate) fn shown(text: &str) -> String {
    let lines = text.split('\n').map(|line| printable(line, LONGEST));
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn path(path: &Path) -> String {
    printable(&path.to_string_lossy(), LONGEST)
}

/// A label, an address, a plan.
pub(crate) fn fact(text: &str) -> String {
    printable(text, LONGEST_FACT)
}
