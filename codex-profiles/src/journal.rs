//! Notes on disk about what cannot be undone, made before it is done.
//!
//! For a refresh: the *intent*, which names the token by its hash, and the *rescue*, a file whose
//! room is taken before the issuer is asked, so that its answer finds a place on a full disk.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    process,
    time::Duration,
};

use codex_auth::{AuthDotJson, auth_json::MAX_BYTES, refresh::pause_after_unanswered};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    disk::Disk,
    error::StoreError,
    faults::Step,
    fs::{ReadError, atomic, read},
    keep::was_spent,
    profile::{Place, ProfileName},
};

/// How much larger than the old one a new login may be and still fit the rescue file.
const HEADROOM_BYTES: usize = 64 << 10;

/// A refresh that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefreshIntent {
    /// The profile; without one it is the live login.
    pub(crate) profile: Option<String>,
    /// SHA-256 of the refresh token that is posted.
    pub(crate) token_fingerprint: String,
    /// How often it was posted without an answer, counting this time.
    pub(crate) attempts: u32,
    pub(crate) at: Timestamp,
    pid: u32,
}

impl RefreshIntent {
    pub(crate) fn new(place: &Place, token_fingerprint: String, attempts: u32) -> Self {
        let profile = match place {
            Place::Profile(name) => Some(name.to_string()),
            Place::Live => None,
        };
        Self {
            profile,
            token_fingerprint,
            attempts,
            at: Timestamp::now(),
            pid: process::id(),
        }
    }

    /// How long the token is not posted again yet.
    pub(crate) fn pause_left(&self) -> Option<Duration> {
        let pause = pause_after_unanswered(self.attempts);
        // A clock that was set back must not make it longer.
        let age = Timestamp::now().duration_since(self.at).unsigned_abs();
        pause.checked_sub(age).filter(|left| !left.is_zero())
    }

    pub(crate) fn place(&self) -> Place {
        let name = self.profile.as_deref().map(ProfileName::parse);
        match name {
            Some(Ok(name)) => Place::Profile(name),
            _ => Place::Live,
        }
    }
}

/// A switch that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SwitchIntent {
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) at: Timestamp,
    pid: u32,
}

impl SwitchIntent {
    pub(crate) fn new(from: Option<&ProfileName>, to: &ProfileName) -> Self {
        Self {
            from: from.map(ToString::to_string),
            to: to.to_string(),
            at: Timestamp::now(),
            pid: process::id(),
        }
    }
}

/// A rename that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RenameIntent {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) at: Timestamp,
    pid: u32,
}

impl RenameIntent {
    pub(crate) fn new(from: &ProfileName, to: &ProfileName) -> Self {
        Self {
            from: from.to_string(),
            to: to.to_string(),
            at: Timestamp::now(),
            pid: process::id(),
        }
    }
}

/// What the rescue file of a refresh holds.
#[derive(Debug)]
pub(crate) enum Rescue {
    /// No file, or room that was taken and not used: no answer was noted.
    Nothing,
    /// The issuer's answer to a refresh that did not come to its end.
    Answer(AuthDotJson),
    /// Something that cannot be understood, and may be all that is left of a living login.
    Broken,
}

/// The notes about the refresh that spends one token. Only whoever holds its lock may touch them.
#[derive(Debug, Clone)]
pub(crate) struct RefreshJournal {
    disk: Disk,
    token: String,
}

impl RefreshJournal {
    pub(crate) fn new(disk: &Disk, token: &str) -> Self {
        Self {
            disk: disk.clone(),
            token: token.to_owned(),
        }
    }

    /// The token that is spent, by its fingerprint.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The intent. That it cannot be understood says no less than that the token was posted.
    pub(crate) fn intent(&self) -> Result<Option<RefreshIntent>, StoreError> {
        let Some(bytes) = note(&self.intent_path())? else {
            return Ok(None);
        };
        let intent = serde_json::from_slice(&bytes);
        let intent = intent.unwrap_or_else(|_| RefreshIntent::new(&Place::Live, String::new(), 1));
        Ok(Some(RefreshIntent {
            token_fingerprint: self.token.clone(),
            ..intent
        }))
    }

    /// What the rescue file holds. That it cannot be read just now is an error, not an absence: it
    /// may be the only copy of a login.
    pub(crate) fn rescue(&self) -> Result<Rescue, StoreError> {
        let path = self.rescue_path();
        Ok(match read::bytes(&path) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Rescue::Nothing,
            Ok(bytes) => AuthDotJson::parse(&bytes).map_or(Rescue::Broken, Rescue::Answer),
            Err(ReadError::Missing) => Rescue::Nothing,
            Err(ReadError::Content(_)) => Rescue::Broken,
            Err(error) => return Err(StoreError::unusable(&path)(error)),
        })
    }

    /// Takes a broken rescue file out of the way, to where nothing of ours writes or removes.
    pub(crate) fn set_rescue_aside(&self) -> Result<(), StoreError> {
        let path = self.rescue_path();
        let mark = format!("broken-{}", Timestamp::now().as_nanosecond());
        let aside = atomic::set_aside(&path, &mark).map_err(StoreError::io(&path))?;
        tracing::warn!(aside = %aside.display(), "a broken answer to a refresh was set aside");
        atomic::remove(&path).map_err(StoreError::io(&path))
    }

    /// Takes the room for the answer, then notes the intent.
    pub(crate) fn begin(
        &self,
        intent: &RefreshIntent,
        login: &AuthDotJson,
    ) -> Result<(), StoreError> {
        let path = self.rescue_path();
        let room = login.to_bytes().len() + HEADROOM_BYTES;
        let room = room.min(usize::try_from(MAX_BYTES).unwrap_or(room));
        atomic::write(&path, &vec![b' '; room]).map_err(StoreError::io(&path))?;
        self.at(Step::RescueReserved)?;
        self.rewrite(intent)?;
        self.at(Step::IntentNoted)
    }

    /// Notes the intent with another number of attempts.
    pub(crate) fn rewrite(&self, intent: &RefreshIntent) -> Result<(), StoreError> {
        write_note(&self.intent_path(), intent)
    }

    /// Notes the answer in the room taken for it: in place, so that no new room is needed.
    pub(crate) fn note_answer(&self, login: &AuthDotJson) -> Result<(), StoreError> {
        let path = self.rescue_path();
        self.disk
            .faults
            .at(Step::BeforeAnswerNoted)
            .and_then(|()| overwrite(&path, login.to_bytes()))
            .map_err(StoreError::io(&path))?;
        self.at(Step::AnswerNoted)
    }

    /// Forgets both, the answer first: an intent alone is harmless.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        let path = self.rescue_path();
        atomic::remove(&path).map_err(StoreError::io(&path))?;
        self.at(Step::RescueRemoved)?;
        let path = self.intent_path();
        atomic::remove(&path).map_err(StoreError::io(&path))
    }

    fn at(&self, step: Step) -> Result<(), StoreError> {
        let journal = self.disk.home.journal();
        self.disk.faults.at(step).map_err(StoreError::io(&journal))
    }

    fn intent_path(&self) -> std::path::PathBuf {
        self.disk.home.refresh_intent(&self.token)
    }

    fn rescue_path(&self) -> std::path::PathBuf {
        self.disk.home.refresh_rescue(&self.token)
    }
}

impl Disk {
    /// The switch that was begun. A note that cannot be understood names no target to finish for,
    /// so it is as good as none.
    pub(crate) fn switch_intent(&self) -> Result<Option<SwitchIntent>, StoreError> {
        let bytes = note(&self.home.switch_intent())?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(crate) fn begin_switch(&self, intent: &SwitchIntent) -> Result<(), StoreError> {
        write_note(&self.home.switch_intent(), intent)
    }

    pub(crate) fn end_switch(&self) -> Result<(), StoreError> {
        let path = self.home.switch_intent();
        atomic::remove(&path).map_err(StoreError::io(&path))
    }

    /// The rename that was begun. A note that cannot be understood is as good as none.
    pub(crate) fn rename_intent(&self) -> Result<Option<RenameIntent>, StoreError> {
        let bytes = note(&self.home.rename_intent())?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(crate) fn begin_rename(&self, intent: &RenameIntent) -> Result<(), StoreError> {
        write_note(&self.home.rename_intent(), intent)
    }

    pub(crate) fn end_rename(&self) -> Result<(), StoreError> {
        let path = self.home.rename_intent();
        atomic::remove(&path).map_err(StoreError::io(&path))
    }

    /// The journal of the refresh that brought a token, if it has not come to its end.
    pub(crate) fn journal_of_answer(
        &self,
        token: &str,
    ) -> Result<Option<RefreshJournal>, StoreError> {
        let begun = self.begun_refreshes()?.into_iter();
        let begun = begun.filter(|begun| begun != token);
        let mut journals = begun.map(|begun| RefreshJournal::new(self, &begun));
        Ok(journals.find(|journal| {
            matches!(journal.rescue(), Ok(Rescue::Answer(answer)) if was_spent(&answer, token))
        }))
    }

    /// The tokens, by fingerprint, whose refresh did not come to its end.
    pub(crate) fn begun_refreshes(&self) -> Result<Vec<String>, StoreError> {
        let path = self.home.journal();
        let entries = match std::fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::io(&path))?,
        };
        let mut found: Vec<String> = entries
            .flatten()
            .filter_map(|entry| fingerprint_in(entry.file_name().to_str()?))
            .collect();
        found.sort();
        found.dedup();
        Ok(found)
    }
}

fn fingerprint_in(file_name: &str) -> Option<String> {
    let stem = file_name.strip_suffix(".json")?;
    let stem = stem.strip_suffix(".rescue").unwrap_or(stem);
    let is_fingerprint = stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_fingerprint.then(|| stem.to_owned())
}

/// Only a note that is not there is none: one that cannot be read may say that a token was posted
/// already.
fn note(path: &std::path::Path) -> Result<Option<Vec<u8>>, StoreError> {
    match read::bytes(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::Missing) => Ok(None),
        Err(error) => Err(StoreError::unusable(path)(error)),
    }
}

fn write_note<T: Serialize>(path: &std::path::Path, note: &T) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(note).map_err(|error| StoreError::Io {
        path: path.to_owned(),
        source: error.into(),
    })?;
    atomic::write(path, &bytes).map_err(StoreError::io(path))
}

/// Overwrites from the start and blanks the rest, which JSON permits.
fn overwrite(path: &std::path::Path, mut bytes: Vec<u8>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let room = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    bytes.resize(bytes.len().max(room), b' ');
    file.write_all(&bytes)?;
    file.sync_all()
}
