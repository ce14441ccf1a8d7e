//! Changes that were begun. A note of each lies in `router/changes/` while it is made, so that one
//! whose program is killed has its line all the same: whoever opens the home next writes it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use codex_auth::LoginReason;
use jiff::Timestamp;
use tracing::{debug, warn};

use super::{Action, AuditEntry, AuditFile, Auditor, Deed};
use crate::{disk::Disk, fs::atomic, profile::ProfileName, state::State};

/// What was left to be done has been done since.
pub(crate) const FINISHED: &str = "cut short, and finished by recovery";
const MADE: &str = "cut short, and made";
const NOT_MADE: &str = "cut short, and not made";
const UNKNOWN: &str = "cut short: whether it was made is not known";

/// A change that is being made. Dropped, it was not made after all, and leaves nothing.
#[derive(Debug)]
#[must_use]
pub(crate) struct Begun {
    auditor: Auditor,
    deed: Deed,
    note: Option<Note>,
    /// Whether it may have been made although it is dropped.
    is_lasting: bool,
}

/// The file of it; whoever makes the change holds its lock.
#[derive(Debug)]
struct Note {
    path: PathBuf,
    _file: File,
}

impl Auditor {
    /// Notes that a change is about to be made. That it cannot be noted stands in no change's way.
    /// Blocks for some milliseconds.
    pub(crate) fn begin(&self, deed: Deed) -> Begun {
        let folder = self.file.folder_of_begun();
        let note = Note::write(&folder, &deed.clone().by(self.actor));
        let note = note.inspect_err(|error| debug!(%error, "a change is not noted ahead"));
        Begun {
            auditor: self.clone(),
            deed,
            note: note.ok(),
            is_lasting: false,
        }
    }
}

impl Begun {
    /// Writes the line.
    pub(crate) fn done(self) {
        self.done_as(|deed| deed);
    }

    /// The same with what is known of the change only now.
    pub(crate) fn done_as(mut self, tell: impl FnOnce(Deed) -> Deed) {
        self.auditor.note(tell(self.deed.clone()));
        self.is_lasting = false;
    }

    /// From now on it is one that was cut short if it is dropped, as what a runtime's end drops.
    pub(crate) fn lasting(mut self) -> Self {
        self.is_lasting = true;
        self
    }

    /// It is known that nothing was changed.
    pub(crate) fn not_made(mut self) {
        self.is_lasting = false;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // What a panic leaves behind is no less unfinished than what a crash does.
        if let Some(note) = &self.note
            && !self.is_lasting
            && !thread::panicking()
            && let Err(error) = fs::remove_file(&note.path)
        {
            debug!(%error, "the note of a change stays behind");
        }
    }
}

impl Note {
    fn write(folder: &Path, entry: &AuditEntry) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        atomic::create_folder(folder)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let at = entry.at.as_millisecond();
        let name = format!("{at}-{}-{number}.json", process::id());
        let unfinished = folder.join(format!(".{name}"));
        let path = folder.join(name);
        let mut file = private().create_new(true).open(&unfinished)?;
        // The lock goes along with it.
        let written =
            write_locked(&mut file, entry).and_then(|()| atomic::rename_folder(&unfinished, &path));
        if let Err(error) = written {
            // Nobody would take it away: where nothing can be locked, it looks as if it were held.
            for left in [unfinished, path] {
                let _ = fs::remove_file(left);
            }
            return Err(error);
        }
        Ok(Self { path, _file: file })
    }
}

fn write_locked(file: &mut File, entry: &AuditEntry) -> io::Result<()> {
    file.try_lock()?;
    file.write_all(&serde_json::to_vec(entry)?)?;
    file.sync_data()
}

impl Disk {
    /// Writes the lines of the changes that were cut short. To be called when all that recovery can
    /// finish is finished.
    pub(crate) fn recover_begun_changes(&self) -> io::Result<()> {
        let audit = AuditFile::of(&self.home);
        let entries = match fs::read_dir(audit.folder_of_begun()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let told = match private().open(&path) {
                // Whoever made the change has just come to its end.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                opened => opened.and_then(|file| self.tell_of(&audit, &path, file)),
            };
            if let Err(error) = told {
                warn!(%error, "a change that was cut short could not be noted");
            }
        }
        Ok(())
    }

    pub(super) fn tell_of(&self, audit: &AuditFile, path: &Path, mut file: File) -> io::Result<()> {
        // Somebody is at it, or came to its end after the note was opened: no name is used twice.
        if file.try_lock().is_err() || path.symlink_metadata().is_err() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        match serde_json::from_slice::<AuditEntry>(&bytes) {
            // Of one that was not written to its end, nothing was begun.
            _ if is_hidden(path) => {}
            Ok(entry) if !audit.has(&entry) => {
                let outcome = self.outcome_of(&entry);
                let known = entry.detail.iter().map(|known| format!("{known}; "));
                let detail = Some(known.chain([outcome.to_owned()]).collect());
                // Without its line the note stays, for the next one to try.
                audit.try_append(&AuditEntry { detail, ..entry })?;
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "the note of a change is none, and is removed"),
        }
        atomic::remove(path)
    }

    /// What became of a change, as far as the files show it.
    fn outcome_of(&self, entry: &AuditEntry) -> &'static str {
        let name = |text: &Option<String>| ProfileName::parse(text.as_deref()?).ok();
        let Some(profile) = name(&entry.profile) else {
            return UNKNOWN;
        };
        let is_there = self.is_taken(&profile);
        match entry.action {
            Action::Switch if self.current().ok().flatten().as_ref() == Some(&profile) => FINISHED,
            Action::Rename if name(&entry.to).is_some_and(|to| self.is_taken(&to)) => FINISHED,
            Action::Remove if !is_there && self.finish_removal(&profile).is_ok() => FINISHED,
            Action::Restore if is_there => MADE,
            // The copy that was meant had no name of its own.
            Action::Purge if entry.detail.is_some() => UNKNOWN,
            Action::Purge if !is_there && !self.is_any_removed(&profile) => MADE,
            Action::Purge if !is_there => UNKNOWN,
            Action::SignOut if self.was_revoked(&profile, entry.at) => MADE,
            Action::Switch | Action::Rename | Action::Remove | Action::Restore | Action::Purge => {
                NOT_MADE
            }
            _ => UNKNOWN,
        }
    }

    fn was_revoked(&self, profile: &ProfileName, since: Timestamp) -> bool {
        let state = State::load(&self.home).unwrap_or_default();
        let noted = state.profile(profile.as_str()).needs_login;
        noted.is_some_and(|it| it.reason == LoginReason::Revoked && it.at >= since)
    }
}

impl AuditFile {
    fn folder_of_begun(&self) -> PathBuf {
        self.path().with_file_name("changes")
    }

    /// Whether the line of a change that was begun is there.
    fn has(&self, begun: &AuditEntry) -> bool {
        let log = self.read().unwrap_or_default();
        let mut latest = log.entries.iter().rev();
        latest.any(|line| {
            line.pid == begun.pid
                && line.action == begun.action
                && line.at >= begun.at
                && (begun.profile.is_none() || line.profile == begun.profile)
        })
    }
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with('.')
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}
