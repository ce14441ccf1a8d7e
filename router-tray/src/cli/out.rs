//! Lines for a person, who may have stopped to read: that is no failure of what was done.

use std::io::{self, Write as _};

use super::text;

/// Prints a line.
pub(crate) fn say(line: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{}", text::shown(line)) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

/// Prints what went wrong.
pub(crate) fn complain(what: &str) {
    // There is nowhere else to say it.
    let _ = writeln!(io::stderr(), "codex-router: {}", text::shown(what));
}
