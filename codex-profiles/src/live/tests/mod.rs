//! Every place that a live login may have, with a keyring that does as it is told.

mod hidden;
mod keeping;
mod reading;
mod switching;

use serde_json::Value;

use crate::{
    LiveUnknown, ProfileStore,
    disk::Disk,
    fs::{ReadError, atomic},
    live::{LiveStore, VaultError, fake::FakeVault},
    testing::World,
};

/// A world whose Codex keeps its login as `config.toml` says.
struct Home {
    world: World,
    vault: FakeVault,
}

impl Home {
    async fn with(mode: &str) -> Self {
        let home = Self {
            world: World::new().await,
            vault: FakeVault::default(),
        };
        home.set(mode);
        home
    }

    /// Two profiles; `work` is current, and in the keyring.
    async fn two_profiles(mode: &str) -> Self {
        let home = Self::with(mode).await;
        let (ada, bob) = (home.world.ada(), home.world.bob());
        let ada = home.world.fake.auth_json(&ada);
        home.world.put_profile("work", &ada);
        home.world
            .put_profile("home", &home.world.fake.auth_json(&bob));
        home.world.put_current("work");
        home.put(&ada);
        home
    }

    fn set(&self, mode: &str) {
        let config = format!("cli_auth_credentials_store = \"{mode}\"\n");
        atomic::write(&self.world.home.config_toml(), config.as_bytes()).unwrap();
    }

    fn put(&self, login: &Value) {
        self.vault.put(&self.world.home, login);
    }

    fn live(&self) -> Value {
        self.vault.get(&self.world.home)
    }

    fn store(&self) -> ProfileStore {
        self.world.store_over(self.vault.clone())
    }

    fn disk(&self) -> Disk {
        let store = LiveStore::new(std::sync::Arc::new(self.vault.clone()));
        Disk::with(self.world.home.clone(), store)
    }

    fn has_file(&self) -> bool {
        self.world.home.auth_json().symlink_metadata().is_ok()
    }
}

fn unknown(login: Result<impl Sized, ReadError>) -> Option<LiveUnknown> {
    match login {
        Err(ReadError::LiveUnknown(unknown)) => Some(unknown),
        _ => None,
    }
}

fn closed() -> LiveUnknown {
    VaultError::Refused("it is closed".into()).into()
}
