//! What whoever asks for credentials gets, and what is posted for it.

use std::time::Duration;

use codex_auth::{
    CredentialError, CredentialProvider as _, Issuer, LoginReason, ProfileRef, RouteHint,
    refresh::{RefreshReason, TokenEndpoint},
};
use fake_openai::Fault as IssuerFault;
use serde_json::json;

use super::{access, ask, bearer, reason_of};
use crate::{
    ledger::Spent,
    testing::{World, name, token},
};

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
async fn a_request_is_not_given_the_login_that_took_the_place_of_the_chosen_one() {
    let world = World::new().await;
    let store = world.store();
    for label in ["live", "work"] {
        let put = |login: &serde_json::Value| match label {
            "work" => world.put_profile("work", login),
            _ => world.put_live(login),
        };
        put(&world.login_with(&world.ada(), 9_000));
        let wanted = ProfileRef::new(label);
        let route = store.route(Some(&wanted)).await.unwrap();
        let hint = RouteHint::profile(wanted).with_identity(Some(route.identity));
        store.credentials(&hint).await.unwrap();
        // About to expire, too: nothing is refreshed for a request that will not be served.
        for lifetime in [9_000, 60] {
            put(&world.login_with(&world.bob(), lifetime));
            let error = store.credentials(&hint).await.unwrap_err();
            assert!(
                matches!(&error, CredentialError::LoginChanged { profile } if *profile.as_str() == *label),
                "{error}"
            );
        }
    }
    assert_eq!(world.posts(), 0);
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

#[tokio::test]
async fn a_clock_that_is_days_ahead_does_not_rotate_at_every_request() {
    let world = World::new().await;
    let login = world.login_with(&world.ada(), -432_000);
    world.put_profile("work", &login);
    world.put_current("work");
    let store = world.store();
    let held = store.disk.profile(&name("work")).unwrap();
    // It came for another token just now, by the same wrong clock.
    let spent = Spent::new("before", Some(&held), None);
    store.disk.record_spent(spent).unwrap();
    for store in [store, world.store()] {
        assert_eq!(bearer(&ask(&store).await.unwrap()), access(&login));
    }
    assert_eq!(world.posts(), 0);
    // That a server refuses it, or a person asks, counts all the same.
    let stale = ask(&world.store()).await.unwrap();
    assert!(
        !world
            .store()
            .refresh(&stale)
            .await
            .unwrap()
            .same_bearer(&stale)
    );
}

#[tokio::test]
async fn tokens_of_another_issuer_do_not_claim_the_first_ones_origin() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let issuer = Issuer::default().with_refresh_url(world.fake.token_url());
    for (origin, stays) in [
        ("https://elsewhere.example", false),
        (world.fake.issuer_url().as_str(), true),
    ] {
        let mut login = world.fake.auth_json_expired(&world.ada());
        login["tokens"]["oauth_provenance"]["issuer"] = origin.into();
        world.put_profile("work", &login);
        world.put_live(&login);
        let endpoint = TokenEndpoint::new(reqwest::Client::new(), issuer.clone());
        ask(&world.store().with_token_endpoint(endpoint))
            .await
            .unwrap();
        let tokens = &world.profile("work")["tokens"];
        assert_eq!(tokens.get("oauth_provenance").is_some(), stays, "{origin}");
        assert_eq!(tokens["login_owner_id"], login["tokens"]["login_owner_id"]);
    }
}
