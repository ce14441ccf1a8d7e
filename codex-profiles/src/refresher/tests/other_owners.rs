//! Codex, copies, renamed folders and other accounts: somebody else has a hand on the login.

use std::time::Duration;

use codex_auth::{
    CredentialError, CredentialProvider as _, LoginReason, ProfileRef, RouteHint,
    refresh::RefreshReason,
};
use fake_openai::Fault as IssuerFault;
use serde_json::json;

use super::{access, ask, bearer, reason_of};
use crate::{
    faults::{Fault, Step},
    testing::{World, eventually, name, put, token},
};

#[tokio::test]
async fn what_codex_refreshed_is_adopted_and_nothing_is_posted() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    let mut newer = world.codex_posts(&old).await;
    // Codex drops what it does not know.
    newer.as_object_mut().unwrap().remove("fake_unknown");
    world.put_live(&newer);

    assert_eq!(bearer(&ask(&store).await.unwrap()), access(&newer));

    assert_eq!(world.posts(), 1, "Codex's own");
    assert_eq!(world.profile("work")["tokens"], newer["tokens"]);
    assert_eq!(world.profile("work")["fake_unknown"], old["fake_unknown"]);
}

#[tokio::test]
async fn what_codex_refreshed_reaches_the_other_workspaces_of_its_sign_in() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let mut team = old.clone();
    team["tokens"]["account_id"] = "acct-team".into();
    team["last_refresh"] = "2026-01-01T00:00:00Z".into();
    world.put_profile("team", &team);
    let newer = world.codex_posts(&old).await;
    world.put_live(&newer);
    let store = world.store();
    store.reconcile().await.unwrap();
    assert_eq!(token(&world.profile("team")), token(&newer));

    // The spent one is known as such now, wherever it comes back from, and what followed it too.
    world.put_profile("team", &team);
    let hint = RouteHint::profile(ProfileRef::new("team"));
    store.credentials(&hint).await.unwrap();
    assert_eq!(world.fake.times_posted(&token(&old)), 1, "by Codex");
    assert_eq!(token(&world.profile("team")), token(&world.profile("work")));
    assert_eq!((world.posts(), world.fake.reuse_count()), (2, 0));
}

#[tokio::test]
async fn an_adoption_that_is_cut_short_is_finished_and_a_copy_that_comes_back_follows() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let mut team = old.clone();
    team["tokens"]["account_id"] = "acct-team".into();
    world.put_profile("team", &team);
    let newer = world.codex_posts(&old).await;
    world.put_live(&newer);
    let store = world.store();
    store
        .disk
        .faults
        .plan(Step::BeforeProfileWritten, Fault::Full);
    assert!(store.reconcile().await.is_err());
    store.disk.faults.clear();
    store.reconcile().await.unwrap();
    assert_eq!(token(&world.profile("team")), token(&newer));
    assert_eq!(token(&world.profile("work")), token(&newer));

    // Restored from where it was put away, long after: what followed its token is known.
    world.put_profile("team", &team);
    let forced = RefreshReason::Forced;
    world
        .store()
        .refresh_profile(&name("work"), forced)
        .await
        .unwrap();
    world.put_profile("team", &team);
    world
        .store()
        .refresh_profile(&name("team"), forced)
        .await
        .unwrap();
    assert_eq!(token(&world.profile("team")), token(&world.profile("work")));
    assert_eq!(world.profile("team")["tokens"]["account_id"], "acct-team");
    assert_eq!((world.posts(), world.fake.reuse_count()), (3, 0));
}

#[tokio::test]
async fn what_could_not_be_published_is_published_without_anybody_asking() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    store.disk.faults.plan(Step::BeforeLiveWritten, Fault::Full);
    ask(&store).await.unwrap();
    assert_eq!(token(&world.live()), token(&old));
    store.disk.faults.clear();
    store.reconcile().await.unwrap();
    assert_eq!(token(&world.live()), token(&world.profile("work")));
}

#[tokio::test]
async fn while_codex_commits_nothing_is_posted_however_long_it_takes() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let commit = world.store().disk.lock_codex().unwrap();
    let error = ask(&world.store()).await.unwrap_err();
    assert!(matches!(error, CredentialError::Storage { .. }), "{error}");
    assert_eq!(world.posts(), 0);
    let newer = world.codex_posts(&old).await;
    world.put_live(&newer);
    drop(commit);
    assert_eq!(bearer(&ask(&world.store()).await.unwrap()), access(&newer));
}

#[tokio::test]
async fn a_sign_in_during_a_refresh_is_not_undone_by_its_answer() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let store = world.store();
    world
        .fake
        .fault(IssuerFault::refresh_delayed(Duration::from_millis(1500)));
    let asking = tokio::spawn(async move { ask(&store).await });
    eventually(|| !world.fake.requests_to("/oauth/token").is_empty()).await;
    let signed_in = world.fake.auth_json(&world.ada());
    let login = codex_auth::AuthDotJson::parse(signed_in.to_string().as_bytes()).unwrap();
    world.store().keep_sign_in(&login, None).await.unwrap();

    let _ = asking.await.unwrap();

    assert_eq!(token(&world.profile("work")), token(&signed_in));
    assert_eq!(token(&world.live()), token(&signed_in));
}

#[tokio::test]
async fn a_newer_profile_is_published_so_that_codex_need_not_refresh() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let newer = world.codex_posts(&old).await;
    world.put_profile("work", &newer);
    let store = world.store();

    assert_eq!(bearer(&ask(&store).await.unwrap()), access(&newer));

    eventually(|| world.live()["tokens"] == newer["tokens"]).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_token_that_codex_spent_first_is_waited_for() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let newer = world.codex_posts(&old).await;
    let live = world.home.auth_json();
    let writes = newer.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        put(&live, &writes);
    });

    assert_eq!(bearer(&ask(&world.store()).await.unwrap()), access(&newer));
    assert!(
        world
            .store()
            .state()
            .await
            .unwrap()
            .profile("work")
            .needs_login
            .is_none()
    );
}

#[tokio::test]
async fn the_tokens_of_another_account_never_replace_a_profile() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let strangers = world.fake.auth_json(&world.bob());
    let answer = IssuerFault::status(200).json(strangers["tokens"].clone());
    world.fake.fault(answer.path("/oauth/token"));

    let error = ask(&world.store()).await.unwrap_err();

    assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    assert_eq!(world.profile("work"), old);
    assert_eq!(token(&world.profile("unsaved-1")), token(&strangers));
}

#[tokio::test]
async fn copies_of_a_profile_made_by_hand_never_post_a_spent_token() {
    let world = World::new().await;
    let login = world.put_expired_everywhere();
    world.put_profile("copy", &login);
    let store = world.store();
    ask(&store).await.unwrap();
    assert_eq!(
        world.profile("copy")["tokens"],
        world.profile("work")["tokens"]
    );

    let hint = RouteHint::profile(ProfileRef::new("copy"));
    store.credentials(&hint).await.unwrap();
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn an_unsaved_live_login_is_refreshed_where_it_lies() {
    let world = World::new().await;
    let old = world.fake.auth_json_expired(&world.ada());
    world.put_live(&old);
    let served = ask(&world.store()).await.unwrap();
    assert_eq!(
        (served.profile().as_str(), bearer(&served).as_str()),
        ("live", access(&world.live()))
    );
    assert_ne!(token(&world.live()), token(&old));
}

#[tokio::test]
async fn a_live_login_that_is_logged_out_during_its_refresh_is_kept() {
    let world = World::new().await;
    world.put_live(&world.fake.auth_json_expired(&world.ada()));
    let store = world.store();
    world
        .fake
        .fault(IssuerFault::refresh_delayed(Duration::from_millis(300)));
    let asking = tokio::spawn(async move { ask(&store).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    std::fs::remove_file(world.home.auth_json()).unwrap();

    let served = asking.await.unwrap();
    assert_eq!(
        bearer(&served.unwrap()),
        access(&world.profile("unsaved-1"))
    );
}

#[tokio::test]
async fn a_profile_that_is_renamed_or_removed_during_its_refresh_keeps_the_new_tokens() {
    for rename in [true, false] {
        let world = World::new().await;
        world.put_profile("work", &world.fake.auth_json_expired(&world.ada()));
        let store = world.store();
        world
            .fake
            .fault(IssuerFault::refresh_delayed(Duration::from_millis(300)));
        let hint = RouteHint::profile(ProfileRef::new("work"));
        let asking = tokio::spawn({
            let store = store.clone();
            async move { store.credentials(&hint).await }
        });
        tokio::time::sleep(Duration::from_millis(150)).await;
        if rename {
            store.rename(&name("work"), &name("job")).await.unwrap();
        } else {
            store.remove(&name("work")).await.unwrap();
        }
        let served = bearer(&asking.await.unwrap().unwrap());
        let kept = if rename { "job" } else { "unsaved-1" };
        assert_eq!(served, access(&world.profile(kept)));
    }
}

#[tokio::test]
async fn a_login_that_names_no_owner_is_refreshed_in_its_place() {
    let world = World::new().await;
    let mut old = world.put_expired_everywhere();
    old["tokens"] = json!({"access_token": "opaque", "refresh_token": token(&old)});
    world.put_profile("work", &old);
    world.put_live(&old);
    let store = world.store();
    store
        .refresh_profile(&name("work"), RefreshReason::Scheduled)
        .await
        .unwrap();
    assert_ne!(token(&world.profile("work")), token(&old));
    assert_eq!(token(&world.live()), token(&world.profile("work")));
    assert!(!world.home.profile(&name("unsaved-1")).exists());
}

#[tokio::test]
async fn a_commit_of_codex_that_is_under_way_is_waited_for() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let newer = world.codex_posts(&old).await;
    let commit = world.store().disk.lock_codex().unwrap();
    let store = world.store();
    let asking = tokio::spawn(async move { bearer(&ask(&store).await.unwrap()) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.put_live(&newer);
    drop(commit);
    assert_eq!(asking.await.unwrap(), access(&newer));
    assert_eq!((world.posts(), world.fake.reuse_count()), (1, 0));
}

#[tokio::test]
async fn another_accounts_tokens_never_serve_while_they_cannot_be_kept() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let strangers = world.fake.auth_json(&world.bob());
    let answer = IssuerFault::status(200).json(strangers["tokens"].clone());
    world.fake.fault(answer.path("/oauth/token"));
    let store = world.store();
    store
        .disk
        .faults
        .plan(Step::BeforeProfileWritten, Fault::Full);
    for _ in 0..2 {
        let error = ask(&store).await.unwrap_err();
        assert!(matches!(error, CredentialError::Storage { .. }), "{error}");
    }
    assert_eq!(world.fake.requests_to("/oauth/token").len(), 1);
}
