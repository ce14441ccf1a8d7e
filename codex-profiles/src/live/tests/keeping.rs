//! What Codex and we get for a login reaches the other one through the keyring.

use codex_auth::{CredentialProvider as _, RouteHint, refresh::RefreshReason};

use crate::{
    Notice,
    live::{fake::Mood, tests::Home},
    testing::{name, token},
};

#[tokio::test]
async fn a_login_in_the_keyring_is_saved_back_or_kept_when_it_is_replaced() {
    let home = Home::two_profiles("keyring").await;
    let newer = home.world.codex_posts(&home.live()).await;
    home.put(&newer);
    let store = home.store();
    let switched = store.use_profile(&name("home")).await.unwrap();
    assert_eq!(switched.saved_back, Some(name("work")));
    assert_eq!(token(&home.world.profile("work")), token(&newer));

    let stranger = home
        .world
        .fake
        .auth_json(&home.world.fake.account("eve", "acct-eve"));
    home.put(&stranger);
    let switched = store.use_profile(&name("work")).await.unwrap();
    assert_eq!(switched.kept_as, Some(name("unsaved-1")));
    assert_eq!(home.world.profile("unsaved-1"), stranger);
    assert_eq!(token(&home.live()), token(&newer));
}

#[tokio::test]
async fn a_login_that_codex_renews_between_reading_and_writing_is_not_lost() {
    // A switch that nobody disturbs reads four times, the last time right before it writes.
    for reading in 1..=4 {
        let home = Home::two_profiles("keyring").await;
        let newer = home.world.codex_posts(&home.live()).await;
        let store = home.store();
        let before = home.vault.reads();
        home.vault.interject(reading, &home.world.home, &newer);
        store.use_profile(&name("home")).await.unwrap();
        assert_eq!(
            token(&home.world.profile("work")),
            token(&newer),
            "{reading}"
        );
        assert_eq!(home.live(), home.world.profile("home"), "{reading}");
        assert!(
            home.vault.reads() - before >= reading,
            "it came to the interjection"
        );
    }
}

#[tokio::test]
async fn a_login_that_codex_renewed_in_the_keyring_is_adopted() {
    let home = Home::two_profiles("keyring").await;
    let store = home.store();
    let newer = home.world.codex_posts(&home.live()).await;
    home.put(&newer);
    store.credentials(&RouteHint::default()).await.unwrap();
    assert_eq!(
        token(&home.world.profile("work")),
        token(&newer),
        "at a request"
    );

    let newer = home.world.codex_posts(&newer).await;
    home.put(&newer);
    let notices = store.reconcile().await.unwrap();
    let profile = name("work").reference();
    assert!(
        notices.contains(&Notice::Adopted { profile }),
        "{notices:?}"
    );
    assert_eq!(
        token(&home.world.profile("work")),
        token(&newer),
        "by the upkeep"
    );
    assert!(!home.has_file());
}

#[tokio::test]
async fn a_refresh_of_ours_is_published_to_the_keyring() {
    let home = Home::two_profiles("keyring").await;
    let old = token(&home.live());
    let reason = RefreshReason::Forced;
    home.store()
        .refresh_profile(&name("work"), reason)
        .await
        .unwrap();
    assert_ne!(token(&home.live()), old);
    assert_eq!(token(&home.live()), token(&home.world.profile("work")));
    assert_eq!(home.world.posts(), 1);
    assert!(!home.has_file());
}

#[tokio::test]
async fn a_token_that_codex_has_too_is_not_spent_while_its_keyring_is_shut() {
    for (mode, mood) in [
        ("keyring", Mood::Closed),
        ("auto", Mood::Closed),
        ("tpm", Mood::Open),
    ] {
        let home = Home::with("keyring").await;
        let login = home.world.fake.auth_json_expired(&home.world.ada());
        home.world.put_profile("work", &login);
        home.world.put_current("work");
        home.put(&login);
        home.store().route(None).await.unwrap();

        home.set(mode);
        home.vault.behave(mood);
        let store = home.store();
        let refused = store.credentials(&RouteHint::default()).await.unwrap_err();
        let refused = format!("{refused}: {:?}", std::error::Error::source(&refused));
        assert!(refused.contains("LiveUnknown"), "{refused}");
        assert_eq!(home.world.posts(), 0, "{mode}");

        home.set("keyring");
        home.vault.behave(Mood::Open);
        let store = home.store();
        store.credentials(&RouteHint::default()).await.unwrap();
        assert_eq!(home.world.posts(), 1, "{mode}");
        assert_eq!(token(&home.live()), token(&home.world.profile("work")));
    }
}

#[tokio::test]
async fn a_token_that_codex_never_had_is_refreshed_whatever_its_keyring_does() {
    let home = Home::with("keyring").await;
    let login = home.world.fake.auth_json_expired(&home.world.ada());
    home.world.put_profile("work", &login);
    home.world.put_current("work");
    home.put(&home.world.fake.auth_json(&home.world.bob()));
    home.store().route(None).await.unwrap();
    home.vault.behave(Mood::Closed);
    let store = home.store();
    store.credentials(&RouteHint::default()).await.unwrap();
    assert_eq!(home.world.posts(), 1);
}

#[tokio::test]
async fn a_token_that_codex_has_no_more_is_not_held_back() {
    for gone in ["another", "logged out"] {
        let home = Home::with("keyring").await;
        let login = home.world.fake.auth_json_expired(&home.world.ada());
        home.world.put_profile("work", &login);
        home.world.put_current("work");
        home.put(&login);
        drop(home.store().route(None).await.unwrap());
        home.vault.clear();
        if gone == "another" {
            home.put(&home.world.fake.api_key_auth_json("sk-another"));
        }
        drop(home.store().route(None).await.unwrap());
        home.vault.behave(Mood::Closed);
        let store = home.store();
        store.credentials(&RouteHint::default()).await.unwrap();
        assert_eq!(home.world.posts(), 1, "{gone}");
    }
}
