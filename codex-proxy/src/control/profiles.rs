//! What can be done with profiles.

use codex_auth::refresh::RefreshReason;
use codex_profiles::{ProfileName, StoreError, Switched};

use super::{Control, ControlError};

impl Control {
    /// Makes a profile the current one. A login that Codex could not read yet is refreshed first,
    /// which makes it whole.
    ///
    /// # Errors
    /// A [`StoreError`], or that such a refresh did not work.
    pub async fn use_profile(&self, name: &ProfileName) -> Result<Switched, ControlError> {
        let store = &self.inner.store;
        let switched = match store.use_profile(name).await {
            Err(StoreError::CodexCannotRead(_)) => {
                store.refresh_profile(name, RefreshReason::Forced).await?;
                store.use_profile(name).await?
            }
            switched => switched?,
        };
        self.changed();
        Ok(switched)
    }
}
