//! The live login is looked for where Codex does, and not more often than needed.

use std::time::{Duration, Instant};

use codex_auth::AuthJsonError;
use serde_json::json;

use crate::{
    LiveUnknown, RouteSource,
    disk::Disk,
    fs::{ReadError, atomic},
    live::{
        LiveStore,
        fake::Mood,
        tests::{Home, closed, unknown},
    },
    report::LoginState,
    testing::{name, put},
};

#[tokio::test]
async fn each_mode_reads_where_codex_reads() {
    const FILE: Option<&str> = Some("sk-file");
    const RING: Option<&str> = Some("sk-ring");
    for (mode, in_file, in_ring, mood, expected) in [
        ("file", true, true, Mood::Open, FILE),
        ("file", false, true, Mood::Open, None),
        ("file", true, false, Mood::Hanging, FILE),
        ("keyring", true, true, Mood::Open, RING),
        ("keyring", true, false, Mood::Open, None),
        ("keyring", true, true, Mood::Closed, None),
        ("auto", true, true, Mood::Open, RING),
        ("auto", true, false, Mood::Open, FILE),
        ("auto", true, true, Mood::Closed, FILE),
        ("auto", false, true, Mood::Closed, None),
        ("auto", false, false, Mood::Open, None),
        ("ephemeral", true, true, Mood::Open, None),
        ("tpm", true, true, Mood::Open, None),
    ] {
        let home = Home::with(mode).await;
        let login = |key| home.world.fake.api_key_auth_json(key);
        if in_file {
            home.world.put_live(&login("sk-file"));
        }
        if in_ring {
            home.put(&login("sk-ring"));
        }
        home.vault.behave(mood);
        let live = home.disk().live();
        let expected = expected.map(|key| {
            let bytes = login(key).to_string().into_bytes();
            codex_auth::AuthDotJson::parse(&bytes).unwrap().identity()
        });
        let case = format!("{mode} {in_file} {in_ring} {mood:?}: {live:?}");
        assert_eq!(live.ok().map(|login| login.identity()), expected, "{case}");
    }
}

#[tokio::test]
async fn what_is_not_there_what_is_not_known_and_what_is_no_login_are_told_apart() {
    let home = Home::with("keyring").await;
    assert!(matches!(home.disk().live(), Err(ReadError::Missing)));
    home.vault.put_bytes(&home.world.home, b"not json");
    let foreign = home.disk().live();
    assert!(matches!(
        foreign,
        Err(ReadError::Content(AuthJsonError::Malformed { .. }))
    ));
    home.vault.behave(Mood::Closed);
    assert_eq!(unknown(home.disk().live()), Some(closed()));
    home.set("ephemeral");
    assert_eq!(unknown(home.disk().live()), Some(LiveUnknown::Ephemeral));
    home.set("tpm");
    let other = LiveUnknown::UnknownSetting("tpm".into());
    assert_eq!(unknown(home.disk().live()), Some(other));
    let config = "cli_auth_credentials_store = \"keyring\"\nfeatures.secret_auth_storage = true";
    atomic::write(&home.world.home.config_toml(), config.as_bytes()).unwrap();
    assert_eq!(unknown(home.disk().live()), Some(LiveUnknown::Encrypted));
}

#[tokio::test]
async fn the_login_in_the_keyring_is_reported_saved_and_serves() {
    let home = Home::with("keyring").await;
    let store = home.store();
    let nobody = store.route(None).await.unwrap_err().to_string();
    assert!(nobody.contains("keyring:Codex Auth/cli|"), "{nobody}");

    home.put(&home.world.fake.auth_json(&home.world.ada()));
    store.disk.live_store.forget();
    let live = store.report().await.unwrap().live;
    assert_eq!(
        (live.state, live.store, live.reason),
        (LoginState::Ok, "keyring", None)
    );
    let route = store.route(None).await.unwrap();
    assert_eq!(route.source, RouteSource::LiveLogin);
    let saved = store.save(Some(name("mine"))).await.unwrap();
    assert!(saved.created);
    assert_eq!(home.world.profile("mine"), home.live());
}

#[tokio::test]
async fn requests_ask_the_keyring_no_more_than_every_two_seconds() {
    let home = Home::two_profiles("keyring").await;
    let store = home.store();
    let before = home.vault.reads();
    let began = Instant::now();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        requests.spawn(async move { store.route(None).await.map(drop) });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap().unwrap();
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "the machine is too slow for this test"
    );
    assert_eq!(home.vault.reads() - before, 1);
}

#[tokio::test]
async fn a_file_mode_never_asks_the_keyring() {
    let home = Home::two_profiles("file").await;
    home.world.put_live(&home.world.profile("work"));
    let store = home.store();
    store.route(None).await.unwrap();
    store.use_profile(&name("home")).await.unwrap();
    store.report().await.unwrap();
    assert_eq!((home.vault.reads(), home.vault.writes()), (0, 0));
    assert_eq!(home.world.live(), home.world.profile("home"));
}

#[tokio::test]
async fn a_change_of_the_setting_counts_at_once() {
    let home = Home::two_profiles("keyring").await;
    let store = home.store();
    assert_eq!(
        store.report().await.unwrap().live.profile,
        Some("work".into())
    );
    put(&home.world.home.auth_json(), &home.world.profile("home"));
    home.set("file");
    let live = store.report().await.unwrap().live;
    assert_eq!((live.profile, live.store), (Some("home".into()), "file"));
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let home = Home::with("keyring").await;
    let planted = json!({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-planted-secret"});
    home.put(&planted);
    let store = home.store();
    let read = format!("{:?} {:?}", store.disk.live(), store.disk);
    home.vault
        .put_bytes(&home.world.home, b"{\"sk-planted-secret\": torn");
    let disk = home.disk();
    let torn = format!("{:?} {}", disk.live(), disk.live().unwrap_err());
    assert!(
        !read.contains("planted") && !torn.contains("planted"),
        "{read} {torn}"
    );
}

#[tokio::test]
async fn whoever_only_looks_does_not_note_which_token_codex_has() {
    let home = Home::two_profiles("keyring").await;
    let store = LiveStore::new(std::sync::Arc::new(home.vault.clone()));
    let disk = Disk::with(home.world.home.clone(), store.only_looked_at());
    assert!(disk.live().is_ok());
    assert!(!home.world.home.state_json().exists());
    assert!(home.disk().live().is_ok());
    assert!(home.world.home.state_json().exists());
}
