//! What crashes have left, and whether there is room.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    Check, Finding, Look, secret_shape,
    words::{counted, listed},
};

/// A refresh takes less than one; so does a switch.
const LITTLE_BYTES: u64 = 1 << 20;
const SCARCE_BYTES: u64 = 100 << 20;
/// How names end of what was kept although nobody could understand it.
const ASIDE: &str = ".broken-";

impl Look<'_> {
    pub(super) fn temporary_files(&self) -> Vec<Finding> {
        let stray = self.disk.stray_files();
        if stray.is_empty() {
            let message = "No write was cut short.";
            return vec![Finding::ok(Check::TemporaryFiles, message)];
        }
        let message = format!(
            "A write that was cut short has left {}: {}. What is newer in it than elsewhere is taken \
             in, and the rest removed.",
            counted(stray.len(), "file"),
            listed(&self.paths(&stray))
        );
        let remedy = "`codex-router list`, or any other command, does it";
        vec![Finding::warning(Check::TemporaryFiles, message, remedy)]
    }

    pub(super) fn files_set_aside(&self) -> Vec<Finding> {
        let aside = self.aside();
        if aside.is_empty() {
            let message = "Nothing had to be set aside.";
            return vec![Finding::ok(Check::FilesSetAside, message)];
        }
        let message = format!(
            "What could not be understood was kept, in case that it is of worth: {}.",
            listed(&self.paths(&aside))
        );
        let remedy = format!(
            "look into it, and then remove it: {}",
            self.command("rm", &aside)
        );
        vec![Finding::warning(Check::FilesSetAside, message, remedy)]
    }

    fn aside(&self) -> Vec<PathBuf> {
        let home = self.home();
        let profiles = self.names.iter().map(|name| home.profile(name));
        let folders = [home.root().to_owned(), home.router(), home.journal()];
        let mut found: Vec<PathBuf> = folders
            .into_iter()
            .chain(profiles)
            .filter_map(|folder| folder.read_dir().ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
            .filter(|path| is_aside(path))
            .collect();
        found.sort();
        found
    }

    pub(super) fn free_space(&self) -> Vec<Finding> {
        let folder = self.home().root();
        let there = folder.ancestors().find(|folder| folder.is_dir());
        let free = there.and_then(|folder| fs4::available_space(folder).ok());
        vec![match free {
            None => Finding::info(Check::FreeSpace, "How much room is left cannot be seen."),
            Some(bytes) if bytes < LITTLE_BYTES => Finding::problem(
                Check::FreeSpace,
                "The disk is full: no token is refreshed, since there would be no room for the new \
                 one.",
                format!("make room on the disk of {}", self.path(folder)),
            ),
            Some(bytes) if bytes < SCARCE_BYTES => Finding::warning(
                Check::FreeSpace,
                format!("Only {} MB are left on the disk.", bytes / 1_000_000),
                format!("make room on the disk of {}", self.path(folder)),
            ),
            Some(_) => Finding::ok(Check::FreeSpace, "There is room for new tokens."),
        }]
    }

    pub(super) fn paths(&self, paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| self.path(path)).collect()
    }

    /// What to type. Names that look like secrets, such as fingerprints, are not shown: then it is
    /// the folders.
    pub(super) fn command(&self, command: &str, paths: &[PathBuf]) -> String {
        let arguments: Vec<_> = paths.iter().map(|path| self.argument(path)).collect();
        let arguments = arguments.join(" ");
        if secret_shape(&arguments).is_none() {
            return format!("`{command} {arguments}`");
        }
        let folders: BTreeSet<_> = paths.iter().filter_map(|path| path.parent()).collect();
        let folders: Vec<_> = folders.into_iter().map(|path| self.path(path)).collect();
        format!("`{command}`, on those in {}", listed(&folders))
    }
}

fn is_aside(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let mark = name.and_then(|name| Some(name.split_once(ASIDE)?.1));
    mark.is_some_and(|mark| mark.bytes().all(|byte| byte.is_ascii_digit()))
}
