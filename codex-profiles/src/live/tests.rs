//! Every place that a live login may have, with a keyring that does as it is told.

use std::{
    fs,
    time::{Duration, Instant},
};

use codex_auth::{AuthJsonError, CredentialProvider as _, RouteHint, refresh::RefreshReason};
use serde_json::{Value, json};

use super::{
    VaultError,
    fake::{FakeVault, Mood},
};
use crate::{
    LiveUnknown, Notice, ProfileStore, RouteSource, StoreError,
    disk::Disk,
    faults::{Fault, Step},
    fs::{ReadError, atomic},
    live::LiveStore,
    report::LoginState,
    testing::{World, eventually, name, put, token},
};

/// A world whose Codex keeps its login as `config.toml` says.
struct Home {
    world: World,
    vault: FakeVault,
}

impl Home {
    async fn with(mode: &str) -> Self {
        let home = Self {
            world: World::new().await,
            vault: FakeVault::default(),
        };
        home.set(mode);
        home
    }

    /// Two profiles; `work` is current, and in the keyring.
    async fn two_profiles(mode: &str) -> Self {
        let home = Self::with(mode).await;
        let (ada, bob) = (home.world.ada(), home.world.bob());
        let ada = home.world.fake.auth_json(&ada);
        home.world.put_profile("work", &ada);
        home.world
            .put_profile("home", &home.world.fake.auth_json(&bob));
        home.world.put_current("work");
        home.put(&ada);
        home
    }

    fn set(&self, mode: &str) {
        let config = format!("cli_auth_credentials_store = \"{mode}\"\n");
        atomic::write(&self.world.home.config_toml(), config.as_bytes()).unwrap();
    }

    fn put(&self, login: &Value) {
        self.vault.put(&self.world.home, login);
    }

    fn live(&self) -> Value {
        self.vault.get(&self.world.home)
    }

    fn store(&self) -> ProfileStore {
        self.world.store_over(self.vault.clone())
    }

    fn disk(&self) -> Disk {
        let store = LiveStore::new(std::sync::Arc::new(self.vault.clone()));
        Disk::with(self.world.home.clone(), store)
    }

    fn has_file(&self) -> bool {
        self.world.home.auth_json().symlink_metadata().is_ok()
    }
}

fn unknown(login: Result<impl Sized, ReadError>) -> Option<LiveUnknown> {
    match login {
        Err(ReadError::LiveUnknown(unknown)) => Some(unknown),
        _ => None,
    }
}

fn closed() -> LiveUnknown {
    VaultError::Refused("it is closed".into()).into()
}

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
async fn a_switch_goes_to_the_keyring_and_to_no_file() {
    for mode in ["keyring", "auto"] {
        let home = Home::two_profiles(mode).await;
        let switched = home.store().use_profile(&name("home")).await.unwrap();
        assert!(switched.published, "{mode}");
        assert_eq!(switched.live_unknown, None);
        assert_eq!(home.live(), home.world.profile("home"), "{mode}");
        assert_eq!(home.world.current(), "home");
        assert!(!home.has_file(), "{mode}");
        let text = String::from_utf8(home.vault.bytes(&home.world.home).unwrap()).unwrap();
        assert!(!text.contains('\n'), "as Codex serializes it: {text}");
    }
}

#[tokio::test]
async fn a_file_beside_the_keyring_is_neither_read_nor_touched() {
    let home = Home::two_profiles("keyring").await;
    let stale = home
        .world
        .fake
        .auth_json(&home.world.fake.account("eve", "acct-eve"));
    home.world.put_live(&stale);
    let switched = home.store().use_profile(&name("home")).await.unwrap();
    assert_eq!(switched.kept_as, None);
    assert_eq!(
        (home.world.live(), home.live()),
        (stale, home.world.profile("home"))
    );
}

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
async fn a_crash_after_any_step_of_a_switch_leaves_the_keyring_and_the_choice_in_step() {
    for (step, finished) in [
        (Step::SwitchNoted, false),
        (Step::SavedBack, false),
        (Step::BeforeLiveWritten, false),
        (Step::Published, true),
        (Step::CurrentWritten, true),
    ] {
        let home = Home::two_profiles("keyring").await;
        let stranger = home
            .world
            .fake
            .auth_json(&home.world.fake.account("eve", "acct-eve"));
        home.put(&stranger);
        let store = home.store();
        store.disk.faults.plan(step, Fault::Crash);
        assert!(store.use_profile(&name("home")).await.is_err(), "{step:?}");
        drop(store);

        let store = home.store();

        assert!(!home.world.home.switch_intent().exists(), "{step:?}");
        let (choice, live) = match finished {
            true => ("home", home.world.profile("home")),
            false => ("work", stranger.clone()),
        };
        assert_eq!(
            (home.world.current().as_str(), home.live()),
            (choice, live),
            "{step:?}"
        );
        store.use_profile(&name("home")).await.unwrap();
        let kept = home.world.every_refresh_token();
        assert!(kept.contains(&token(&stranger)), "{step:?}");
        assert!(
            !home.world.home.profile(&name("unsaved-2")).exists(),
            "{step:?}"
        );
        assert!(!home.has_file(), "{step:?}");
    }
}

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
            .contains("config.toml, then `codex login`"),
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
    eventually(|| {
        store.disk.live_store.vault.end_rest();
        store.disk.live().is_ok()
    })
    .await;
    assert_eq!(home.live(), late, "nothing is written late");
    let switched = store.use_profile(&name("home")).await.unwrap();
    assert!(switched.published);
    assert_eq!(home.live(), home.world.profile("home"));
}

#[tokio::test]
async fn what_is_no_login_in_the_keyring_is_set_aside_before_it_is_replaced() {
    for (content, kept) in [
        (r#"{"rt_of_a_stranger":1}"#, true),
        ("CODEX_CHUNKED:3:{\"auth_mode\"", true),
        (r#"{"auth_mode":"chatgpt","tokens":null}"#, false),
    ] {
        let home = Home::two_profiles("keyring").await;
        home.vault.put_bytes(&home.world.home, content.as_bytes());
        let store = home.store();
        assert!(store.disk.live().is_err(), "{content}");
        store.use_profile(&name("home")).await.unwrap();
        assert_eq!(home.live(), home.world.profile("home"));
        let files = fs::read_dir(home.world.home.root()).unwrap();
        let mut names = files.map(|file| file.unwrap().path());
        let aside = names.find(|path| path.to_string_lossy().contains("auth.json.broken-"));
        let aside = aside.map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(aside.as_deref(), kept.then_some(content));
    }
}

#[tokio::test]
async fn in_auto_mode_a_login_goes_where_codex_will_look_for_it() {
    for (in_ring, in_file, mood, to_ring, to_file) in [
        (true, false, Mood::Open, true, false),
        (true, true, Mood::Open, true, false),
        (false, true, Mood::Open, false, true),
        (false, false, Mood::Open, true, false),
        // Nothing is in the keyring and nothing goes in: Codex uses the file then.
        (false, false, Mood::ReadOnly, false, true),
        (false, true, Mood::Closed, false, true),
        // Something may be in the keyring: a file might never be read.
        (false, false, Mood::Closed, false, false),
    ] {
        let home = Home::two_profiles("auto").await;
        let (work, target) = (home.world.profile("work"), home.world.profile("home"));
        home.vault.clear();
        if in_ring {
            home.put(&work);
        }
        if in_file {
            home.world.put_live(&work);
        }
        home.vault.behave(mood);
        home.store().use_profile(&name("home")).await.unwrap();
        let ring = home.vault.bytes(&home.world.home);
        let ring = ring.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
        let file = home.has_file().then(|| home.world.live());
        let case = format!("{in_ring} {in_file} {mood:?}");
        assert_eq!(ring.as_ref() == Some(&target), to_ring, "{case}: {ring:?}");
        assert_eq!(file.as_ref() == Some(&target), to_file, "{case}: {file:?}");
    }
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
    let mut shown = format!("{:?} {:?}", store.disk.live(), store.disk);
    home.vault
        .put_bytes(&home.world.home, b"{\"sk-planted-secret\": torn");
    let disk = home.disk();
    shown += &format!("{:?} {}", disk.live(), disk.live().unwrap_err());
    assert!(!shown.contains("planted"), "{shown}");
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
async fn a_switch_that_was_cut_short_waits_for_a_keyring_that_is_shut() {
    let home = Home::two_profiles("keyring").await;
    let store = home.store();
    store.disk.faults.plan(Step::Published, Fault::Crash);
    assert!(store.use_profile(&name("home")).await.is_err());
    home.vault.behave(Mood::Closed);
    drop(home.store());
    assert_eq!(home.world.current(), "work");
    assert!(home.world.home.switch_intent().exists());
    home.vault.behave(Mood::Open);
    drop(home.store());
    assert_eq!(
        (home.world.current().as_str(), home.live()),
        ("home", home.world.profile("home"))
    );
    assert!(!home.world.home.switch_intent().exists());
}
