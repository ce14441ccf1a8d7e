//! A spent token comes back, in a copy or under another name, and is not posted again.

use codex_auth::{
    CredentialProvider as _, LoginReason, ProfileRef, RouteHint, refresh::RefreshReason,
};
use fake_openai::Fault as IssuerFault;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{access, ask, bearer, reason_of};
use crate::{
    faults::{Fault, Step},
    fs::atomic,
    testing::{World, access_token, eventually, name, token},
};

/// The same tokens under a younger date.
fn as_if_younger(login: &Value, world: &World) -> Value {
    let mut younger = login.clone();
    younger["tokens"]["access_token"] = access_token(&world.ada(), 900_000).into();
    let ahead = Timestamp::now() + SignedDuration::from_hours(1);
    younger["last_refresh"] = ahead.to_string().into();
    younger
}

#[tokio::test]
async fn a_spent_copy_under_a_younger_date_does_not_win() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    ask(&store).await.unwrap();
    let new = world.profile("work");

    world.put_live(&as_if_younger(&old, &world));
    assert_eq!(bearer(&ask(&world.store()).await.unwrap()), access(&new));
    eventually(|| token(&world.live()) == token(&new)).await;

    world.put_live(&as_if_younger(&old, &world));
    store.use_profile(&name("work")).await.unwrap();
    assert_eq!(token(&world.live()), token(&new));
    assert_eq!(
        (token(&world.profile("work")), world.posts()),
        (token(&new), 1)
    );
    assert!(!world.home.profile(&name("unsaved-1")).exists());
}

#[tokio::test]
async fn a_backup_with_a_spent_token_says_so_and_posts_nothing() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    ask(&world.store()).await.unwrap();
    let living = token(&world.profile("work"));
    // Everything is restored from a backup, but for our own folder.
    world.put_profile("work", &old);
    world.put_live(&old);

    for store in [world.store(), world.store()] {
        let error = ask(&store).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::Reused);
    }

    assert_eq!(world.posts(), 1);
    let report = serde_json::to_value(world.store().report().await.unwrap()).unwrap();
    assert_eq!(report["profiles"][0]["state"], "needs_login");
    assert_eq!(report["profiles"][0]["reason"], "reused");
    // The family was not revoked: whoever has the newer copy still can use it.
    let mut saved = old.clone();
    saved["tokens"]["refresh_token"] = living.into();
    world.put_profile("work", &saved);
    assert!(ask(&world.store()).await.is_ok());
    assert_eq!(world.fake.reuse_count(), 0);
}

/// One sign-in as two profiles, of two workspaces, that share its refresh token.
fn put_two_workspaces(world: &World) -> Value {
    let home = world.fake.auth_json_expired(&world.ada());
    let mut team = home.clone();
    team["tokens"]["account_id"] = "acct-team".into();
    world.put_profile("home", &home);
    world.put_profile("team", &team);
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workspaces_of_one_sign_in_never_post_its_token_twice() {
    let world = World::new().await;
    let old = put_two_workspaces(&world);
    let delay = std::time::Duration::from_millis(200);
    world
        .fake
        .fault(IssuerFault::refresh_delayed(delay).always());
    let asked = ["home", "team", "home", "team"].map(|name| {
        let store = world.store();
        tokio::spawn(async move {
            let hint = RouteHint::profile(ProfileRef::new(name));
            store.credentials(&hint).await.map(drop)
        })
    });
    for answer in asked {
        answer.await.unwrap().unwrap();
    }

    assert!(
        world
            .fake
            .refreshes()
            .iter()
            .all(|refresh| refresh.issued.is_some())
    );
    assert_eq!(
        (
            world.fake.reuse_count(),
            world.fake.times_posted(&token(&old))
        ),
        (0, 1)
    );
    assert_eq!(token(&world.profile("home")), token(&world.profile("team")));
    assert_eq!(world.profile("team")["tokens"]["account_id"], "acct-team");
}

#[tokio::test]
async fn an_answer_whose_bearer_died_reaches_all_copies_before_it_is_followed() {
    let world = World::new().await;
    put_two_workspaces(&world);
    let another = world.store();
    let (forced, home) = (RefreshReason::Forced, name("home"));
    for step in [Step::ProfileWritten, Step::CopiesWritten] {
        let store = world.store();
        store.disk.faults.plan(step, Fault::Crash);
        assert!(store.refresh_profile(&home, forced).await.is_err());
        drop(store);

        another.refresh_profile(&home, forced).await.unwrap();

        assert_eq!(token(&world.profile("team")), token(&world.profile("home")));
    }
    assert_eq!((world.posts(), world.fake.reuse_count()), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_waits_for_a_refresh_so_that_codex_never_sees_the_token() {
    let world = World::new().await;
    let old = world.fake.auth_json_expired(&world.ada());
    world.put_profile("work", &old);
    let delay = std::time::Duration::from_millis(300);
    world.fake.fault(IssuerFault::refresh_delayed(delay));
    let store = world.store();
    let forced = RefreshReason::Forced;
    let refreshing =
        tokio::spawn(async move { store.refresh_profile(&name("work"), forced).await });
    eventually(|| !world.fake.requests_to("/oauth/token").is_empty()).await;

    world.store().use_profile(&name("work")).await.unwrap();

    assert_ne!(token(&world.live()), token(&old));
    assert_eq!(token(&world.live()), token(&world.profile("work")));
    refreshing.await.unwrap().unwrap();
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn an_ended_login_is_refreshed_before_codex_gets_to_see_it() {
    let world = World::new().await;
    let old = world.fake.auth_json_expired(&world.ada());
    world.put_profile("work", &old);
    world.store().use_profile(&name("work")).await.unwrap();
    assert_ne!(token(&world.live()), token(&old));

    // And where it cannot be, the switch is done all the same.
    let dead = world.fake.auth_json_expired(&world.bob());
    world.fake.revoke(&token(&dead));
    world.put_profile("dead", &dead);
    world.store().use_profile(&name("dead")).await.unwrap();
    assert_eq!(
        (token(&world.live()), world.current().as_str()),
        (token(&dead), "dead")
    );
}

#[tokio::test]
async fn a_date_that_a_clock_may_have_set_wrong_never_replaces_what_codex_wrote() {
    let world = World::new().await;
    // Tokens that do not say when they were issued.
    let login = |token: &str, at: &str| {
        serde_json::json!({"tokens": {"access_token": token, "refresh_token": token,
            "account_id": "acct-ada"}, "last_refresh": at})
    };
    world.put_profile("work", &login("old", "2031-01-01T00:00:00Z"));
    world.put_current("work");
    let codex = login("new", "2026-11-23T00:00:00Z");
    world.put_live(&codex);
    let store = world.store();
    ask(&store).await.unwrap();
    store.reconcile().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!((world.live(), world.posts()), (codex, 0));
}

#[tokio::test]
async fn upstreams_that_refuse_fresh_tokens_cost_one_rotation_however_many_processes_ask() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    world.put_current("work");
    let first = world.store();
    let stale = ask(&first).await.unwrap();
    let stale = first.refresh(&stale).await.unwrap();
    for store in [world.store(), first, world.store()] {
        let error = store.refresh(&stale).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::Refused);
    }
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn an_intent_that_cannot_be_understood_counts_as_a_post() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    let held = store.disk.profile(&name("work")).unwrap();
    let intent = world
        .home
        .refresh_intent(&held.refresh_token().unwrap().fingerprint());
    world.fake.fault(IssuerFault::refresh_lost());
    assert!(ask(&store).await.is_err());
    atomic::write(&intent, b"torn").unwrap();

    let error = ask(&world.store()).await.unwrap_err();

    assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    assert_eq!(world.fake.times_posted(&token(&old)), 2);
}

#[tokio::test]
async fn a_profile_that_is_renamed_after_a_crash_is_still_known_to_have_posted() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json_expired(&world.ada()));
    let store = world.store();
    store.disk.faults.plan(Step::Answered, Fault::Crash);
    let forced = RefreshReason::Forced;
    assert!(store.refresh_profile(&name("work"), forced).await.is_err());
    drop(store);

    world
        .store()
        .rename(&name("work"), &name("job"))
        .await
        .unwrap();
    for _ in 0..3 {
        let error = world.store().refresh_profile(&name("job"), forced).await;
        assert_eq!(reason_of(&error.unwrap_err()), LoginReason::OutcomeUnknown);
    }
    assert_eq!(world.posts(), 2);
}
