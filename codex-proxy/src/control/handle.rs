use std::sync::{Arc, OnceLock};

use codex_profiles::{ProfileName, ProfileStore, StoreError, Switched};
use tokio::sync::watch;

use super::{AttachmentView, Desktop, Language, Overview};

/// A running router, for whoever shows or changes it: the page, the tray, the command line. Cheap
/// to clone.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    store: ProfileStore,
    address: String,
    desktop: OnceLock<Arc<dyn Desktop>>,
}

impl Control {
    /// The control of a server that serves these logins at this address, such as
    /// `http://127.0.0.1:9876`.
    #[must_use]
    pub fn new(store: ProfileStore, address: String) -> Self {
        let inner = Inner {
            store,
            address,
            desktop: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Says what desktop there is around the server. Only the first one counts.
    pub fn set_desktop(&self, desktop: Arc<dyn Desktop>) {
        let _ = self.inner.desktop.set(desktop);
    }

    /// Everything at this moment.
    ///
    /// # Errors
    /// A [`StoreError`] when `profiles/` itself cannot be read.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        Ok(Overview {
            version: env!("CARGO_PKG_VERSION"),
            address: self.inner.address.clone(),
            logins: self.inner.store.report().await?,
            removed: Vec::new(),
            attachment: AttachmentView::Detached,
            desktop: self.inner.desktop.get().map(|desktop| desktop.view()),
            language: Language::Auto,
        })
    }

    /// Changes its value whenever an [`overview`](Self::overview) may say something else.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.store.changes()
    }

    /// Makes a profile the current one.
    ///
    /// # Errors
    /// Those of [`ProfileStore::use_profile`].
    pub async fn use_profile(&self, name: &ProfileName) -> Result<Switched, StoreError> {
        self.inner.store.use_profile(name).await
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("address", &self.inner.address)
            .finish_non_exhaustive()
    }
}
