use std::time::Duration;

use codex_auth::{
    CredentialError, CredentialProvider as _, LoginReason, RouteHint, refresh::RefreshReason,
};
use tokio::task::JoinSet;

use crate::world::{World, ask, bearer, named, reason_of, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_at_two_replicas_post_the_token_once() {
    let world = World::new().await;
    let login = world.fake.auth_json_expired(&world.account("work"));
    world.put_login("work", &login).await;
    let replicas = [world.replica().await, world.replica().await];
    let mut requests = JoinSet::new();
    for number in 0..100 {
        let replica = replicas[number % 2].clone();
        requests.spawn(async move { bearer(&ask(&replica).await.unwrap()) });
    }
    let mut bearers = requests.join_all().await;
    bearers.sort();
    bearers.dedup();
    assert_eq!(bearers.len(), 1, "all were served by the same tokens");
    assert_eq!(world.posts(), 1);
    assert_eq!(world.ask("SELECT count(*) FROM codex_router.intent"), "0");
    assert_eq!(
        world.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_due_serves_while_it_is_refreshed_aside() {
    let world = World::new().await;
    let old = world.put_login("work", &world.due("work")).await;
    let replica = world.replica().await;
    let served = bearer(&ask(&replica).await.unwrap());
    assert_eq!(served, old.access_token().unwrap().expose());
    until("the new token serves", async || {
        bearer(&ask(&replica).await.unwrap()) != served
    })
    .await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_one_replica_is_seen_by_the_other() {
    let world = World::new().await;
    world.put("work").await;
    let (one, two) = (world.replica().await, world.replica().await);
    let old = ask(&two).await.unwrap();
    let fresh = one
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
        .unwrap();
    until("the other replica serves it", async || {
        ask(&two).await.unwrap().same_bearer(&fresh)
    })
    .await;
    assert!(!old.same_bearer(&fresh));
    one.remove(&named("work")).await.unwrap();
    until("it is gone", async || ask(&two).await.is_err()).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_told_nothing_learns_by_a_401() {
    let world = World::new().await;
    world.put("work").await;
    let (one, two) = (world.replica().await, world.replica().await);
    let stale = ask(&two).await.unwrap();
    let fresh = one.refresh(&stale).await.unwrap();
    // Whether or not the notice has come by now: the answer is the same.
    assert!(two.refresh(&stale).await.unwrap().same_bearer(&fresh));
    assert_eq!(world.posts(), 1);
    // An upstream that refuses fresh tokens costs no further one, at any replica.
    for replica in [&one, &two] {
        let error = replica.refresh(&fresh).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::Refused);
    }
    assert_eq!(world.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_login_must_be_signed_in_again_at_every_replica() {
    let world = World::new().await;
    let login = world.fake.auth_json_expired(&world.account("work"));
    let stored = world.put_login("work", &login).await;
    world.fake.revoke(stored.refresh_token().unwrap().expose());
    let (one, two) = (world.replica().await, world.replica().await);
    for replica in [&one, &two, &one] {
        let error = ask(replica).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::Revoked);
    }
    assert_eq!(
        world.fake.refreshes().len(),
        1,
        "asked once, by one of them"
    );

    world.put("work").await;
    for replica in [&one, &two] {
        until("the new sign-in serves", async || {
            ask(replica).await.is_ok()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_does_not_cut_a_rotation_in_half() {
    let world = World::new().await;
    let login = world.fake.auth_json_expired(&world.account("work"));
    world.put_login("work", &login).await;
    let slow = fake_openai::Fault::refresh_delayed(Duration::from_millis(500));
    world.fake.fault(slow);
    let replica = world.replica().await;
    tokio::select! {
        _ = ask(&replica) => panic!("it was to hang up"),
        () = until("it is posted", async || !world.fake.refreshes().is_empty()) => {}
    }
    replica.finish_refreshes().await.unwrap();
    assert_eq!(world.ask("SELECT count(*) FROM codex_router.spent"), "1");
    ask(&replica).await.unwrap();
    assert_eq!(world.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_given_another_name_while_it_is_refreshed_keeps_the_answer() {
    let world = World::new().await;
    let login = world.put("work").await;
    let slow = fake_openai::Fault::refresh_delayed(Duration::from_secs(1));
    world.fake.fault(slow);
    let replica = world.replica().await;
    let refreshing = tokio::spawn({
        let replica = replica.clone();
        async move {
            let profile = named("work");
            replica
                .refresh_profile(&profile, RefreshReason::Forced)
                .await
        }
    });
    until("it is posted", async || !world.fake.refreshes().is_empty()).await;
    replica.remove(&named("work")).await.unwrap();
    replica.put(&named("renamed"), &login).await.unwrap();
    let fresh = replica
        .refresh_profile(&named("renamed"), RefreshReason::Forced)
        .await
        .unwrap();
    assert_ne!(bearer(&fresh), login.access_token().unwrap().expose());
    assert_eq!(world.posts(), 1);
    let error = refreshing.await.unwrap().unwrap_err();
    assert!(
        matches!(error, CredentialError::UnknownProfile(_)),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_costs_no_connection() {
    let world = World::new().await;
    world.put("work").await;
    world.put("broken").await;
    let (one, two) = (world.replica().await, world.replica().await);
    ask(&one).await.unwrap();
    let broken = RouteHint::profile(named("broken"));
    one.credentials(&broken).await.unwrap();
    let connections = || {
        world.ask(
            "SELECT pid FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid",
        )
    };
    until("the others have left", async || {
        connections().lines().count() == 2
    })
    .await;
    let before = connections();
    world.ask(
        "UPDATE codex_router.login SET auth_json = '{', version = version + 100
        WHERE profile = 'broken'; SELECT pg_notify('codex_router_logins', 'broken')",
    );
    let fresh = two
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
        .unwrap();
    until("the other replica serves it", async || {
        ask(&one).await.unwrap().same_bearer(&fresh)
    })
    .await;
    one.credentials(&broken).await.unwrap();
    assert!(two.credentials(&broken).await.is_err());
    assert_eq!(connections(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_bound_to_an_account_is_served_by_no_other() {
    let world = World::new().await;
    let login = world.put("work").await;
    let replica = world.replica().await;
    let bound =
        |identity: String| RouteHint::profile(named("work")).with_identity(Some(identity.into()));
    let own = bound(login.identity().fingerprint());
    replica.credentials(&own).await.unwrap();
    let error = replica
        .credentials(&bound("another".into()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_nobody_asks_for_are_kept_alive() {
    let world = World::new().await;
    world.put_login("idle", &world.due("idle")).await;
    world.put("fresh").await;
    let failed = world.replica().await.refresh_due().await.unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(world.posts(), 1, "the one that is due");
}
