//! The findings for a person: a heading for each group, a mark before each sentence, and the remedy
//! below it.

use std::io::{self, IsTerminal as _, Write as _};

use codex_profiles::doctor::{Diagnosis, Finding, Severity};

use super::super::text;

/// Prints all of them, and how many of which kind there are.
pub(super) fn print(diagnosis: &Diagnosis) -> io::Result<()> {
    let stdout = io::stdout();
    let colours = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = stdout.lock();
    for line in lines(diagnosis, colours) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn lines(diagnosis: &Diagnosis, colours: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut group = None;
    for finding in diagnosis.checks() {
        if group.replace(finding.check().group()) != Some(finding.check().group()) {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(finding.check().group().title().to_owned());
        }
        lines.extend(shown(finding, colours));
    }
    lines.push(String::new());
    lines.push(conclusion(diagnosis));
    lines
}

fn shown(finding: &Finding, colours: bool) -> Vec<String> {
    let (mark, colour) = mark(finding.state());
    let mark = if colours {
        format!("\u{1b}[{colour}m{mark}\u{1b}[0m")
    } else {
        mark.to_owned()
    };
    let mut lines = vec![format!("  {mark} {}", text::shown(finding.message()))];
    let remedy = finding.remedy();
    lines.extend(remedy.map(|remedy| format!("          what helps: {}", text::shown(remedy))));
    lines
}

/// All of one width.
fn mark(state: Severity) -> (&'static str, u8) {
    match state {
        Severity::Ok => ("ok     ", 32),
        Severity::Info => ("info   ", 36),
        Severity::Warning => ("warning", 33),
        Severity::Problem => ("PROBLEM", 31),
    }
}

fn conclusion(diagnosis: &Diagnosis) -> String {
    let counted = |state, noun| match diagnosis.count(state) {
        0 => format!("no {noun}s"),
        1 => format!("one {noun}"),
        many => format!("{many} {noun}s"),
    };
    let (problems, warnings) = (
        counted(Severity::Problem, "problem"),
        counted(Severity::Warning, "warning"),
    );
    let line = format!("{problems}, {warnings}.");
    let mut chars = line.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use codex_profiles::doctor::Check;

    use super::*;

    #[test]
    fn findings_stand_under_their_groups_with_the_remedy_below() {
        let diagnosis = Diagnosis::new(
            "0.1.0",
            vec![
                Finding::problem(Check::Listen, "It is taken.", "`kill 1`"),
                Finding::ok(Check::Locks, "No lock is held."),
            ],
        );
        let expected = [
            "Files",
            "  ok      No lock is held.",
            "",
            "Router",
            "  PROBLEM It is taken.",
            "          what helps: `kill 1`",
            "",
            "One problem, no warnings.",
        ];
        assert_eq!(lines(&diagnosis, false), expected);
    }
}
