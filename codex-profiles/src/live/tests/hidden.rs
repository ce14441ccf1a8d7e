//! Where nobody can look, nothing is guessed, and everybody is told.

use std::time::{Duration, Instant};

use crate::{
    LiveUnknown, RouteSource, StoreError,
    live::{
        VaultError,
        fake::Mood,
        tests::{Home, closed},
    },
    report::LoginState,
    testing::{eventually, name},
};

#[tokio::test]
async fn where_the_live_login_is_not_known_a_switch_counts_for_the_router_alone_and_says_why() {
    for (mode, mood, expected) in [
        ("ephemeral", Mood::Open, LiveUnknown::Ephemeral),
        ("tpm", Mood::Open, LiveUnknown::UnknownSetting("tpm".into())),
        ("keyring", Mood::Closed, closed()),
        ("keyring", Mood::ReadOnly, closed()),
        ("auto", Mood::Closed, closed()),
    ] {
        let home = Home::two_profiles(mode).await;
        home.vault.behave(mood);
        let before = home.live();
        let store = home.store();
        let switched = store.use_profile(&name("home")).await.unwrap();

        assert_eq!(switched.live_unknown, Some(expected), "{mode}");
        assert!(!switched.published && !home.has_file(), "{mode}");
        assert_eq!((home.live(), home.vault.writes()), (before, 0), "{mode}");
        let route = store.route(None).await.unwrap();
        assert_eq!(
            (route.profile.as_str(), route.source),
            ("home", RouteSource::Current)
        );
        assert!(!home.world.home.switch_intent().exists());
    }
}

#[tokio::test]
async fn a_stale_file_is_left_as_it_is_where_nobody_reads_it() {
    for mode in ["ephemeral", "tpm"] {
        let home = Home::two_profiles(mode).await;
        let stale = home.world.fake.api_key_auth_json("sk-stale");
        home.world.put_live(&stale);
        home.store().use_profile(&name("home")).await.unwrap();
        assert_eq!(home.world.live(), stale, "{mode}");
    }
}

#[tokio::test]
async fn saving_and_the_report_say_why_the_live_login_is_not_known() {
    let home = Home::two_profiles("ephemeral").await;
    let store = home.store();
    let Err(error @ StoreError::LiveUnknown(LiveUnknown::Ephemeral)) = store.save(None).await
    else {
        panic!("there is nothing to save");
    };
    assert!(
        error
            .to_string()
            .contains("config.toml, then `codex-router use NAME`"),
        "{error}"
    );
    let live = store.report().await.unwrap().live;
    assert_eq!(
        (live.state, live.store),
        (LoginState::Unreadable, "ephemeral")
    );
    assert!(live.reason.unwrap().contains("its own memory"));
    assert!(live.action.is_some() && live.profile.is_none() && live.identity.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_hangs_holds_up_nobody_for_long() {
    let home = Home::two_profiles("keyring").await;
    let store = home.store();
    home.vault.behave(Mood::Hanging);
    let began = Instant::now();
    store.route(None).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "one wait");
    let switched = store.use_profile(&name("home")).await.unwrap();
    assert_eq!(switched.live_unknown, Some(VaultError::NoAnswer.into()));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "and not one for each look"
    );

    home.vault.behave(Mood::Open);
    let late = home.live();
    eventually(|| store.disk.live().is_ok()).await;
    assert_eq!(home.live(), late, "nothing is written late");
    let switched = store.use_profile(&name("home")).await.unwrap();
    assert!(switched.published);
    assert_eq!(home.live(), home.world.profile("home"));
}

#[tokio::test]
async fn a_keyring_that_refuses_is_not_asked_again_and_again() {
    let home = Home::two_profiles("keyring").await;
    home.vault.behave(Mood::Closed);
    let store = home.store();
    for _ in 0..3 {
        store.disk.live_store.forget();
        assert!(store.report().await.unwrap().live.reason.is_some());
    }
    store.use_profile(&name("home")).await.unwrap();
    assert_eq!(home.vault.reads(), 1, "each may put a window on the screen");
}
