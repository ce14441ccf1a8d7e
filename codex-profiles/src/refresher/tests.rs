use std::time::Duration;

use codex_auth::{
    CredentialError, CredentialProvider as _, Credentials, LoginReason, ProfileRef, RouteHint,
    refresh::RefreshReason,
};
use fake_openai::Fault as IssuerFault;
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::{Value, json};

use crate::{
    ProfileStore,
    faults::{Fault, Step},
    testing::{World, eventually, name, put, token},
};

async fn ask(store: &ProfileStore) -> Result<Credentials, CredentialError> {
    store.credentials(&RouteHint::default()).await
}

fn bearer(credentials: &Credentials) -> String {
    let mut headers = HeaderMap::new();
    credentials.apply(&mut headers);
    headers[AUTHORIZATION].to_str().unwrap()["Bearer ".len()..].to_owned()
}

fn access(login: &Value) -> &str {
    login["tokens"]["access_token"].as_str().unwrap()
}

fn reason_of(error: &CredentialError) -> LoginReason {
    match error {
        CredentialError::LoginRequired { reason, .. } => *reason,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_callers_with_an_expired_token_post_it_once() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    world
        .fake
        .fault(IssuerFault::refresh_delayed(Duration::from_millis(100)));

    let asked = (0..50).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { ask(&store).await.unwrap() })
    });
    for answer in asked.collect::<Vec<_>>() {
        let served = bearer(&answer.await.unwrap());
        assert_ne!(served, access(&old));
        assert_eq!(served, access(&world.profile("work")));
    }

    assert_eq!(world.posts(), 1);
    assert_eq!(world.profile("work")["tokens"], world.live()["tokens"]);
    assert_eq!(
        world.fake.refreshes()[0].reason.as_deref(),
        Some("proactive_expiry")
    );
    assert!(
        !world.home.journal().read_dir().unwrap().any(|_| true),
        "the journal is empty"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_post_it_once() {
    let world = World::new().await;
    world.put_expired_everywhere();
    world
        .fake
        .fault(IssuerFault::refresh_delayed(Duration::from_millis(100)));

    let asked = (0..8).map(|_| {
        let store = world.store();
        tokio::spawn(async move { bearer(&ask(&store).await.unwrap()) })
    });
    let mut served = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        served.push(answer.await.unwrap());
    }

    served.dedup();
    assert_eq!((world.posts(), served.len()), (1, 1));
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_lose_the_rotation() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    let store = world.store();
    world
        .fake
        .fault(IssuerFault::refresh_delayed(Duration::from_millis(300)));

    let gave_up = tokio::time::timeout(Duration::from_millis(100), ask(&store)).await;
    assert!(gave_up.is_err());
    store.finish_refreshes().await;

    assert_ne!(token(&world.profile("work")), token(&old));
    assert_eq!(world.live()["tokens"], world.profile("work")["tokens"]);
    assert_eq!(bearer(&ask(&store).await.unwrap()), access(&world.live()));
    assert_eq!(world.posts(), 1);
}

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
async fn unknown_fields_and_permissions_survive_a_refresh() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    ask(&world.store()).await.unwrap();

    for new in [world.profile("work"), world.live()] {
        assert_ne!(token(&new), token(&old));
        assert_eq!(new["fake_unknown"], old["fake_unknown"]);
        let field = "fake_unknown_token_field";
        assert_eq!(new["tokens"][field], old["tokens"][field]);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let home = &world.home;
        assert_eq!(mode(&home.auth_json()), 0o600);
        assert_eq!(mode(&home.auth_json_of(&name("work"))), 0o600);
        assert_eq!(mode(&home.router()), 0o700);
        assert_eq!(mode(&home.journal()), 0o700);
        assert_eq!(mode(&home.profiles_lock()), 0o600);
        assert_eq!(mode(&home.codex_lock()) & 0o600, 0o600);
        assert_eq!(mode(&home.root().join("auth.json.lock")), 0o600);
    }
}

#[tokio::test]
async fn a_login_that_is_due_serves_while_it_is_refreshed_aside_once() {
    let world = World::new().await;
    let old = world.login_with(&world.ada(), 3600);
    world.put_profile("work", &old);
    world.put_current("work");
    let store = world.store();
    world
        .fake
        .fault(IssuerFault::refresh_delayed(Duration::from_millis(200)));

    for _ in 0..20 {
        assert_eq!(bearer(&ask(&store).await.unwrap()), access(&old));
    }

    store.finish_refreshes().await;
    assert_eq!(
        bearer(&ask(&store).await.unwrap()),
        access(&world.profile("work"))
    );
    assert_ne!(token(&world.profile("work")), token(&old));
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn after_a_401_the_login_on_disk_is_tried_before_the_issuer() {
    let world = World::new().await;
    let first = world.fake.auth_json(&world.ada());
    world.put_profile("work", &first);
    world.put_current("work");
    let store = world.store();
    let stale = ask(&store).await.unwrap();
    let second = world.codex_posts(&first).await;
    world.put_profile("work", &second);

    let other = store.refresh(&stale).await.unwrap();
    assert_eq!(
        (bearer(&other).as_str(), world.posts()),
        (access(&second), 1)
    );

    let third = store.refresh(&other).await.unwrap();
    assert!(!third.same_bearer(&other));
    assert_eq!(world.posts(), 2);
    assert_eq!(
        world.fake.refreshes()[1].reason.as_deref(),
        Some("unauthorized_recovery")
    );
    assert_eq!(world.fake.reuse_count(), 0);
}

#[tokio::test]
async fn a_refused_request_is_not_sent_again_as_somebody_else() {
    let world = World::new().await;
    world.put_profile("work", &world.login_with(&world.ada(), 9_000));
    world.put_current("work");
    let store = world.store();
    let ada = ask(&store).await.unwrap();
    world.put_profile("work", &world.login_with(&world.bob(), 9_000));
    let error = store.refresh(&ada).await.unwrap_err();
    let told = (reason_of(&error), world.posts());
    assert_eq!(told, (LoginReason::Replaced, 0));
}

#[tokio::test]
async fn an_api_key_that_is_refused_cannot_be_refreshed() {
    let world = World::new().await;
    world.put_profile("key", &world.fake.api_key_auth_json("sk-planted"));
    world.put_current("key");
    let store = world.store();
    let key = ask(&store).await.unwrap();
    let error = store.refresh(&key).await.unwrap_err();
    assert_eq!(
        (reason_of(&error), world.posts()),
        (LoginReason::Refused, 0)
    );
}

#[tokio::test]
async fn a_final_refusal_is_kept_for_that_token_and_ends_with_it() {
    let world = World::new().await;
    let old = world.put_expired_everywhere();
    world.fake.expire_refresh_token(&token(&old));

    for store in [world.store(), world.store()] {
        for _ in 0..3 {
            let error = ask(&store).await.unwrap_err();
            assert_eq!(reason_of(&error), LoginReason::Expired);
        }
    }
    assert_eq!(
        world.posts(),
        1,
        "never the same token again, not even after a restart"
    );
    let report = serde_json::to_value(world.store().report().await.unwrap()).unwrap();
    assert_eq!(report["profiles"][0]["state"], "needs_login");
    assert_eq!(report["profiles"][0]["reason"], "expired");

    let store = world.store();
    assert!(ask(&store).await.is_err());
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    assert!(ask(&store).await.is_ok());
}

#[tokio::test]
async fn during_a_pause_nothing_is_posted_and_a_living_token_serves() {
    let world = World::new().await;
    let old = world.login_with(&world.ada(), 60);
    world.put_profile("work", &old);
    world.put_current("work");
    world.fake.fault(IssuerFault::refresh_status(500).always());
    let store = world.store();

    for _ in 0..5 {
        assert_eq!(bearer(&ask(&store).await.unwrap()), access(&old));
    }

    let asked = world.fake.requests_to("/oauth/token").len();
    assert_eq!(asked, 1);
    let stale = ask(&store).await.unwrap();
    let error = store.refresh(&stale).await.unwrap_err();
    assert!(
        matches!(error, CredentialError::Unavailable { .. }),
        "{error}"
    );

    world.fake.clear_faults();
    tokio::time::sleep(Duration::from_millis(1400)).await;
    assert_ne!(bearer(&ask(&store).await.unwrap()), access(&old));
    assert_eq!(world.fake.reuse_count(), 0);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more_and_never_again() {
    let world = World::new().await;
    world.put_expired_everywhere();
    world.fake.fault(IssuerFault::refresh_lost());
    let store = world.store();
    let error = ask(&store).await.unwrap_err();
    assert!(
        matches!(error, CredentialError::Unavailable { .. }),
        "{error}"
    );

    // Another process, without the pause in memory.
    let store = world.store();
    for _ in 0..3 {
        let error = ask(&store).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    }
    assert_eq!(
        reason_of(&ask(&world.store()).await.unwrap_err()),
        LoginReason::OutcomeUnknown
    );
    assert_eq!(world.posts(), 2);
}

#[tokio::test]
async fn answers_that_never_come_end_after_two_attempts() {
    let world = World::new().await;
    world.put_expired_everywhere();
    world
        .fake
        .fault(IssuerFault::refused().path("/oauth/token").always());
    for _ in 0..2 {
        assert!(matches!(
            ask(&world.store()).await,
            Err(CredentialError::Unavailable { .. })
        ));
    }
    for _ in 0..3 {
        let error = ask(&world.store()).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    }
    assert_eq!(world.fake.requests_to("/oauth/token").len(), 2);
}

#[tokio::test]
async fn an_answer_nobody_understands_has_spent_the_token() {
    let world = World::new().await;
    world.put_expired_everywhere();
    world
        .fake
        .fault(IssuerFault::status(200).html("<html>").path("/oauth/token"));
    for store in [world.store(), world.store()] {
        let error = ask(&store).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    }
    assert_eq!(world.fake.requests_to("/oauth/token").len(), 1);
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
async fn a_crash_after_any_step_of_a_refresh_costs_no_login() {
    for (step, posts_in_all) in [
        (Step::RescueReserved, 1),
        (Step::IntentNoted, 1),
        (Step::AnswerNoted, 1),
        (Step::ProfileWritten, 1),
        (Step::LiveWritten, 1),
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

#[tokio::test]
async fn a_refresh_can_be_asked_for_however_fresh_the_login_is() {
    let world = World::new().await;
    let old = world.fake.auth_json(&world.ada());
    world.put_profile("work", &old);
    let store = world.store();
    store
        .refresh_profile(&name("work"), RefreshReason::Forced)
        .await
        .unwrap();
    assert_ne!(token(&world.profile("work")), token(&old));
    assert_eq!(world.fake.refreshes()[0].reason.as_deref(), Some("forced"));
}

#[tokio::test]
async fn a_later_token_that_lives_shorter_still_replaces_the_spent_one() {
    let world = World::new().await;
    let account = world.ada();
    let mut old = world.fake.auth_json(&account);
    // Says that it was issued in the future and lives for a year.
    old["tokens"]["access_token"] = crate::testing::access_token(&account, 31_536_000).into();
    world.put_profile("work", &old);
    world.put_live(&old);
    let store = world.store();
    store
        .refresh_profile(&name("work"), RefreshReason::Forced)
        .await
        .unwrap();
    assert_ne!(token(&world.profile("work")), token(&old));
    assert_eq!(world.live()["tokens"], world.profile("work")["tokens"]);
}

#[tokio::test]
async fn what_cannot_serve_says_so() {
    let world = World::new().await;
    world.put_profile(
        "pat",
        &json!({"OPENAI_API_KEY": null, "personal_access_token": "at-x"}),
    );
    let store = world.store();
    let ask = async |label: &str| {
        let hint = RouteHint::profile(ProfileRef::new(label));
        store.credentials(&hint).await.unwrap_err()
    };
    assert!(matches!(
        ask("pat").await,
        CredentialError::UnsupportedMode { .. }
    ));
    for unknown in ["nobody", "../work", ""] {
        assert!(
            matches!(ask(unknown).await, CredentialError::UnknownProfile(_)),
            "{unknown}"
        );
    }
}

fn journal_fingerprint(store: &ProfileStore) -> String {
    let login = store.disk.profile(&name("work")).unwrap();
    login.identity().fingerprint()
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
async fn an_answer_of_a_gateway_counts_as_lost_and_ends_after_two_attempts() {
    let world = World::new().await;
    world.put_expired_everywhere();
    world.fake.fault(IssuerFault::refresh_status(502).always());
    for _ in 0..2 {
        assert!(matches!(
            ask(&world.store()).await,
            Err(CredentialError::Unavailable { .. })
        ));
    }
    for _ in 0..2 {
        let error = ask(&world.store()).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    }
    assert_eq!(world.fake.requests_to("/oauth/token").len(), 2);
}

#[tokio::test]
async fn an_answer_without_tokens_has_spent_the_token() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let answer = IssuerFault::status(200).json(json!({"access_token": "", "refresh_token": 1}));
    world.fake.fault(answer.path("/oauth/token"));
    for store in [world.store(), world.store()] {
        let error = ask(&store).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::OutcomeUnknown);
    }
    assert_eq!(world.fake.requests_to("/oauth/token").len(), 1);
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

#[tokio::test]
async fn tokens_that_are_refused_as_soon_as_they_are_issued_are_not_rotated_in_a_loop() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    world.put_current("work");
    let store = world.store();
    let mut stale = ask(&store).await.unwrap();
    stale = store.refresh(&stale).await.unwrap();
    for _ in 0..3 {
        let error = store.refresh(&stale).await.unwrap_err();
        assert_eq!(reason_of(&error), LoginReason::Refused);
    }
    assert_eq!(world.posts(), 1);

    // It is for the upstream to say whether the login serves again, and for a person to refresh.
    assert!(ask(&store).await.unwrap().same_bearer(&stale));
    let forced = RefreshReason::Forced;
    store.refresh_profile(&name("work"), forced).await.unwrap();
    assert!(!store.refresh(&stale).await.unwrap().same_bearer(&stale));
    assert_eq!(world.posts(), 2);
}

#[tokio::test]
async fn a_login_that_names_no_owner_is_not_rotated_in_a_loop_either() {
    let world = World::new().await;
    let mut login = world.fake.auth_json(&world.ada());
    login["tokens"] = json!({"access_token": "opaque", "refresh_token": token(&login)});
    world.put_profile("work", &login);
    world.put_current("work");
    let store = world.store();
    let stale = ask(&store).await.unwrap();
    let stale = store.refresh(&stale).await.unwrap();
    let error = store.refresh(&stale).await.unwrap_err();
    assert_eq!(
        (reason_of(&error), world.posts()),
        (LoginReason::Refused, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_minute_after_a_401_another_may_lead_to_a_refresh() {
    let mut flight = super::Flight::default();
    assert!(!flight.has_just_recovered());
    flight.recovered = Some(tokio::time::Instant::now());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(flight.has_just_recovered());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!flight.has_just_recovered());
}
