use serde_json::json;

use crate::{
    StoreError,
    testing::{World, name, token},
};

#[tokio::test]
async fn a_live_login_is_saved_under_the_first_part_of_its_address() {
    let world = World::new().await;
    let nothing = world.store().save(None).await;
    assert!(matches!(nothing, Err(StoreError::NotLoggedIn { .. })));
    for (account, expected) in [("acct-1", "ada"), ("acct-2", "ada-2")] {
        let login = world.fake.auth_json(&world.fake.account("ada", account));
        world.put_live(&login);
        let saved = world.store().save(None).await.unwrap();
        assert_eq!((saved.name, saved.created), (name(expected), true));
        assert_eq!(world.profile(expected), login);
    }
}

#[tokio::test]
async fn a_login_that_has_a_profile_renews_it_whatever_name_is_asked_for() {
    let world = World::new().await;
    let old = world.fake.auth_json(&world.ada());
    world.put_profile("work", &old);
    let newer = world.codex_posts(&old).await;
    world.put_live(&newer);
    for (asked, renewed) in [(Some(name("other")), true), (None, false)] {
        let saved = world.store().save(asked).await.unwrap();
        assert_eq!(
            (saved.name, saved.created, saved.renewed),
            (name("work"), false, renewed)
        );
    }
    assert_eq!(token(&world.profile("work")), token(&newer));
    assert!(!world.home.profile(&name("other")).exists());
}

#[tokio::test]
async fn somebody_elses_profile_is_never_written_over() {
    let world = World::new().await;
    let ada = world.fake.auth_json(&world.ada());
    world.put_profile("work", &ada);
    // A colleague in the same workspace.
    world.put_live(&world.fake.auth_json(&world.fake.account("bob", "acct-ada")));
    let taken = world.store().save(Some(name("work"))).await;
    assert!(matches!(taken, Err(StoreError::OtherIdentity(_))));
    assert_eq!(world.profile("work"), ada);
}

#[tokio::test]
async fn equally_old_logins_with_other_tokens_are_both_kept() {
    let world = World::new().await;
    let one = json!({"tokens": {"access_token": "opaque-1", "refresh_token": "rt_1",
        "account_id": "a"}, "last_refresh": "2026-01-01T00:00:00Z"});
    let mut other = one.clone();
    other["tokens"]["refresh_token"] = "rt_2".into();
    world.put_profile("work", &one);
    world.put_live(&other);
    let saved = world.store().save(None).await.unwrap();
    assert!(saved.created);
    assert_eq!(world.every_refresh_token().len(), 3);
    assert_eq!(world.profile("work"), one);
}

#[tokio::test]
async fn renaming_keeps_the_choice_and_the_settings() {
    let world = World::new().await;
    let login = world.put_expired_everywhere();
    world.put_profile("home", &world.fake.auth_json(&world.bob()));
    let store = world.store();
    store
        .update_state(|state| state.set_label("work", Some("W")))
        .await
        .unwrap();

    let taken = store.rename(&name("work"), &name("home")).await;
    assert!(matches!(taken, Err(StoreError::NameTaken(_))));
    store.rename(&name("work"), &name("job")).await.unwrap();

    assert_eq!(world.profile("job"), login);
    assert_eq!(store.current().await.unwrap(), Some(name("job")));
    assert_eq!(
        store.state().await.unwrap().profile("job").label.as_deref(),
        Some("W")
    );
    let unknown = store.rename(&name("work"), &name("x")).await;
    assert!(matches!(unknown, Err(StoreError::UnknownProfile(_))));
}

#[tokio::test]
async fn a_label_is_set_and_taken_back_and_only_for_a_profile() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let store = world.store();
    let label = async || store.state().await.unwrap().profile("work").label;

    store
        .label(&name("work"), Some("The job 团队".into()))
        .await
        .unwrap();
    assert_eq!(label().await.as_deref(), Some("The job 团队"));
    store.label(&name("work"), None).await.unwrap();
    assert_eq!(label().await, None);

    let unknown = store.label(&name("nobody"), Some("x".into())).await;
    assert!(matches!(unknown, Err(StoreError::UnknownProfile(_))));
}
