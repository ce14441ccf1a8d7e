use codex_auth::{
    AuthDotJson, CredentialProvider as _, LoginReason, RouteHint, refresh::RefreshReason,
};
use serde_json::{Value, json};

use crate::{
    Condition,
    faults::{Fault, Step},
    testing::{World, name, token},
};

fn parsed(login: &Value) -> AuthDotJson {
    AuthDotJson::parse(login.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn signing_in_again_ends_needs_login_and_mends_codexs_own_login_of_that_account() {
    let world = World::new().await;
    let dead = world.put_expired_everywhere();
    world.fake.revoke(&token(&dead));
    let store = world.store();
    let refused = store
        .refresh_profile(&name("work"), RefreshReason::Forced)
        .await;
    assert!(refused.is_err());
    let condition = &store.list().await.unwrap()[0].condition;
    assert!(
        matches!(condition, Condition::NeedsLogin(LoginReason::Revoked)),
        "{condition:?}"
    );

    let fresh = world.fake.auth_json(&world.ada());
    let kept = store.keep_sign_in(&parsed(&fresh), None).await.unwrap();
    assert_eq!(
        (kept.name, kept.created, kept.published),
        (name("work"), false, true)
    );
    assert!(matches!(
        store.list().await.unwrap()[0].condition,
        Condition::Ok
    ));
    assert_eq!(token(&world.profile("work")), token(&fresh));
    assert_eq!(token(&world.live()), token(&fresh));
    let credentials = store.credentials(&RouteHint::default()).await.unwrap();
    assert_eq!(credentials.profile().as_str(), "work");
}

#[tokio::test]
async fn a_live_login_that_could_not_be_reached_is_renewed_by_the_next_request() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    store.disk.faults.plan(Step::BeforeLiveWritten, Fault::Full);
    let fresh = world.fake.auth_json(&world.ada());
    let kept = store.keep_sign_in(&parsed(&fresh), None).await.unwrap();
    assert!(!kept.published);
    assert_eq!(token(&world.live()), token(&old));
    store.disk.faults.clear();
    store.credentials(&RouteHint::default()).await.unwrap();
    crate::testing::eventually(|| token(&world.live()) == token(&fresh)).await;
}

#[tokio::test]
async fn the_live_login_of_another_account_is_never_touched() {
    let world = World::new().await;
    let bob = world.fake.auth_json(&world.bob());
    world.put_live(&bob);
    let before = std::fs::read(world.home.auth_json()).unwrap();
    let ada = parsed(&world.fake.auth_json(&world.ada()));
    let kept = world.store().keep_sign_in(&ada, None).await.unwrap();
    assert_eq!(
        (kept.name, kept.created, kept.published),
        (name("ada"), true, false)
    );
    assert_eq!(std::fs::read(world.home.auth_json()).unwrap(), before);
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_costs_neither_login() {
    let world = World::new().await;
    let bob = world.fake.auth_json(&world.bob());
    world.put_profile("work", &bob);
    let ada = world.fake.auth_json(&world.ada());
    let kept = world
        .store()
        .keep_sign_in(&parsed(&ada), Some(name("work")))
        .await
        .unwrap();
    assert_eq!(
        (kept.name, kept.created, kept.name_taken),
        (name("work-2"), true, true)
    );
    assert_eq!(world.profile("work"), bob);
    assert_eq!(world.profile("work-2"), ada);
}

#[tokio::test]
async fn the_profile_that_is_asked_for_is_renewed_and_one_of_another_name_too() {
    let world = World::new().await;
    for profile in ["a", "b"] {
        world.put_profile(profile, &world.fake.auth_json(&world.ada()));
    }
    let mut fresh = world.fake.auth_json(&world.ada());
    for (asked, renewed) in [("b", "b"), ("new", "a")] {
        fresh["tokens"]["refresh_token"] = json!(format!("rt_{asked}"));
        let kept = world
            .store()
            .keep_sign_in(&parsed(&fresh), Some(name(asked)))
            .await
            .unwrap();
        assert_eq!(
            (kept.name, kept.created, kept.name_taken),
            (name(renewed), false, false)
        );
        assert_eq!(token(&world.profile(renewed)), token(&fresh));
    }
    assert!(!world.home.profile(&name("new")).exists());
}

#[tokio::test]
async fn a_sign_in_counts_as_newer_whatever_its_tokens_say_and_keeps_unknown_fields() {
    let world = World::new().await;
    let mut old = world.fake.auth_json(&world.ada());
    old["from_tomorrow"] = json!(true);
    world.put_profile("work", &old);
    // An opaque access token says nothing of its age.
    let mut fresh = world.fake.auth_json(&world.ada());
    fresh["tokens"]["access_token"] = json!("opaque");
    fresh["last_refresh"] = json!("2001-01-01T00:00:00Z");
    world
        .store()
        .keep_sign_in(&parsed(&fresh), None)
        .await
        .unwrap();
    assert_eq!(token(&world.profile("work")), token(&fresh));
    assert_eq!(world.profile("work")["from_tomorrow"], true);
}

#[tokio::test]
async fn a_broken_profile_is_mended_and_what_was_in_it_set_aside() {
    let world = World::new().await;
    let path = world.home.auth_json_of(&name("work"));
    crate::fs::atomic::write(&path, b"{\"tokens\": {\"refresh_token\": \"rt_precious\"").unwrap();
    let fresh = world.fake.auth_json(&world.ada());
    let kept = world
        .store()
        .keep_sign_in(&parsed(&fresh), Some(name("work")))
        .await
        .unwrap();
    assert_eq!((kept.name, kept.name_taken), (name("work"), false));
    let folder = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let kept = folder.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    assert!(kept.into_iter().any(|text| text.contains("rt_precious")));
}

#[cfg(unix)]
#[tokio::test]
async fn a_profile_that_cannot_be_written_sends_the_sign_in_to_another_place() {
    let world = World::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(world.home.profiles()).unwrap();
    // A link that leads out of the folder is never written through.
    std::os::unix::fs::symlink(elsewhere.path(), world.home.profile(&name("work"))).unwrap();
    std::fs::File::create(elsewhere.path().join("auth.json")).unwrap();
    let fresh = world.fake.auth_json(&world.ada());
    let kept = world
        .store()
        .keep_sign_in(&parsed(&fresh), Some(name("work")))
        .await
        .unwrap();
    assert_eq!((kept.name, kept.name_taken), (name("work-2"), true));
    assert_eq!(world.profile("work-2"), fresh);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_the_same_login_can_be_kept_later() {
    let world = World::new().await;
    let store = world.store();
    assert!(store.probe_room().await.is_ok());
    store
        .disk
        .faults
        .plan(Step::BeforeProfileWritten, Fault::Full);
    let fresh = world.fake.auth_json(&world.ada());
    assert!(store.keep_sign_in(&parsed(&fresh), None).await.is_err());
    store.disk.faults.clear();
    store.keep_sign_in(&parsed(&fresh), None).await.unwrap();
    assert_eq!(world.profile("ada"), fresh);
}
