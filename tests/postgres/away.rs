use std::time::Duration;

use codex_auth::{CredentialError, LoginReason, refresh::RefreshReason};
use fake_openai::Fault;

use crate::world::{Process, World, ask, bearer, named, reason_of, said, until};

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_served_from_memory_without_a_query() {
    let mut world = World::new().await;
    world.put("work").await;
    let replica = world.replica().await;
    let before = bearer(&ask(&replica).await.unwrap());
    world.database.crash().unwrap();
    for _ in 0..100 {
        assert_eq!(bearer(&ask(&replica).await.unwrap()), before);
    }
    let error = replica.list().await.unwrap_err();
    assert!(error.to_string().contains("reached"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_restarted_is_used_again() {
    let mut world = World::new().await;
    world.put("work").await;
    let (one, two) = (world.replica().await, world.replica().await);
    ask(&two).await.unwrap();
    world.database.crash().unwrap();
    // Nothing is spent that could not be noted.
    let error = one
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await;
    assert!(
        matches!(error, Err(CredentialError::Storage { .. })),
        "{error:?}"
    );
    assert_eq!(world.posts(), 0);
    world.database.resume().unwrap();
    // Whoever asks just after a failure is told the same.
    let mut fresh = None;
    until("it is reached again", async || {
        let refreshed = one
            .refresh_profile(&named("work"), RefreshReason::Forced)
            .await;
        fresh = refreshed.ok();
        fresh.is_some()
    })
    .await;
    let fresh = fresh.unwrap();
    // It listens again, or has read everything anew.
    until("the other replica serves it", async || {
        ask(&two).await.unwrap().same_bearer(&fresh)
    })
    .await;
    assert_eq!(world.posts(), 1);
}

/// The database goes away while the issuer is asked, and stays away for so long. The replica that
/// has the answer serves it meanwhile, and stores it; no other one posts the token.
async fn away_during_a_post(length: Duration) {
    let mut world = World::new().await;
    let login = world.fake.auth_json_expired(&world.account("work"));
    let old = world.put_login("work", &login).await;
    let (one, two) = (world.replica().await, world.replica().await);
    world
        .fake
        .fault(Fault::refresh_delayed(Duration::from_millis(500)));
    let asking = tokio::spawn({
        let one = one.clone();
        async move { ask(&one).await }
    });
    until("it is posted", async || !world.fake.refreshes().is_empty()).await;
    world.database.crash().unwrap();
    let served = asking.await.unwrap().unwrap();
    assert_ne!(bearer(&served), old.access_token().unwrap().expose());
    assert!(ask(&one).await.unwrap().same_bearer(&served), "from memory");
    let other = tokio::spawn(async move {
        // Asks all the time, while the database is away and after.
        loop {
            match ask(&two).await {
                Ok(served) => return served,
                Err(CredentialError::LoginRequired { reason, .. }) => panic!("{reason}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    tokio::time::sleep(length).await;
    world.database.resume().unwrap();
    let seen = tokio::time::timeout(Duration::from_mins(1), other).await;
    assert!(seen.unwrap().unwrap().same_bearer(&served));
    assert_eq!(world.posts(), 1);
    assert_eq!(world.ask("SELECT count(*) FROM codex_router.spent"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_outlives_a_restart_of_the_database() {
    away_during_a_post(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_outlives_a_database_that_is_down_for_ten_seconds() {
    away_during_a_post(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_file_outlives_a_replica_that_is_killed_while_the_database_is_down() {
    let mut world = World::new().await;
    world.put("work").await;
    let folder = tempfile::tempdir().unwrap();
    let mut orders = world.orders(&["work"]);
    orders["rescue_folder"] = folder.path().to_str().into();
    // It takes no answer from here on, however soon one comes.
    world.ask("ALTER TABLE codex_router.login ADD CONSTRAINT never CHECK (version < 2)");
    let replica = Process::start(&orders);
    let files = || {
        let entries = std::fs::read_dir(folder.path()).unwrap().flatten();
        let notes =
            entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "json"));
        notes.count()
    };
    until("the answer is in a file", async || files() == 1).await;
    world.database.crash().unwrap();
    replica.kill();
    assert_eq!(files(), 1);

    world.database.resume().unwrap();
    world.ask("ALTER TABLE codex_router.login DROP CONSTRAINT never");
    // The next one on this machine brings it to the database, and goes on from there.
    assert_eq!(said(&Process::start(&orders).ended().await), "work lives");
    assert_eq!((world.posts(), files()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_the_end_that_is_cut_short_loses_no_answer() {
    let mut world = World::new().await;
    world.put("work").await;
    let replica = world.replica().await;
    world
        .fake
        .fault(Fault::refresh_delayed(Duration::from_millis(500)));
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
    world.database.crash().unwrap();
    let fresh = refreshing.await.unwrap().unwrap();
    world.database.resume().unwrap();
    until("it is stored", async || {
        let cut_short = tokio::time::timeout(Duration::ZERO, replica.finish_refreshes());
        let _ = cut_short.await;
        world.ask("SELECT count(*) FROM codex_router.spent") == "1"
    })
    .await;
    replica.finish_refreshes().await.unwrap();
    assert!(
        ask(&world.replica().await)
            .await
            .unwrap()
            .same_bearer(&fresh)
    );
    assert_eq!(world.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_tried_once_more_and_then_ever_more_rarely() {
    let world = World::new().await;
    world.put("work").await;
    let posted = || world.fake.requests_to("/oauth/token").len();
    let refresh = async || {
        let replica = world.replica().await;
        replica
            .refresh_profile(&named("work"), RefreshReason::Forced)
            .await
    };
    // The gateway answers in place of the issuer, which did not use the token.
    world.fake.fault(Fault::refresh_status(502).times(2));
    for times in [1, 2, 2] {
        let error = refresh().await.unwrap_err();
        assert!(
            matches!(error, CredentialError::Unavailable { .. }),
            "{error}"
        );
        assert_eq!(posted(), times);
    }
    world.ask("UPDATE codex_router.intent SET begun_at = begun_at - interval '1 minute'");
    refresh().await.unwrap();
    assert_eq!(posted(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_the_issuer_did_not_take_does_not_count() {
    let world = World::new().await;
    world.put("work").await;
    world.fake.fault(Fault::refresh_status(503).times(3));
    for _ in 0..3 {
        let replica = world.replica().await;
        replica
            .refresh_profile(&named("work"), RefreshReason::Forced)
            .await
            .unwrap_err();
        assert_eq!(world.ask("SELECT count(*) FROM codex_router.intent"), "0");
    }
    let replica = world.replica().await;
    replica
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_backup_brings_back_is_not_posted() {
    let world = World::new().await;
    world.put("work").await;
    world.ask("CREATE TABLE backup AS SELECT * FROM codex_router.login");
    let replica = world.replica().await;
    replica
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await
        .unwrap();
    world.ask("DELETE FROM codex_router.login");
    world.ask("INSERT INTO codex_router.login SELECT * FROM backup");
    let other = world.replica().await;
    let error = other
        .refresh_profile(&named("work"), RefreshReason::Forced)
        .await;
    assert_eq!(reason_of(&error.unwrap_err()), LoginReason::Reused);
    assert_eq!(world.posts(), 1);
}
