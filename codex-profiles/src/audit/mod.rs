//! What was done to the logins of a home, by whom and when: `router/audit.log`.
//!
//! A line of JSON for each change, written by the [`ProfileStore`] that made it, so that no
//! front-end can forget to. Who it was is said once, where the store is opened
//! ([`ProfileStore::acting_as`]), or for a while ([`Actor::scope`]). An entry holds the names of
//! profiles and client keys, and no token, no key and no address.
//!
//! The log tells of changes and never stands in their way: a change whose line cannot be written is
//! made all the same, and that is said once, as a warning. A change of profiles whose program is
//! killed in the midst of it, or before its line is written, gets one from whoever opens the home
//! next, with what became of it.
//!
//! ```
//! use codex_auth::{AuthDotJson, secret::ApiKey};
//! use codex_profiles::{CodexHome, ProfileName, ProfileStore, audit::{Action, Actor}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = ProfileStore::open(CodexHome::at(folder.path()))?.acting_as(Actor::Command);
//! let work = ProfileName::parse("work")?;
//! store.add(AuthDotJson::from_api_key(ApiKey::new("sk-example")), Some(work)).await?;
//!
//! let log = store.audit_log().await?;
//! let entry = &log.entries[0];
//! assert_eq!((entry.action, entry.by), (Action::Login, Actor::Command));
//! assert_eq!(entry.profile.as_deref(), Some("work"));
//! # Ok(())
//! # }
//! ```

mod begun;
mod entry;
mod file;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

pub(crate) use begun::FINISHED;
pub(crate) use entry::Deed;
pub use entry::{Action, Actor, AuditEntry};
pub(crate) use file::AuditFile;
pub use file::AuditLog;

use crate::{
    error::StoreError,
    home::CodexHome,
    store::{ProfileStore, blocking},
};

tokio::task_local! {
    static ACTOR: Actor;
}

impl Actor {
    /// Whatever `work` does by itself, on no task of its own, is this actor's doing, whoever opened
    /// the store.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        ACTOR.scope(self, work).await
    }

    /// The one of the [`scope`](Self::scope) around this, to be carried to another task.
    #[must_use]
    pub fn of_scope() -> Option<Self> {
        ACTOR.try_with(|actor| *actor).ok()
    }
}

/// Where one change is noted, by whoever is making it.
#[derive(Debug, Clone)]
pub(crate) struct Auditor {
    file: Arc<AuditFile>,
    actor: Actor,
}

impl Auditor {
    /// For what is done without a store.
    pub(crate) fn of(home: &CodexHome, actor: Actor) -> Self {
        Self {
            file: Arc::new(AuditFile::of(home)),
            actor,
        }
    }

    /// Notes what was done. Blocks for some milliseconds.
    pub(crate) fn note(&self, deed: Deed) {
        self.note_by(self.actor, deed);
    }

    /// The same where nothing may block.
    pub(crate) async fn note_aside(&self, deed: Deed) {
        let auditor = self.clone();
        let noted = blocking(move || {
            auditor.note(deed);
            Ok(())
        });
        // A runtime that ends has no time for it.
        let _ = noted.await;
    }

    /// The same of somebody else's doing.
    pub(crate) fn note_by(&self, actor: Actor, deed: Deed) {
        self.file.append(&deed.by(actor));
    }
}

impl ProfileStore {
    /// What is done through this store, and its clones, is noted as this actor's doing.
    #[must_use]
    pub fn acting_as(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// What was done to the logins, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a log that is there cannot be read.
    pub async fn audit_log(&self) -> Result<AuditLog, StoreError> {
        let file = self.audit.clone();
        blocking(move || file.read()).await
    }

    /// To be asked for where the change is asked for, and taken to where it is made.
    pub(crate) fn auditor(&self) -> Auditor {
        Auditor {
            file: self.audit.clone(),
            actor: Actor::of_scope().unwrap_or(self.actor),
        }
    }
}
