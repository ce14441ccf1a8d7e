//! The workspaces that Codex may be used with: `forced_chatgpt_workspace_id` of its `config.toml`.
//!
//! A Codex that starts with a ChatGPT login of another workspace logs out of it on this machine. The
//! router does not mind: its clients are served by whatever profile is chosen.

use codex_auth::{AuthDotJson, AuthMode};
use toml::{Table, Value};

use crate::{
    disk::Disk,
    error::StoreError,
    profile::ProfileName,
    store::{ProfileStore, blocking},
};

const KEY: &str = "forced_chatgpt_workspace_id";

/// Those that `config.toml` names; none is every one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ForcedWorkspaces(Vec<String>);

impl ForcedWorkspaces {
    /// One id, or a list of them (wire reference 4.3).
    pub(crate) fn of(config: &Table) -> Self {
        let ids = match config.get(KEY) {
            Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(id)) => vec![id.as_str()],
            _ => Vec::new(),
        };
        let ids = ids.into_iter().map(str::trim);
        Self(ids.filter(|id| !id.is_empty()).map(str::to_owned).collect())
    }

    /// Whether Codex would log out of this login. An API key has no workspace that could be wrong.
    fn refuse(&self, login: &AuthDotJson) -> bool {
        let account = login.display_claims().account_id;
        let is_named = self.0.iter().any(|id| Some(id) == account.as_ref());
        login.mode() != AuthMode::ApiKey && !self.0.is_empty() && !is_named
    }
}

impl Disk {
    pub(crate) fn codex_refuses(&self, login: &AuthDotJson) -> bool {
        let setting = self.live_store.setting(&self.home);
        setting.workspaces.refuse(login)
    }
}

impl ProfileStore {
    /// Whether Codex is held to another workspace than that of this profile, by
    /// `forced_chatgpt_workspace_id` of its `config.toml`: one that starts with it logs out.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the profile cannot be read.
    pub async fn codex_refuses(&self, name: &ProfileName) -> Result<bool, StoreError> {
        let (disk, name) = (self.disk.clone(), name.clone());
        blocking(move || {
            let path = disk.home.auth_json_of(&name);
            let login = disk.profile(&name).map_err(StoreError::unusable(&path))?;
            Ok(disk.codex_refuses(&login))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        fs::atomic,
        testing::{World, name},
    };

    #[tokio::test]
    async fn only_a_login_of_a_workspace_that_is_named_is_taken() {
        let world = World::new().await;
        let login = world.fake.auth_json(&world.ada());
        let account = login["tokens"]["account_id"].as_str().unwrap().to_owned();
        world.put_profile("work", &login);
        world.put_profile("key", &world.fake.api_key_auth_json("sk-x"));
        for (config, is_refused) in [
            (String::new(), false),
            ("forced_chatgpt_workspace_id = 'ws-other'".to_owned(), true),
            (format!("forced_chatgpt_workspace_id = '{account}'"), false),
            (
                format!("forced_chatgpt_workspace_id = ['ws-other', '{account}']"),
                false,
            ),
            ("forced_chatgpt_workspace_id = ' '".to_owned(), false),
            ("forced_chatgpt_workspace_id = 1".to_owned(), false),
            (
                "[profiles.x]\nforced_chatgpt_workspace_id = 'y'".to_owned(),
                false,
            ),
        ] {
            atomic::write(&world.home.config_toml(), config.as_bytes()).unwrap();
            let store = world.store();
            let refused = store.codex_refuses(&name("work")).await.unwrap();
            assert_eq!(refused, is_refused, "{config}");
            assert!(!store.codex_refuses(&name("key")).await.unwrap());
            let switched = store.use_profile(&name("work")).await.unwrap();
            assert_eq!(switched.codex_refuses, is_refused, "{config}");
        }
    }
}
