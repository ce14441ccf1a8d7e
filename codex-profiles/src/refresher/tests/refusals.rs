//! What an answer of the issuer that brings no tokens means, and for how long.

use std::time::Duration;

use codex_auth::{CredentialError, CredentialProvider as _, LoginReason, refresh::RefreshReason};
use fake_openai::Fault as IssuerFault;
use serde_json::json;

use super::{access, ask, bearer, reason_of};
use crate::{
    faults::{Fault, Step},
    testing::{World, access_token, get, name, put, token},
};

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

fn is_passing(error: &CredentialError) -> bool {
    matches!(error, CredentialError::Unavailable { .. })
}

/// Makes it as if the last attempt had been made an hour before.
fn an_hour_passes(world: &World) {
    let held = world.store().disk.profile(&name("work")).unwrap();
    let intent = world
        .home
        .refresh_intent(&held.refresh_token().unwrap().fingerprint());
    let mut note = get(&intent);
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    note["at"] = then.to_string().into();
    put(&intent, &note);
}

/// An issuer, or a gateway before it, that is out of order must not end all logins.
#[tokio::test]
async fn answers_that_never_come_are_asked_for_ever_more_rarely_and_no_login_is_given_up() {
    for fault in [
        IssuerFault::refused(),
        IssuerFault::status(502),
        IssuerFault::status(524),
    ] {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        world.fake.fault(fault.path("/oauth/token").always());
        let asked = || world.fake.requests_to("/oauth/token").len();
        for _ in 0..5 {
            assert!(is_passing(&ask(&world.store()).await.unwrap_err()));
        }
        assert_eq!(asked(), 2);
        for posts in 3..6 {
            an_hour_passes(&world);
            assert!(is_passing(&ask(&world.store()).await.unwrap_err()));
            assert!(is_passing(&ask(&world.store()).await.unwrap_err()));
            assert_eq!(asked(), posts);
        }
        assert_eq!(world.profile("work"), old);

        world.fake.clear_faults();
        assert!(is_passing(&ask(&world.store()).await.unwrap_err()));
        an_hour_passes(&world);
        assert_ne!(bearer(&ask(&world.store()).await.unwrap()), access(&old));
        assert_eq!((world.posts(), world.fake.reuse_count()), (1, 0));
    }
}

/// A proxy's own page, say: that the issuer ever saw the token is by no means certain.
#[tokio::test]
async fn an_answer_nobody_understands_is_as_good_as_none() {
    let without_tokens = json!({"access_token": "", "refresh_token": 1});
    for fault in [
        IssuerFault::status(200).html("<html>"),
        IssuerFault::status(200).json(without_tokens),
    ] {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        world.fake.fault(fault.path("/oauth/token"));
        assert!(is_passing(&ask(&world.store()).await.unwrap_err()));
        assert_eq!(world.profile("work"), old);
        assert_ne!(bearer(&ask(&world.store()).await.unwrap()), access(&old));
        assert_eq!((world.posts(), world.fake.reuse_count()), (1, 0));
    }
}

/// The issuer may leave the refresh token as it is (wire reference 3.1).
#[tokio::test]
async fn an_answer_with_an_access_token_alone_leaves_the_refresh_token_good() {
    for crash in [None, Some(Step::AnswerNoted), Some(Step::ProfileWritten)] {
        let world = World::new().await;
        let old = world.put_expired_everywhere();
        let fresh = access_token(&world.ada(), 800_000);
        let answer = IssuerFault::status(200).json(json!({"access_token": fresh}));
        world.fake.fault(answer.path("/oauth/token"));
        let store = world.store();
        if let Some(step) = crash {
            store.disk.faults.plan(step, Fault::Crash);
            assert!(ask(&store).await.is_err());
        }
        drop(store);

        assert_eq!(
            bearer(&ask(&world.store()).await.unwrap()),
            fresh,
            "{crash:?}"
        );
        for login in [world.profile("work"), world.live()] {
            assert_eq!(
                (access(&login), token(&login)),
                (fresh.as_str(), token(&old))
            );
        }
        let forced = RefreshReason::Forced;
        world
            .store()
            .refresh_profile(&name("work"), forced)
            .await
            .unwrap();
        assert_ne!(token(&world.profile("work")), token(&old));
        assert_eq!(world.fake.reuse_count(), 0);
    }
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
