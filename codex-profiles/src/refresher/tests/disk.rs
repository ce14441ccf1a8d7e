//! Full disks, crashes and torn files cost no login.

use std::time::Duration;

use codex_auth::{CredentialError, CredentialProvider as _, LoginReason, ProfileRef, RouteHint};
use fake_openai::Fault as IssuerFault;

use super::{access, ask, bearer, reason_of};
use crate::{
    ProfileStore,
    faults::{Fault, Step},
    testing::{World, eventually, name, token},
};

#[tokio::test]
async fn without_room_on_disk_the_token_is_not_spent() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json_expired(&world.ada()));
    // A file in the place of our folder: nothing of ours can be written.
    std::fs::create_dir_all(world.home.root()).unwrap();
    atomic_write(&world.home.router(), b"");
    let hint = RouteHint::profile(ProfileRef::new("work"));
    let error = world.store().credentials(&hint).await.unwrap_err();
    assert!(matches!(error, CredentialError::Storage { .. }), "{error}");
    assert_eq!(world.posts(), 0);
}

fn atomic_write(path: &std::path::Path, bytes: &[u8]) {
    crate::fs::atomic::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_disk_that_fills_up_during_a_refresh_costs_no_login() {
    for full in [
        vec![Step::BeforeProfileWritten],
        vec![Step::BeforeLiveWritten],
        vec![Step::BeforeProfileWritten, Step::BeforeLiveWritten],
        vec![Step::BeforeAnswerNoted, Step::BeforeProfileWritten],
        vec![Step::BeforeAnswerNoted, Step::BeforeLiveWritten],
    ] {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        let store = world.store();
        for step in &full {
            store.disk.faults.plan(*step, Fault::Full);
        }
        let served = bearer(&ask(&store).await.unwrap());
        assert_eq!(world.posts(), 1);
        assert_ne!(served, access(&old), "{full:?}");

        let restarted = world.store();
        assert_eq!(bearer(&ask(&restarted).await.unwrap()), served, "{full:?}");
        eventually(|| access(&world.live()) == served).await;
        assert_eq!(access(&world.profile("work")), served);
        assert_eq!((world.posts(), world.fake.reuse_count()), (1, 0));
    }
}

#[tokio::test]
async fn tokens_that_no_disk_takes_are_kept_in_memory_and_land_later() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    let steps = [
        Step::BeforeAnswerNoted,
        Step::BeforeProfileWritten,
        Step::BeforeLiveWritten,
    ];
    for step in steps {
        store.disk.faults.plan(step, Fault::Full);
    }
    assert!(matches!(
        ask(&store).await,
        Err(CredentialError::Storage { .. })
    ));
    assert_eq!(token(&world.profile("work")), token(&old));

    store.finish_refreshes().await;
    assert_eq!(token(&world.profile("work")), token(&old));
    store.disk.faults.clear();
    store.finish_refreshes().await;
    assert_ne!(token(&world.profile("work")), token(&old));
    assert_eq!(
        bearer(&ask(&store).await.unwrap()),
        access(&world.profile("work"))
    );
    assert_eq!((world.posts(), world.fake.reuse_count()), (1, 0));
}

#[tokio::test]
async fn while_tokens_are_in_memory_alone_no_other_process_posts_the_spent_one() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let store = world.store();
    let steps = [
        Step::BeforeAnswerNoted,
        Step::BeforeProfileWritten,
        Step::BeforeLiveWritten,
    ];
    for step in steps {
        store.disk.faults.plan(step, Fault::Full);
    }
    assert!(ask(&store).await.is_err());

    let other = world.store();
    let waiting = tokio::spawn(async move { bearer(&ask(&other).await.unwrap()) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    store.disk.faults.clear();

    assert_eq!(bearer(&ask(&store).await.unwrap()), waiting.await.unwrap());
    assert_eq!((world.posts(), world.fake.reuse_count()), (1, 0));
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_refresh_costs_no_login() {
    for (step, posts_in_all) in [
        (Step::RescueReserved, 1),
        (Step::IntentNoted, 1),
        (Step::AnswerNoted, 1),
        (Step::ProfileWritten, 1),
        (Step::CopiesWritten, 1),
        (Step::LiveWritten, 1),
        (Step::SpentRecorded, 1),
        (Step::RescueRemoved, 1),
    ] {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        let store = world.store();
        store.disk.faults.plan(step, Fault::Crash);
        assert!(ask(&store).await.is_err(), "{step:?}");
        drop(store);

        let served = bearer(&ask(&world.store()).await.unwrap());

        assert_ne!(served, access(&old), "{step:?}");
        assert_eq!(served, access(&world.profile("work")), "{step:?}");
        eventually(|| access(&world.live()) == served).await;
        assert_eq!(
            (world.posts(), world.fake.reuse_count()),
            (posts_in_all, 0),
            "{step:?}"
        );
        assert!(
            !world.home.journal().read_dir().unwrap().any(|_| true),
            "{step:?}"
        );
    }
}

#[tokio::test]
async fn a_crash_before_the_answer_is_on_disk_ends_in_a_plain_word_and_no_loop() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let store = world.store();
    store.disk.faults.plan(Step::Answered, Fault::Crash);
    assert!(ask(&store).await.is_err());
    drop(store);

    for _ in 0..3 {
        let error = ask(&world.store()).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    }
    assert_eq!(world.posts(), 2);
}

fn journal_fingerprint(store: &ProfileStore) -> String {
    let login = store.disk.profile(&name("work")).unwrap();
    login.refresh_token().unwrap().fingerprint()
}

#[cfg(unix)]
#[tokio::test]
async fn a_journal_that_cannot_be_read_is_not_an_absent_one() {
    type PathOf = fn(&crate::CodexHome, &str) -> std::path::PathBuf;
    for path_of in [
        crate::CodexHome::refresh_rescue as PathOf,
        crate::CodexHome::refresh_intent,
    ] {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        let store = world.store();
        let path = path_of(&world.home, &journal_fingerprint(&store));
        std::fs::create_dir_all(world.home.journal()).unwrap();
        // What is no file can be replaced and removed like one, but not read.
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();

        for store in [store, world.store()] {
            let error = ask(&store).await.unwrap_err();
            assert!(matches!(error, CredentialError::Storage { .. }), "{error}");
        }

        assert_eq!((world.posts(), world.profile("work")), (0, old));
        assert!(!path.is_file() && path.exists(), "nothing took its place");
    }
}

#[tokio::test]
async fn a_torn_answer_is_set_aside_and_its_token_not_posted_again() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let store = world.store();
    let rescue = world.home.refresh_rescue(&journal_fingerprint(&store));
    store.disk.faults.plan(Step::AnswerNoted, Fault::Crash);
    assert!(ask(&store).await.is_err());
    drop(store);
    let torn = std::fs::read(&rescue).unwrap()[..300].to_vec();
    atomic_write(&rescue, &torn);

    for store in [world.store(), world.store()] {
        let error = ask(&store).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    }

    assert_eq!(world.posts(), 1);
    let left: Vec<_> = world.home.journal().read_dir().unwrap().collect();
    let [Ok(aside)] = left.as_slice() else {
        panic!("{left:?}")
    };
    assert_eq!(std::fs::read(aside.path()).unwrap(), torn);
}

#[tokio::test]
async fn a_crash_while_another_accounts_tokens_are_kept_posts_nothing_again() {
    for step in [Step::AnswerNoted, Step::BeforeProfileWritten] {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        let strangers = world.fake.auth_json(&world.bob());
        let answer = IssuerFault::status(200).json(strangers["tokens"].clone());
        world.fake.fault(answer.path("/oauth/token"));
        let store = world.store();
        store.disk.faults.plan(step, Fault::Crash);
        assert!(ask(&store).await.is_err());
        drop(store);

        for store in [world.store(), world.store()] {
            let error = ask(&store).await.unwrap_err();
            assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown, "{step:?}");
        }

        assert_eq!(world.fake.requests_to("/oauth/token").len(), 1, "{step:?}");
        assert_eq!((world.profile("work"), world.live()), (old.clone(), old));
        assert_eq!(token(&world.profile("unsaved-1")), token(&strangers));
    }
}
