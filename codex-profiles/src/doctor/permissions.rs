//! Who can read and change the files, besides their owner.

use super::{Check, Finding, Look};

#[cfg(not(unix))]
impl Look<'_> {
    pub(super) fn permissions(&self) -> Vec<Finding> {
        let message = "Not looked at on this system, where the folder of a user is their own.";
        vec![Finding::info(Check::Permissions, message)]
    }
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, Metadata},
        os::unix::fs::MetadataExt as _,
        path::{Path, PathBuf},
    };

    use super::{Check, Finding, Look};
    use crate::doctor::words::{counted, listed};

    /// More than a home with hundreds of profiles has; nobody waits for an endless one.
    const MOST_FILES: usize = 10_000;
    const DEEPEST: usize = 4;
    /// As many paths as a command to be typed has.
    const MOST_ARGUMENTS: usize = 5;

    /// What the group and all others may do to a file.
    const BY_OTHERS: u32 = 0o077;
    const CHANGED_BY_OTHERS: u32 = 0o022;
    const CHANGED_BY_ALL: u32 = 0o002;
    const READ_BY_ALL: u32 = 0o004;

    /// What is there, with what the system says of it.
    struct Files(Vec<(PathBuf, Metadata)>);

    impl Look<'_> {
        pub(in crate::doctor) fn permissions(&self) -> Vec<Finding> {
            let files = Files::of(self);
            let found: Vec<Finding> = [
                self.owned_by_others(&files),
                self.changed_by_others(&files, true),
                self.changed_by_others(&files, false),
                self.read_by_others(&files, true),
                self.read_by_others(&files, false),
                self.open_folders(&files),
            ]
            .into_iter()
            .flatten()
            .collect();
            if found.is_empty() {
                let message = "Nobody else can read or change the logins.";
                return vec![Finding::ok(Check::Permissions, message)];
            }
            found
        }

        fn owned_by_others(&self, files: &Files) -> Option<Finding> {
            let me = rustix::process::geteuid().as_raw();
            let found = files.paths(|_, file| file.uid() != me);
            let message = format!(
                "{} not yours: {}.",
                are(&found),
                listed(&self.paths(some(&found)?))
            );
            // The superuser may read anything, and leaves files that the owner may not.
            if me == 0 {
                let remedy = "run it as the owner of the files, without `sudo`";
                return Some(Finding::warning(Check::Permissions, message, remedy));
            }
            let remedy = format!(
                "`sudo chown -R \"$(id -un)\" {}`",
                self.argument(self.home().root())
            );
            Some(Finding::problem(Check::Permissions, message, remedy))
        }

        /// By all others, which is a problem; or by the group, in which there may be nobody else.
        fn changed_by_others(&self, files: &Files, by_all: bool) -> Option<Finding> {
            let found = files.paths(|_, file| {
                let is_changed = file.mode() & CHANGED_BY_OTHERS != 0;
                is_changed && (file.mode() & CHANGED_BY_ALL != 0) == by_all
            });
            let files = listed(&self.paths(some(&found)?));
            let remedy = self.chmod("go-w", &found);
            Some(if by_all {
                let message = format!("Other users of this machine can change {files}.");
                Finding::problem(Check::Permissions, message, remedy)
            } else {
                let message = format!("The users of your group can change {files}.");
                Finding::warning(Check::Permissions, message, remedy)
            })
        }

        /// The same for reading.
        fn read_by_others(&self, files: &Files, by_all: bool) -> Option<Finding> {
            let found = files.paths(|path, file| {
                let is_read = file.is_file() && file.mode() & BY_OTHERS & !CHANGED_BY_OTHERS != 0;
                is_read && self.is_private(path) && (file.mode() & READ_BY_ALL != 0) == by_all
            });
            let files = listed(&self.paths(some(&found)?));
            let remedy = self.chmod("600", &found);
            Some(if by_all {
                let message = format!("Other users of this machine can read {files}.");
                Finding::problem(Check::Permissions, message, remedy)
            } else {
                let message = format!("The users of your group can read {files}.");
                Finding::warning(Check::Permissions, message, remedy)
            })
        }

        fn open_folders(&self, files: &Files) -> Option<Finding> {
            let found = files.paths(|path, file| {
                let is_open = file.is_dir() && file.mode() & BY_OTHERS & !CHANGED_BY_OTHERS != 0;
                is_open && (self.is_private(path) || path == self.home().root())
            });
            let message = format!(
                "Other users of this machine can look into {}.",
                listed(&self.paths(some(&found)?))
            );
            let remedy = self.chmod("700", &found);
            Some(Finding::warning(Check::Permissions, message, remedy))
        }

        /// Codex's other files are its own affair.
        fn is_private(&self, path: &Path) -> bool {
            let home = self.home();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.starts_with(home.profiles())
                || path.starts_with(home.router())
                || (name.starts_with("auth.json") && !name.ends_with(".lock"))
        }

        fn chmod(&self, mode: &str, paths: &[PathBuf]) -> String {
            let shown = &paths[..paths.len().min(MOST_ARGUMENTS)];
            let rest = paths.len() - shown.len();
            let command = self.command(&format!("chmod {mode}"), shown);
            if rest == 0 {
                return command;
            }
            format!("{command}, and the same for {}", counted(rest, "other"))
        }
    }

    impl Files {
        fn of(look: &Look<'_>) -> Self {
            let home = look.home();
            let mut files = Self(Vec::new());
            files.add(home.root().to_owned());
            for entry in entries(home.root()) {
                let name = entry.file_name().unwrap_or_default().to_string_lossy();
                let is_ours = name.starts_with("auth.json") || name == ".current_profile";
                // Whoever can change it can send the login elsewhere.
                if is_ours || name == "config.toml" {
                    files.add(entry);
                }
            }
            files.add_below(&home.profiles(), 0);
            files.add_below(&home.router(), 0);
            files
        }

        fn add_below(&mut self, folder: &Path, depth: usize) {
            if self.0.len() >= MOST_FILES || depth > DEEPEST || !folder.is_dir() {
                return;
            }
            self.add(folder.to_owned());
            for entry in entries(folder) {
                // Nobody is led elsewhere, and in no circle.
                if entry.is_dir() && !entry.is_symlink() {
                    self.add_below(&entry, depth + 1);
                } else {
                    self.add(entry);
                }
            }
        }

        fn add(&mut self, path: PathBuf) {
            if let Ok(metadata) = fs::metadata(&path) {
                self.0.push((path, metadata));
            }
        }

        fn paths(&self, is: impl Fn(&Path, &Metadata) -> bool) -> Vec<PathBuf> {
            let found = self.0.iter().filter(|(path, file)| is(path, file));
            found.map(|(path, _)| path.clone()).collect()
        }
    }

    /// Sorted.
    fn entries(folder: &Path) -> Vec<PathBuf> {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }

    fn some(found: &[PathBuf]) -> Option<&[PathBuf]> {
        (!found.is_empty()).then_some(found)
    }

    fn are(found: &[PathBuf]) -> String {
        let files = counted(found.len(), "file or folder");
        let verb = if found.len() == 1 { "is" } else { "are" };
        format!("{files} {verb}").replace("file or folders", "files or folders")
    }
}
