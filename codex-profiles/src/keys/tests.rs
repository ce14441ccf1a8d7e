use std::{fs, time::Duration};

use codex_auth::{AuthDotJson, secret::ApiKey};

use super::*;
use crate::{CodexHome, fs::atomic, testing};

struct Desk {
    store: ProfileStore,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ProfileStore::open(CodexHome::at(folder.path())).unwrap();
        let work = testing::name("work");
        store.add(login(), Some(work)).await.unwrap();
        let desk = Self {
            store,
            _folder: folder,
        };
        assert_eq!(desk.admit(None).await, Admission::Open);
        desk
    }

    async fn create(&self, name: &str, profile: Option<&str>) -> Result<String, KeyError> {
        let profile = profile.map(testing::name);
        let key = self.store.create_key(named(name), profile).await?;
        Ok(key.expose().to_owned())
    }

    async fn admit(&self, key: Option<&str>) -> Admission {
        self.store.admit(key).await.unwrap()
    }

    fn state(&self) -> String {
        fs::read_to_string(self.store.home().state_json()).unwrap()
    }

    fn was_used(&self, index: usize) -> bool {
        let state: serde_json::Value = serde_json::from_str(&self.state()).unwrap();
        state["client_keys"][index]["last_used_at"].is_string()
    }

    fn put_state(&self, text: &str) {
        atomic::write(&self.store.home().state_json(), text.as_bytes()).unwrap();
    }

    async fn rename(&self, from: &str, to: &str) {
        let (from, to) = (testing::name(from), testing::name(to));
        self.store.rename(&from, &to).await.unwrap();
    }
}

fn named(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

/// A bound key was made for the login of [`Desk::new`].
fn known(name: &str, profile: Option<&str>) -> Admission {
    Admission::Known {
        name: name.into(),
        profile: profile.map(Into::into),
        identity: profile.map(|_| login().identity().fingerprint().into()),
    }
}

fn login() -> AuthDotJson {
    AuthDotJson::from_api_key(ApiKey::new("sk-of-the-test"))
}

#[tokio::test]
async fn from_the_first_key_on_one_is_required_and_without_any_none_is() {
    let desk = Desk::new().await;
    let key = desk.create("laptop", None).await.unwrap();
    let bound = desk.create("editor", Some("work")).await.unwrap();

    assert_eq!(desk.admit(Some(&key)).await, known("laptop", None));
    assert_eq!(
        desk.admit(Some(&bound)).await,
        known("editor", Some("work"))
    );
    for wrong in [
        None,
        Some(""),
        Some("crk_"),
        Some(&key[..46]),
        Some("profile:work"),
    ] {
        assert_eq!(desk.admit(wrong).await, Admission::Refused, "{wrong:?}");
    }

    assert_eq!(desk.store.revoke_key(named("laptop")).await.unwrap(), 1);
    assert_eq!(desk.admit(Some(&key)).await, Admission::Refused);
    assert_eq!(desk.store.revoke_key(named("editor")).await.unwrap(), 0);
    assert_eq!(desk.admit(Some(&key)).await, Admission::Open);
}

#[tokio::test]
async fn a_key_is_long_random_and_kept_as_a_hash_alone() {
    let desk = Desk::new().await;
    let (one, two) = (
        desk.create("one", None).await.unwrap(),
        desk.create("two", None).await.unwrap(),
    );
    assert!(
        one.starts_with("crk_") && one.len() == 47 && one != two,
        "{one}"
    );
    let secret = one.strip_prefix("crk_").unwrap();
    assert!(!desk.state().contains(secret));
    let key = ClientKey::random().unwrap();
    assert_eq!(
        format!("{key:?} {:?}", Some(&key)),
        "[redacted] Some([redacted])"
    );
    let listed = format!("{:?}", desk.store.keys().await.unwrap());
    assert!(!listed.contains(secret), "{listed}");
}

#[tokio::test]
async fn names_are_unique_and_profiles_must_exist() {
    let desk = Desk::new().await;
    let refused = desk.create("x", Some("missing")).await.unwrap_err();
    assert!(matches!(
        refused,
        KeyError::Store(StoreError::UnknownProfile(_))
    ));
    assert_eq!(
        desk.admit(None).await,
        Admission::Open,
        "nothing was changed"
    );

    let first = desk.create("x", None).await.unwrap();
    let refused = desk.create("x", None).await.unwrap_err();
    assert!(matches!(refused, KeyError::NameTaken(_)));
    assert_eq!(desk.admit(Some(&first)).await, known("x", None));
    let refused = desk.store.revoke_key(named("y")).await.unwrap_err();
    assert!(matches!(refused, KeyError::Unknown(_)));
    for name in ["", " ", "a\nb", &"x".repeat(65)] {
        assert!(KeyName::parse(name).is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_in_a_while() {
    let desk = Desk::new().await;
    let key = desk.create("laptop", None).await.unwrap();
    assert_eq!(desk.store.keys().await.unwrap()[0].last_used_at, None);
    desk.admit(Some(&key)).await;
    testing::eventually(|| desk.was_used(0)).await;
    let written = desk.state();
    for _ in 0..50 {
        desk.admit(Some(&key)).await;
    }
    // Whatever there is to write is written by a thread of this runtime.
    tokio::task::spawn_blocking(|| ()).await.unwrap();
    assert_eq!(desk.state(), written);
}

#[tokio::test]
async fn a_key_goes_on_being_bound_when_its_profile_gets_another_name() {
    let desk = Desk::new().await;
    let key = desk.create("editor", Some("work")).await.unwrap();
    desk.rename("work", "job").await;
    assert_eq!(desk.admit(Some(&key)).await, known("editor", Some("job")));
}

#[tokio::test]
async fn keys_made_by_another_program_count_at_once_and_what_is_not_known_of_them_stays() {
    let desk = Desk::new().await;
    desk.create("ours", None).await.unwrap();
    let hash = hex(&digest("crk_theirs"));
    desk.put_state(&format!(
        r#"{{"client_keys":[{{"name":"theirs","sha256":"{hash}","novel":1.10}},7]}}"#
    ));
    assert_eq!(desk.admit(Some("crk_theirs")).await, known("theirs", None));
    desk.create("more", None).await.unwrap();
    testing::eventually(|| desk.was_used(0)).await;
    assert!(desk.state().contains("1.10"), "{}", desk.state());
    assert_eq!(desk.store.keys().await.unwrap().len(), 2);
}

/// Whatever becomes of the settings, a door that was closed does not open by itself.
#[tokio::test]
async fn keys_that_cannot_be_understood_let_nobody_in() {
    let desk = Desk::new().await;
    let key = desk.create("laptop", None).await.unwrap();
    for broken in [
        r#"{"client_keys":[{"name":"laptop","sha256":"beef"}]}"#,
        r#"{"client_keys":[{"name":"laptop"}]}"#,
        r#"{"client_keys":[7]}"#,
        r#"{"client_keys":{"name":"laptop"}}"#,
        r#"{"client_keys":"laptop"}"#,
        r#"{"client_keys":false}"#,
        r#"{"client_keys":[{"name":"laptop","#,
    ] {
        desk.put_state(broken);
        assert_eq!(desk.admit(Some(&key)).await, Admission::Refused, "{broken}");
        assert_eq!(desk.admit(None).await, Admission::Refused, "{broken}");
    }
    // The last one is broken as a whole, and is set aside by whoever writes next.
    desk.store
        .update_state(|state| state.set_listen("127.0.0.1:1"))
        .await
        .unwrap();
    assert_eq!(desk.admit(Some(&key)).await, Admission::Refused);
    assert!(desk.store.state().await.unwrap().lost_client_keys());

    let key = desk.create("laptop", None).await.unwrap();
    assert_eq!(desk.admit(Some(&key)).await, known("laptop", None));
    desk.store.revoke_key(named("laptop")).await.unwrap();
    assert_eq!(desk.admit(None).await, Admission::Open);
}

#[tokio::test]
async fn what_is_no_list_of_keys_stays_shut_whoever_writes_the_settings() {
    let desk = Desk::new().await;
    desk.put_state(r#"{"client_keys":{"laptop":{}}}"#);
    desk.store.revoke_key(named("laptop")).await.unwrap_err();
    desk.rename("work", "job").await;
    assert_eq!(desk.admit(None).await, Admission::Refused);
    assert!(desk.state().contains("laptop"), "{}", desk.state());
    desk.put_state(r#"{"client_keys":null}"#);
    assert_eq!(desk.admit(None).await, Admission::Open);
}

/// Only settings that can be read, and have no keys, open a door that was seen closed.
#[tokio::test]
async fn settings_that_vanish_or_break_open_nothing_that_was_closed() {
    let desk = Desk::new().await;
    let key = desk.create("laptop", None).await.unwrap();
    assert_eq!(desk.admit(Some(&key)).await, known("laptop", None));
    desk.put_state("");
    assert_eq!(desk.admit(None).await, Admission::Refused);
    fs::remove_file(desk.store.home().state_json()).unwrap();
    assert_eq!(desk.admit(None).await, Admission::Refused);
    assert_eq!(desk.admit(Some(&key)).await, Admission::Refused);
    desk.put_state(r#"{"version":1}"#);
    assert_eq!(desk.admit(None).await, Admission::Open);
    fs::remove_file(desk.store.home().state_json()).unwrap();
    assert_eq!(desk.admit(None).await, Admission::Open);
}

#[tokio::test]
async fn settings_that_cannot_be_read_at_all_let_nobody_in() {
    let desk = Desk::new().await;
    desk.create("laptop", None).await.unwrap();
    fs::remove_file(desk.store.home().state_json()).unwrap();
    fs::create_dir(desk.store.home().state_json()).unwrap();
    assert!(desk.store.admit(None).await.is_err());
}

#[tokio::test]
async fn keys_made_at_the_same_time_are_all_kept() {
    let desk = Desk::new().await;
    let names: Vec<String> = (0..6).map(|n| format!("k{n}")).collect();
    let made = names.iter().map(|name| desk.create(name, None));
    let made = made.collect::<Vec<_>>();
    let mut keys = Vec::new();
    for key in made {
        keys.push(
            tokio::time::timeout(Duration::from_secs(20), key)
                .await
                .unwrap()
                .unwrap(),
        );
    }
    for (name, key) in names.iter().zip(&keys) {
        assert_eq!(desk.admit(Some(key)).await, known(name, None));
    }
}
