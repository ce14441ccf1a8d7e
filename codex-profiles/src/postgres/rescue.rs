//! Answers of the issuer on the replica's own disk, until the database has them.

use std::{io, path::PathBuf, sync::Arc};

use codex_auth::{AuthDotJson, ProfileRef, refresh::RefreshReason};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    fs::{ReadError, atomic, read},
    postgres::{PostgresError, table::Answer},
};

/// A folder for them, where there is one.
#[derive(Debug, Clone)]
pub(super) struct RescueFolder(pub(super) Option<PathBuf>);

#[derive(Serialize, Deserialize)]
struct Note {
    version: u32,
    profile: String,
    spent: String,
    reason: Option<RefreshReason>,
    stranger: bool,
    /// The content of an `auth.json`.
    login: String,
}

impl RescueFolder {
    /// Notes an answer, if there is a folder.
    pub(super) async fn note(&self, answer: &Answer) -> Result<(), PostgresError> {
        let Some(path) = self.path_of(answer) else {
            return Ok(());
        };
        let note = Note {
            version: 1,
            profile: answer.profile.to_string(),
            spent: answer.spent.clone(),
            reason: answer.reason,
            stranger: answer.stranger,
            login: String::from_utf8_lossy(&answer.login.to_bytes()).into_owned(),
        };
        aside(path, move |path| {
            atomic::write(path, &serde_json::to_vec(&note)?)
        })
        .await
    }

    /// Forgets an answer that the database has.
    pub(super) async fn forget(&self, answer: &Answer) {
        let Some(path) = self.path_of(answer) else {
            return;
        };
        if let Err(error) = aside(path, atomic::remove).await {
            warn!(%error, "an answer that the database has could not be removed");
        }
    }

    /// What an earlier run could not bring to the database.
    pub(super) async fn answers(&self) -> Result<Vec<Answer>, PostgresError> {
        let Some(folder) = self.0.clone() else {
            return Ok(Vec::new());
        };
        aside(folder, |folder| {
            let entries = match std::fs::read_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let paths = entries.flatten().map(|entry| entry.path());
            let notes = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
            Ok(notes.filter_map(|path| answer_in(&path)).collect())
        })
        .await
    }

    fn path_of(&self, answer: &Answer) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join(format!("{}.json", answer.spent)))
    }
}

/// What cannot be understood stays where it is, for whoever can.
fn answer_in(path: &std::path::Path) -> Option<Answer> {
    let understood = || {
        let note: Note = serde_json::from_slice(&read::bytes(path)?)
            .ok()
            .ok_or(ReadError::Missing)?;
        let login = AuthDotJson::parse(note.login.as_bytes())?;
        Ok::<_, ReadError>(Answer {
            profile: ProfileRef::new(note.profile),
            spent: note.spent,
            reason: note.reason,
            login: Arc::new(login),
            stranger: note.stranger,
            claim: None,
        })
    };
    let answer = understood();
    if answer.is_err() {
        warn!(path = %path.display(), "a rescued answer cannot be read");
    }
    answer.ok()
}

async fn aside<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&std::path::Path) -> io::Result<T> + Send + 'static,
) -> Result<T, PostgresError> {
    let at = path.clone();
    let done = tokio::task::spawn_blocking(move || work(&at)).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| PostgresError::Rescue {
        path,
        reason: error.to_string(),
    })
}
