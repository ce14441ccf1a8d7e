//! Which homes there are, and who uses them.

use std::path::Path;

use super::{Check, Finding, Look, words::counted};
use crate::{
    homes::{self, FoundBy, FoundHome},
    neighbours::{RunningCodex, running_codexes},
    report::LoginState,
};

impl Look<'_> {
    pub(super) fn homes(&self) -> Vec<Finding> {
        let found = homes::find(self.surroundings);
        let mut findings: Vec<Finding> = found.iter().map(|home| self.found_home(home)).collect();
        if !found.iter().any(|home| self.is_ours(&home.path)) {
            findings.insert(0, self.own_home());
        }
        findings.extend(self.shared_logins(&found));
        findings
    }

    /// A home that is not among those that programs look for by themselves.
    fn own_home(&self) -> Finding {
        let path = self.path(self.home().root());
        if self.home().root().is_dir() {
            return Finding::ok(Check::Homes, format!("{path} is the home looked at."));
        }
        let message = format!("{path} does not exist yet; the first login makes it.");
        Finding::info(Check::Homes, message)
    }

    fn found_home(&self, home: &FoundHome) -> Finding {
        let path = self.path(&home.path);
        let (is_ours, who) = (self.is_ours(&home.path), found_by(home));
        if is_ours && !home.path.is_dir() {
            let message = format!("{path} ({who}) does not exist yet; the first login makes it.");
            return Finding::info(Check::Homes, message);
        }
        let holds = format!("{} and {}", login(home), counted(home.profiles, "profile"));
        if is_ours {
            let message = format!("{path} ({who}) is the home looked at, with {holds}.");
            return Finding::ok(Check::Homes, message);
        }
        if let Some(other) = &home.same_folder_as {
            let message = format!("{path} ({who}) is the same folder as {}.", self.path(other));
            return Finding::info(Check::Homes, message);
        }
        let message = format!("{path} ({who}) is another home, with {holds}.");
        Finding::info(Check::Homes, message)
    }

    fn shared_logins(&self, found: &[FoundHome]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, home) in found.iter().enumerate() {
            let earlier = found[..index].iter().map(|home| home.path.as_path());
            let earlier: Vec<&Path> = earlier.collect();
            let shared = home.shares_logins_with.iter();
            for other in shared.filter(|other| earlier.contains(&other.as_path())) {
                findings.push(self.shared(other, &home.path));
            }
        }
        if findings.is_empty() {
            let message = "No login is in two homes.";
            return vec![Finding::ok(Check::SharedLogins, message)];
        }
        findings
    }

    fn shared(&self, one: &Path, other: &Path) -> Finding {
        let message = format!(
            "{} and {} hold the same login: the first one that refreshes it logs the other one out.",
            self.path(one),
            self.path(other)
        );
        let remedy = format!(
            "sign in anew in one of them: `CODEX_HOME={} codex login`",
            self.argument(other)
        );
        Finding::warning(Check::SharedLogins, message, remedy)
    }

    pub(super) fn programs(&self) -> Vec<Finding> {
        let Some(running) = running_codexes() else {
            let message = "This system does not show which programs run.";
            return vec![Finding::info(Check::Programs, message)];
        };
        if running.is_empty() {
            return vec![Finding::ok(Check::Programs, "No Codex runs now.")];
        }
        running.iter().map(|codex| self.program(codex)).collect()
    }

    fn program(&self, codex: &RunningCodex) -> Finding {
        let who = format!("{} (process {})", codex.name, codex.pid);
        let message = match &codex.home {
            Some(home) if codex.may_use(self.home()) => {
                return Finding::ok(
                    Check::Programs,
                    format!("{who} runs, and uses {}.", self.path(home)),
                );
            }
            Some(home) => format!(
                "{who} runs, and uses another home, {}: a switch here does not reach it.",
                self.path(home)
            ),
            None => format!("{who} runs; which home it uses cannot be seen."),
        };
        Finding::info(Check::Programs, message)
    }

    fn is_ours(&self, path: &Path) -> bool {
        let own = self.home().root();
        let real = |path: &Path| path.canonicalize().ok();
        path == own || real(path).is_some_and(|path| Some(path) == real(own))
    }
}

fn found_by(home: &FoundHome) -> &'static str {
    match home.found_by {
        FoundBy::Chosen => "--codex-home",
        FoundBy::Environment => "CODEX_HOME",
        FoundBy::Usual => "where Codex looks by itself",
        FoundBy::Beside => "beside the usual one",
        FoundBy::Windows => "of Windows",
    }
}

fn login(home: &FoundHome) -> &'static str {
    match home.state {
        LoginState::None => "no login of Codex's own",
        LoginState::Unreadable => "a login that cannot be read",
        _ => "a login of Codex's own",
    }
}
