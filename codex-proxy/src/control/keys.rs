//! Keys that clients present.

use codex_profiles::{
    ProfileName,
    keys::{ClientKey, KeyEntry, KeyName},
};

use super::{Control, ControlError};

impl Control {
    /// The keys there are. What they are is known to their owners alone.
    ///
    /// # Errors
    /// A [`StoreError`](codex_profiles::StoreError) when the settings cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyEntry>, ControlError> {
        Ok(self.inner.store.keys().await?)
    }

    /// Makes a key, which is shown this once. From the first one on, every client needs one.
    ///
    /// # Errors
    /// [`ControlError::Key`].
    pub async fn create_key(
        &self,
        name: KeyName,
        profile: Option<ProfileName>,
    ) -> Result<ClientKey, ControlError> {
        Ok(self.inner.store.create_key(name, profile).await?)
    }

    /// Takes a key back, and says how many are left.
    ///
    /// # Errors
    /// [`ControlError::Key`].
    pub async fn revoke_key(&self, name: KeyName) -> Result<usize, ControlError> {
        Ok(self.inner.store.revoke_key(name).await?)
    }
}
