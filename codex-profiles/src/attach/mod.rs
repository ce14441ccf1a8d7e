//! Codex attached to a router: its model traffic goes there, by a setting in its `config.toml`.
//!
//! The setting is cut into the text of the file, so that comments, order and every other byte stay;
//! what was there before is remembered in `router/state.json`, and [`ProfileStore::detach`] restores
//! the very bytes where nothing else has changed them since. What is remembered is written before
//! the file is changed and forgotten after it was changed back; cut short in between, the next
//! [`ProfileStore::open`] sees what the file says and forgets what does not hold.
//!
//! ```
//! use codex_profiles::{CodexHome, ProfileStore, attach::{AttachmentState, Form, RouterUrl}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path();
//! let store = ProfileStore::open(CodexHome::at(path))?;
//! let router: RouterUrl = "http://127.0.0.1:9876".parse()?;
//!
//! let change = store.attach(router, Form::BaseUrl).await?;
//! assert!(change.diff.contains("+openai_base_url = \"http://127.0.0.1:9876/v1\""));
//! assert_eq!(store.attachment(router).await?.state, AttachmentState::Attached);
//!
//! store.detach(router).await?;
//! assert!(!store.home().config_toml().exists());
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod files;
mod look;
mod plan;
mod record;
#[cfg(test)]
mod tests;
mod url;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use error::AttachError;
pub use plan::KEY_VARIABLE;
pub(crate) use record::Record;
pub use url::{NoRouterUrl, RouterUrl};

use crate::{
    audit::{Action, Deed},
    disk::Disk,
    error::StoreError,
    store::{ProfileStore, blocking},
};

/// How Codex is told of the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Form {
    /// Its built-in provider is led to another address: history, fast mode and features stay. Codex
    /// sends its own login there, and cannot send a client key.
    #[default]
    BaseUrl,
    /// A provider of its own: nothing of Codex's login is sent. Older sessions are hidden from its
    /// list, since they belong to another provider. A client key is taken from the environment.
    Provider,
}

/// How Codex's settings stand to a router.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// In a word.
    pub state: AttachmentState,
    /// How Codex was told, where it was told by us or as we would have.
    pub form: Option<Form>,
    /// Codex's settings.
    pub config: PathBuf,
    /// Where Codex's model traffic goes, if not to OpenAI. Holds no secret.
    pub leads_to: Option<String>,
    /// Whether Codex, as it is attached, sends a key of its own choice with its requests.
    pub sends_key: bool,
    /// What is wrong with the file, when it cannot be changed.
    pub problem: Option<String>,
    /// What attaching in the usual form would change, as a unified difference; `None` when nothing,
    /// or when it cannot be done.
    pub diff: Option<String>,
    /// Sentences on settings that stand against it, such as of profiles of Codex.
    pub notes: Vec<String>,
}

/// How Codex's settings stand to a router, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachmentState {
    /// Codex goes to OpenAI by itself.
    Detached,
    /// Codex's model traffic goes to this router.
    Attached,
    /// It goes where a router of ours was, but not this one.
    Elsewhere,
    /// It goes to somebody else, or the settings cannot be read.
    Foreign,
}

/// What attaching or detaching changed, or would change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigChange {
    /// The file.
    pub config: PathBuf,
    /// The change as a unified difference; empty when there is none.
    pub diff: String,
    /// Settings of ours that somebody else has changed since, and that stay as they are.
    pub left: Vec<String>,
    /// Sentences on settings that stand against it, such as of profiles of Codex.
    pub notes: Vec<String>,
}

impl ProfileStore {
    /// How Codex's settings stand to the router at this address.
    ///
    /// # Errors
    /// Those of reading `state.json`. A `config.toml` that cannot be read is told of in the answer.
    pub async fn attachment(&self, router: RouterUrl) -> Result<Attachment, StoreError> {
        let disk = self.disk.clone();
        blocking(move || disk.attachment(router)).await
    }

    /// Points Codex at the router; a running Codex has read its settings and must be restarted.
    /// Attaching again changes nothing, and attaching to another address takes back the first.
    ///
    /// # Errors
    /// An [`AttachError`]: nothing was changed.
    pub async fn attach(&self, router: RouterUrl, form: Form) -> Result<ConfigChange, AttachError> {
        let auditor = self.auditor();
        let attach = move |disk: &Disk| {
            let begun = auditor.begin(Deed::new(Action::Attach));
            let change = disk.attach(router, form)?;
            begun.done();
            Ok(change)
        };
        let change = self.attaching(attach).await;
        self.notices.changed();
        change
    }

    /// What [`attach`](Self::attach) would change.
    ///
    /// # Errors
    /// Those that it would fail with.
    pub async fn preview_attach(
        &self,
        router: RouterUrl,
        form: Form,
    ) -> Result<ConfigChange, AttachError> {
        self.attaching(move |disk| disk.preview_attach(router, form))
            .await
    }

    /// Lets Codex go to where it went before. Without anything remembered, what leads to the router
    /// at this address is removed.
    ///
    /// # Errors
    /// An [`AttachError`]: nothing was changed.
    pub async fn detach(&self, router: RouterUrl) -> Result<ConfigChange, AttachError> {
        let auditor = self.auditor();
        let detach = move |disk: &Disk| {
            let begun = auditor.begin(Deed::new(Action::Detach));
            let change = disk.detach(router)?;
            begun.done();
            Ok(change)
        };
        let change = self.attaching(detach).await;
        self.notices.changed();
        change
    }

    /// What [`detach`](Self::detach) would change.
    ///
    /// # Errors
    /// Those that it would fail with.
    pub async fn preview_detach(&self, router: RouterUrl) -> Result<ConfigChange, AttachError> {
        self.attaching(move |disk| disk.preview_detach(router))
            .await
    }

    async fn attaching<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, AttachError> + Send + 'static,
    ) -> Result<T, AttachError> {
        let disk = self.disk.clone();
        blocking(move || Ok(work(&disk))).await?
    }
}
