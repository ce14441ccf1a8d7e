//! How paths, names and times stand in sentences and commands.

use std::{path::Path, time::Duration};

use codex_auth::text::printable;
use jiff::Timestamp;

/// A path for a sentence, short where it lies in the person's home folder.
pub(super) fn path(path: &Path, user_home: Option<&Path>) -> String {
    match below(path, user_home) {
        Some(rest) => format!("~/{rest}"),
        None => path.to_string_lossy().into_owned(),
    }
}

/// A path for a command.
pub(super) fn argument(path: &Path, user_home: Option<&Path>) -> String {
    match below(path, user_home) {
        Some(rest) => format!("~/{}", quoted(&rest)),
        None => quoted(&path.to_string_lossy()),
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-+@%=:,/".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if cfg!(windows) {
        return format!("\"{word}\"");
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `a`, `a and b`, `a, b and 3 more`.
pub(super) fn listed(words: &[String]) -> String {
    const SHOWN: usize = 5;
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] if words.len() <= SHOWN => format!("{} and {last}", most.join(", ")),
        _ => format!(
            "{} and {} more",
            words[..SHOWN].join(", "),
            words.len() - SHOWN
        ),
    }
}

/// `one file`, `3 files`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("one {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// How long ago something was, in its largest unit.
pub(super) fn ago(at: Timestamp) -> String {
    let seconds = Timestamp::now().duration_since(at).as_secs();
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    format!("{} ago", span(since))
}

/// `40 seconds`, `5 minutes`, `3 hours`, `2 days`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(usize::try_from(count).unwrap_or(usize::MAX), unit)
}

/// A name that a person gave. Of an address the part before the `@`, which tells it from others.
pub(super) fn name(text: &str) -> String {
    let text = printable(text, 64);
    match text.split_once('@') {
        Some((local, _)) if !local.is_empty() => format!("`{local}@…`"),
        _ => format!("`{text}`"),
    }
}

fn below(path: &Path, user_home: Option<&Path>) -> Option<String> {
    // The root of everything is nobody's home.
    let home = user_home.filter(|home| home.parent().is_some())?;
    let rest = path.strip_prefix(home).ok()?;
    (!rest.as_os_str().is_empty()).then(|| rest.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_an_end() {
        let words = |n: usize| (1..=n).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&words(1)), "1");
        assert_eq!(listed(&words(3)), "1, 2 and 3");
        assert_eq!(listed(&words(8)), "1, 2, 3, 4, 5 and 3 more");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_in_a_command_survives_the_shell() {
        let home = Some(Path::new("/home/ada"));
        let argument = |path: &str| argument(Path::new(path), home);
        assert_eq!(argument("/a b/c"), "'/a b/c'");
        assert_eq!(argument("/a'b"), r"'/a'\''b'");
        assert_eq!(argument("/a/b.json"), "/a/b.json");
        assert_eq!(argument("/home/ada/my x"), "~/'my x'");
        assert_eq!(path(Path::new("/home/ada/my x"), home), "~/my x");
    }

    #[test]
    fn of_a_name_that_is_an_address_enough_is_shown_to_tell_it_from_others() {
        use crate::doctor::{Check, Finding};
        let finding = Finding::ok(Check::Profile, name("ada@example.com"));
        assert_eq!(finding.message(), "`ada@…`");
        assert_eq!(name("work"), "`work`");
    }

    #[test]
    fn an_age_has_one_unit() {
        for (seconds, text) in [
            (1, "one second"),
            (90, "90 seconds"),
            (600, "10 minutes"),
            (200_000, "2 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
