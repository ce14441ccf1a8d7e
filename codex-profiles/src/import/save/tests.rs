use codex_auth::AuthDotJson;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    StoreError,
    import::{self, Entry, EntryError},
    testing::{World, jwt, name, token},
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

/// Ada's login again, with other tokens: what a file may claim to be, whoever wrote it.
fn claimed(world: &World, issued_in_days: i64) -> Value {
    let issued = Timestamp::now().as_second() + issued_in_days * 86_400;
    let mut login = world.fake.auth_json(&world.ada());
    login["tokens"]["access_token"] = jwt(&json!({"iat": issued, "exp": issued + 864_000,
        "https://api.openai.com/auth": {"chatgpt_user_id": world.ada().user_id(),
            "chatgpt_account_id": world.ada().account_id()}}))
    .into();
    login["tokens"]["refresh_token"] = "claimed".into();
    login
}

#[tokio::test]
async fn a_login_that_an_import_replaced_is_neither_spent_nor_lost() {
    let world = World::new().await;
    let old = world.login_with(&world.ada(), 3600);
    world.put_profile("work", &old);
    world.put_live(&old);
    world.put_current("work");
    let store = world.store();
    let file = claimed(&world, 0);

    assert!(store.import(entry(&file)).await.unwrap().saved.renewed);
    assert_eq!(token(&world.profile("work")), "claimed");
    assert!(world.every_refresh_token().contains(&token(&old)));
    let held = AuthDotJson::parse(old.to_string().as_bytes()).unwrap();
    assert!(!store.disk.is_spent(&held));

    // As far as a running router takes it.
    world.put_live(&world.profile("work"));
    let restored = store.restore(&name("work")).await.unwrap();
    assert!(restored.took_back_import && !restored.renewed);
    assert_eq!(world.profile("work"), old);
    assert_eq!(token(&world.live()), token(&old));
    assert!(!store.disk.is_spent(&held));
    // And what was imported is not lost either.
    assert!(store.restore(&name("work")).await.unwrap().took_back_import);
    assert_eq!(token(&world.profile("work")), "claimed");
}

#[tokio::test]
async fn a_file_that_is_dated_in_the_future_takes_no_logins_place() {
    let world = World::new().await;
    let old = world.login_with(&world.ada(), 3600);
    let by_token = claimed(&world, 1500);
    let mut by_refresh = claimed(&world, 0);
    by_refresh["last_refresh"] = "2999-01-01T00:00:00Z".into();
    let store = world.store();
    for (place, holder) in [("live", "`live`"), ("profile", "`work`")] {
        match place {
            "live" => world.put_live(&old),
            _ => world.put_profile("work", &old),
        }
        for file in [&by_token, &by_refresh] {
            let refused = store.import(entry(file)).await.unwrap_err();
            assert!(matches!(refused, StoreError::FromTheFuture { .. }));
            assert!(refused.to_string().contains(holder), "{refused}");
        }
    }
    assert_eq!(world.profile("work"), old);
    assert_eq!(store.list().await.unwrap().len(), 1);
}
