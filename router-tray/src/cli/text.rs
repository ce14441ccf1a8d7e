//! What is printed of names, paths and claims that files bring along.

use std::path::Path;

use codex_auth::text::printable;
use codex_profiles::ProfileName;

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

/// A name as a shell takes it, in a command that is proposed.
pub(crate) fn word(name: &ProfileName) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-+@%=:,".contains(c);
    let name = name.as_str();
    if name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposed_command_can_be_pasted_into_a_shell() {
        for (name, shown) in [
            ("ada.l", "ada.l"),
            ("团队", "团队"),
            ("my work", "'my work'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(word(&ProfileName::parse(name).unwrap()), shown);
        }
    }
}
