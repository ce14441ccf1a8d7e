use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    StoreError,
    import::{self, Entry, EntryError},
    testing::{World, name},
};

#[tokio::test]
async fn the_newest_copy_wins_whatever_order_copies_are_imported_in() {
    for newest_first in [true, false] {
        let world = World::new().await;
        let old = world.fake.auth_json(&world.ada());
        let new = world.codex_posts(&old).await;
        world.fake.forget_requests();
        let store = world.store();
        let order = if newest_first {
            [&new, &old]
        } else {
            [&old, &new]
        };
        for file in order {
            store.import(entry(file)).await.unwrap();
        }
        assert_eq!(
            world.profile("ada")["tokens"]["refresh_token"],
            new["tokens"]["refresh_token"]
        );
        assert_eq!(store.list().await.unwrap().len(), 1);
        assert!(world.fake.requests().is_empty(), "an import posts nothing");
    }
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_gets_a_number_and_a_label_is_taken_along() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    let bob = world.fake.auth_json(&world.bob());
    let file = json!({"format": "codex-router-login", "version": 1, "name": "work",
        "label": "Bob's", "auth": bob});
    let store = world.store();

    let imported = store.import(entry(&file)).await.unwrap();

    assert_eq!(imported.saved.name, name("work-2"));
    assert!(imported.saved.created && imported.codex_can_read && imported.has_refresh_token);
    assert_eq!(world.profile("work-2"), bob, "unknown fields and all");
    let label = store.state().await.unwrap().profile("work-2").label;
    assert_eq!(label.as_deref(), Some("Bob's"));
}

#[tokio::test]
async fn a_newer_copy_without_an_id_token_keeps_the_one_that_codex_needs() {
    let world = World::new().await;
    let old = world.login_with(&world.ada(), 3600);
    world.put_profile("work", &old);
    let new = world.codex_posts(&old).await;
    let tokens = &new["tokens"];
    let file = json!({"openai": {"type": "oauth", "refresh": tokens["refresh_token"],
        "access": tokens["access_token"], "expires": 1, "accountId": tokens["account_id"]}});

    let imported = world.store().import(entry(&file)).await.unwrap();

    assert!(imported.saved.renewed && imported.codex_can_read);
    let saved = world.profile("work");
    assert_eq!(saved["tokens"]["refresh_token"], tokens["refresh_token"]);
    assert_eq!(saved["tokens"]["id_token"], old["tokens"]["id_token"]);
}

#[tokio::test]
async fn an_entry_that_is_no_login_is_an_error_and_makes_no_profile() {
    let world = World::new().await;
    let entry = entry(&json!({"auth_mode": "chatgpt", "tokens": null}));
    let refused = world.store().import(entry).await;
    assert!(matches!(
        refused,
        Err(StoreError::Import(EntryError::Login(_)))
    ));
    assert!(world.store().list().await.unwrap().is_empty());
}

fn entry(file: &Value) -> Entry {
    let contents = import::read(file.to_string().as_bytes(), Timestamp::UNIX_EPOCH);
    contents.unwrap().entries.pop().unwrap()
}
