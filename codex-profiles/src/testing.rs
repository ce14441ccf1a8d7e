//! A home, a fake issuer, and logins of every age, for the tests of this crate.

use std::{path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use codex_auth::{Issuer, refresh::TokenEndpoint};
use fake_openai::{Account, FakeOpenAi};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    CodexHome, ProfileName, ProfileStore, disk::Disk, fs::atomic, live::Vault,
    neighbours::Neighbours,
};

/// A home of its own with a fake issuer of its own.
pub(crate) struct World {
    pub(crate) fake: FakeOpenAi,
    pub(crate) home: CodexHome,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            fake: FakeOpenAi::start().await,
            home: CodexHome::at(folder.path()),
            _folder: folder,
        }
    }

    /// A store as a process that starts now would have it.
    pub(crate) fn store(&self) -> ProfileStore {
        self.store_beside(Neighbours::assumed(false))
    }

    /// The same, with a Codex running, or not.
    pub(crate) fn store_beside(&self, neighbours: Neighbours) -> ProfileStore {
        let store = ProfileStore::open(self.home.clone()).unwrap();
        self.connect(store, neighbours)
    }

    /// A store with another keyring, as a process that starts now would have it.
    pub(crate) fn store_over(&self, vault: impl Vault) -> ProfileStore {
        let store = ProfileStore::open_with_vault(self.home.clone(), vault).unwrap();
        self.connect(store, Neighbours::assumed(false))
    }

    fn connect(&self, store: ProfileStore, neighbours: Neighbours) -> ProfileStore {
        let issuer = Issuer::new(self.fake.issuer_url());
        let endpoint = TokenEndpoint::new(reqwest::Client::new(), issuer);
        let store = store.with_token_endpoint(endpoint);
        let disk = Disk {
            neighbours,
            ..Disk::clone(&store.disk)
        };
        ProfileStore {
            disk: Arc::new(disk),
            ..store
        }
    }

    pub(crate) fn ada(&self) -> Account {
        self.fake.account("ada", "acct-ada")
    }

    pub(crate) fn bob(&self) -> Account {
        self.fake.account("bob", "acct-bob")
    }

    /// A login of `account` whose access token lives on for this long, after ten days.
    pub(crate) fn login_with(&self, account: &Account, left: i64) -> Value {
        let mut login = self.fake.auth_json(account);
        login["tokens"]["access_token"] = access_token(account, left).into();
        login
    }

    pub(crate) fn put_profile(&self, name: &str, login: &Value) {
        put(&self.home.auth_json_of(&self::name(name)), login);
    }

    pub(crate) fn put_live(&self, login: &Value) {
        put(&self.home.auth_json(), login);
    }

    pub(crate) fn put_current(&self, name: &str) {
        atomic::write(&self.home.current_profile(), name.as_bytes()).unwrap();
    }

    /// Ada's login as profile `work`, current and live, expired but good for a refresh.
    pub(crate) fn put_expired_everywhere(&self) -> Value {
        let login = self.fake.auth_json_expired(&self.ada());
        self.put_profile("work", &login);
        self.put_live(&login);
        self.put_current("work");
        login
    }

    pub(crate) fn profile(&self, name: &str) -> Value {
        get(&self.home.auth_json_of(&self::name(name)))
    }

    pub(crate) fn live(&self) -> Value {
        get(&self.home.auth_json())
    }

    pub(crate) fn current(&self) -> String {
        std::fs::read_to_string(self.home.current_profile()).unwrap()
    }

    /// What a Codex that refreshes behind our back does: post, then write the live file.
    pub(crate) async fn codex_posts(&self, login: &Value) -> Value {
        let body = json!({"grant_type": "refresh_token", "client_id": fake_openai::CLIENT_ID,
            "refresh_token": login["tokens"]["refresh_token"], "refresh_reason": "scheduled"});
        let request = reqwest::Client::new().post(self.fake.token_url());
        let answer = request.json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let mut login = login.clone();
        for field in ["id_token", "access_token", "refresh_token"] {
            login["tokens"][field] = answer[field].clone();
        }
        login["last_refresh"] = Timestamp::now().to_string().into();
        login
    }

    /// The refresh tokens of every file that could be a login, wherever it lies in the home.
    pub(crate) fn every_refresh_token(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.home.root(), &mut found);
        found
    }

    pub(crate) fn posts(&self) -> usize {
        self.fake.refreshes().len()
    }
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path)
            && let Ok(login) = serde_json::from_str::<Value>(&text)
            && let Some(token) = login["tokens"]["refresh_token"].as_str()
        {
            found.push(token.to_owned());
        }
    }
}

pub(crate) fn name(text: &str) -> ProfileName {
    ProfileName::parse(text).unwrap()
}

pub(crate) fn put(path: &Path, login: &Value) {
    atomic::write(path, login.to_string().as_bytes()).unwrap();
}

pub(crate) fn get(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn token(login: &Value) -> String {
    login["tokens"]["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) fn access_token(account: &Account, left: i64) -> String {
    let expires = Timestamp::now().as_second() + left;
    let claims = json!({"exp": expires, "iat": expires - 864_000,
        "https://api.openai.com/auth": {"chatgpt_user_id": account.user_id(),
            "chatgpt_account_id": account.account_id()}});
    jwt(&claims)
}

pub(crate) fn jwt(claims: &Value) -> String {
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{claims}.c2ln")
}

/// Until something becomes true in the background.
pub(crate) async fn eventually(what: impl Fn() -> bool) {
    for _ in 0..200 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not happen within five seconds");
}
