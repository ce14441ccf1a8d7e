use std::fs;

use codex_auth::{Backend, CredentialError, CredentialProvider as _, ProfileRef, RouteHint};
use serde_json::json;

use crate::{
    ProfileStore, RouteSource, StoreError,
    faults::{Fault, Meanwhile, Step},
    testing::{World, name, put, token},
};

async fn route(store: &ProfileStore) -> (String, RouteSource) {
    let route = store.route(None).await.unwrap();
    (route.profile.to_string(), route.source)
}

/// Two profiles; `work` is current and live.
async fn two_profiles() -> World {
    let world = World::new().await;
    let (ada, bob) = (
        world.fake.auth_json(&world.ada()),
        world.fake.auth_json(&world.bob()),
    );
    world.put_profile("work", &ada);
    world.put_profile("home", &bob);
    world.put_live(&ada);
    world.put_current("work");
    world
}

#[tokio::test]
async fn a_switch_publishes_the_profile_and_says_what_it_did() {
    let world = two_profiles().await;
    let switched = world.store().use_profile(&name("home")).await.unwrap();

    assert_eq!(world.live(), world.profile("home"));
    assert_eq!(world.current(), "home");
    assert_eq!(switched.previous, Some(name("work")));
    assert!(switched.published);
    assert_eq!((switched.kept_as, switched.saved_back), (None, None));
    assert!(!world.home.switch_intent().exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = world
            .home
            .auth_json()
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_switch_that_was_made_is_no_failure_when_its_profile_is_gone_then() {
    let world = two_profiles().await;
    let path = world.home.auth_json_of(&name("home"));
    let remove = Box::leak(Box::new(move || fs::remove_file(&path).unwrap()));
    let store = world.store();
    let meanwhile = Fault::Meanwhile(Meanwhile(remove));
    store.disk.faults.plan(Step::CurrentWritten, meanwhile);
    let switched = store.use_profile(&name("home")).await.unwrap();
    assert_eq!(
        (switched.current, world.current()),
        (name("home"), "home".to_owned())
    );
    assert_eq!(store.audit_log().await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_newer_live_login_is_saved_back_to_the_profile_of_its_identity() {
    let world = two_profiles().await;
    let newer = world.codex_posts(&world.live()).await;
    world.put_live(&newer);
    // Not the profile that is called current, but the one whose identity it is.
    world.put_current("home");

    let switched = world.store().use_profile(&name("home")).await.unwrap();

    assert_eq!(switched.saved_back, Some(name("work")));
    assert_eq!(world.profile("work")["tokens"], newer["tokens"]);
}

#[tokio::test]
async fn an_older_live_login_is_not_saved_back() {
    let world = two_profiles().await;
    let newer = world.codex_posts(&world.profile("work")).await;
    world.put_profile("work", &newer);
    world.store().use_profile(&name("home")).await.unwrap();
    assert_eq!(world.profile("work"), newer);
}

#[tokio::test]
async fn a_live_login_of_nobody_is_kept_under_a_name_of_its_own() {
    let world = two_profiles().await;
    for (user, kept_as) in [("eve", "unsaved-1"), ("mallory", "unsaved-2")] {
        let stranger = world.fake.auth_json(&world.fake.account(user, "acct-ada"));
        world.put_live(&stranger);
        let switched = world.store().use_profile(&name("home")).await.unwrap();
        assert_eq!(switched.kept_as, Some(name(kept_as)));
        assert_eq!(world.profile(kept_as), stranger);
    }
}

#[tokio::test]
async fn switching_to_the_current_profile_only_repairs() {
    let world = two_profiles().await;
    let newer = world.codex_posts(&world.live()).await;
    world.put_live(&newer);
    let store = world.store();
    let switched = store.use_profile(&name("work")).await.unwrap();
    assert_eq!(
        (switched.published, switched.saved_back),
        (false, Some(name("work")))
    );
    assert_eq!(world.profile("work")["tokens"], newer["tokens"]);

    fs::remove_file(world.home.auth_json()).unwrap();
    assert!(store.use_profile(&name("work")).await.unwrap().published);
    assert_eq!(world.live(), world.profile("work"));
}

#[tokio::test]
async fn a_live_file_that_cannot_be_read_is_set_aside() {
    let world = two_profiles().await;
    fs::remove_file(world.home.auth_json()).unwrap();
    put(&world.home.auth_json(), &json!("rt_precious"));
    world.store().use_profile(&name("home")).await.unwrap();
    assert_eq!(world.live(), world.profile("home"));
    let aside = fs::read_dir(world.home.root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("auth.json.broken-"))
        .unwrap();
    assert_eq!(fs::read_to_string(aside).unwrap(), "\"rt_precious\"");
}

#[tokio::test]
async fn a_switch_that_cannot_be_done_changes_nothing() {
    let world = two_profiles().await;
    let live = world.live();
    fs::create_dir_all(world.home.profile(&name("broken"))).unwrap();
    crate::fs::atomic::write(&world.home.auth_json_of(&name("broken")), b"{").unwrap();
    let store = world.store();
    let unknown = store.use_profile(&name("nobody")).await;
    assert!(matches!(unknown, Err(StoreError::UnknownProfile(_))));
    let broken = store.use_profile(&name("broken")).await;
    assert!(matches!(broken, Err(StoreError::Unusable { .. })));
    store.disk.faults.plan(Step::BeforeLiveWritten, Fault::Full);
    let full = store.use_profile(&name("home")).await;
    assert!(matches!(full, Err(StoreError::Io { .. })));

    assert_eq!((world.live(), world.current().as_str()), (live, "work"));
    assert!(!world.home.switch_intent().exists());
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_switch_costs_no_login_and_leaves_no_half() {
    for (step, finished) in [
        (Step::SwitchNoted, false),
        (Step::SavedBack, false),
        (Step::BeforeLiveWritten, false),
        (Step::Published, true),
        (Step::CurrentWritten, true),
    ] {
        let world = two_profiles().await;
        let stranger = world.fake.auth_json(&world.fake.account("eve", "acct-eve"));
        world.put_live(&stranger);
        let before = world.every_refresh_token();
        let store = world.store();
        store.disk.faults.plan(step, Fault::Crash);
        assert!(store.use_profile(&name("home")).await.is_err(), "{step:?}");
        drop(store);

        let store = world.store();

        assert!(!world.home.switch_intent().exists(), "{step:?}");
        let expected = if finished {
            ("home", world.profile("home"))
        } else {
            ("work", stranger)
        };
        assert_eq!(
            (world.current().as_str(), world.live()),
            expected,
            "{step:?}"
        );
        let after = world.every_refresh_token();
        assert!(before.iter().all(|token| after.contains(token)), "{step:?}");

        // And once more, undisturbed: no second copy is kept.
        store.use_profile(&name("home")).await.unwrap();
        assert_eq!(world.live(), world.profile("home"));
        assert!(!world.home.profile(&name("unsaved-2")).exists(), "{step:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_live_login_that_is_a_link_to_a_profile_never_writes_over_that_profile() {
    let world = two_profiles().await;
    let ada = world.profile("work");
    fs::remove_file(world.home.auth_json()).unwrap();
    std::os::unix::fs::symlink("profiles/work/auth.json", world.home.auth_json()).unwrap();

    world.store().use_profile(&name("home")).await.unwrap();

    assert_eq!(world.profile("work"), ada);
    assert_eq!(world.live(), world.profile("home"));
    assert!(!world.home.auth_json().is_symlink());
}

#[cfg(unix)]
#[tokio::test]
async fn a_live_login_that_is_a_link_elsewhere_is_written_at_its_target() {
    let world = two_profiles().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("real.json");
    put(&target, &world.live());
    fs::remove_file(world.home.auth_json()).unwrap();
    std::os::unix::fs::symlink(&target, world.home.auth_json()).unwrap();

    world.store().use_profile(&name("home")).await.unwrap();

    assert!(world.home.auth_json().is_symlink());
    assert_eq!(crate::testing::get(&target), world.profile("home"));
    assert!(elsewhere.path().join("real.json.lock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_and_refreshes_at_the_same_time_lose_nothing() {
    let world = World::new().await;
    let names = ["a", "b", "c"];
    for user in names {
        let account = world.fake.account(user, "acct");
        world.put_profile(user, &world.fake.auth_json_expired(&account));
    }
    world.put_live(&world.profile("a"));
    world.put_current("a");
    let mut tasks = Vec::new();
    for turn in 0..12 {
        let (store, to) = (world.store(), name(names[turn % 3]));
        tasks.push(tokio::spawn(async move {
            if turn % 2 == 0 {
                store.use_profile(&to).await.map(drop).unwrap();
            }
            store
                .credentials(&RouteHint::profile(to.reference()))
                .await
                .map(drop)
                .unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }

    assert_eq!((world.posts(), world.fake.reuse_count()), (3, 0));
    for user in names {
        let kept = token(&world.profile(user));
        assert!(
            !world
                .fake
                .refreshes()
                .iter()
                .any(|spent| spent.token == kept),
            "{user}"
        );
    }
    let live = world.store().report().await.unwrap().live;
    assert_eq!(live.profile, Some(world.current()));
    assert!(!world.home.profile(&name("unsaved-1")).exists());
}

#[tokio::test]
async fn a_switch_by_another_process_counts_at_the_very_next_request() {
    let world = two_profiles().await;
    let store = world.store();
    for to in ["home", "work", "home"] {
        store.route(None).await.unwrap();
        world.store().use_profile(&name(to)).await.unwrap();
        assert_eq!(route(&store).await, (to.to_owned(), RouteSource::Current));
    }
}

#[tokio::test]
async fn a_folder_made_by_hand_is_a_profile_at_once() {
    let world = two_profiles().await;
    let store = world.store();
    let hand = ProfileRef::new("by hand");
    let unknown = store.route(Some(&hand)).await;
    assert!(matches!(unknown, Err(CredentialError::UnknownProfile(_))));
    world.put_profile("by hand", &world.fake.api_key_auth_json("sk-1"));
    let route = store.route(Some(&hand)).await.unwrap();
    assert_eq!(
        (route.backend, route.source),
        (Backend::OpenAi, RouteSource::Named)
    );
}

#[tokio::test]
async fn without_a_current_profile_the_live_login_serves() {
    let world = World::new().await;
    let store = world.store();
    let nothing = store.route(None).await.unwrap_err();
    assert!(
        matches!(nothing, CredentialError::NotLoggedIn { looked_at } if looked_at == world.home.auth_json())
    );

    let ada = world.fake.auth_json(&world.ada());
    world.put_live(&ada);
    assert_eq!(
        route(&store).await,
        ("live".to_owned(), RouteSource::LiveLogin)
    );
    world.put_profile("work", &ada);
    assert_eq!(
        route(&store).await,
        ("work".to_owned(), RouteSource::LiveLogin)
    );
    world.put_current("gone");
    assert_eq!(
        route(&store).await,
        ("work".to_owned(), RouteSource::LiveLogin)
    );
    world.put_current(" work\r\n");
    assert_eq!(
        route(&store).await,
        ("work".to_owned(), RouteSource::Current)
    );
}

#[tokio::test]
async fn a_current_profile_that_is_broken_is_never_replaced_by_another_login() {
    let world = two_profiles().await;
    crate::fs::atomic::write(&world.home.auth_json_of(&name("work")), b"nonsense").unwrap();
    let broken = world.store().route(None).await;
    assert!(matches!(broken, Err(CredentialError::Storage { .. })));
}

#[tokio::test]
async fn a_choice_that_cannot_be_understood_never_lets_another_account_serve() {
    let world = two_profiles().await;
    let store = world.store();
    for broken in [&b"../home"[..], b"\xff", b"two\nlines"] {
        fs::remove_file(world.home.current_profile()).unwrap();
        crate::fs::atomic::write(&world.home.current_profile(), broken).unwrap();

        for _ in 0..2 {
            let error = store.credentials(&RouteHint::default()).await.unwrap_err();
            let CredentialError::Storage { path, source } = error else {
                panic!("{error}")
            };
            assert_eq!(path, world.home.current_profile());
            assert!(source.to_string().contains("codex-router use"), "{source}");
        }
        let kept = store.remove(&name("work")).await;
        assert!(matches!(kept, Err(StoreError::ChoiceUnreadable { .. })));
        let report = store.report().await.unwrap();
        assert_eq!((report.current, report.profiles.len()), (None, 2));

        let switched = store.use_profile(&name("home")).await.unwrap();
        assert_eq!(switched.previous, None);
        let home = ("home".to_owned(), RouteSource::Current);
        assert_eq!(route(&store).await, home);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_choice_that_cannot_be_read_is_not_remembered_as_none() {
    let world = two_profiles().await;
    let (store, path) = (world.store(), world.home.current_profile());
    fs::remove_file(&path).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = store.credentials(&RouteHint::default()).await.unwrap_err();
    assert!(matches!(error, CredentialError::Storage { .. }), "{error}");

    drop(socket);
    world.put_current("home");
    let home = ("home".to_owned(), RouteSource::Current);
    assert_eq!(route(&store).await, home);
}

#[tokio::test]
async fn an_empty_choice_is_none() {
    let world = two_profiles().await;
    crate::fs::atomic::write(&world.home.current_profile(), b"\xef\xbb\xbf \n").unwrap();
    let live = ("work".to_owned(), RouteSource::LiveLogin);
    assert_eq!(route(&world.store()).await, live);
}

fn set_aside(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.home.root()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains("auth.json.broken-"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

#[tokio::test]
async fn a_live_login_of_an_unknown_kind_is_kept_and_never_replaced_by_another() {
    let world = two_profiles().await;
    let login = |secret: &str| json!({"auth_mode": "tomorrow", "novel_secret": secret});
    world.put_profile("novel", &login("saved"));
    world.put_live(&login("planted"));

    let switched = world.store().use_profile(&name("novel")).await.unwrap();

    assert_eq!(switched.kept_as, Some(name("unsaved-1")));
    assert_eq!(world.profile("unsaved-1"), login("planted"));
    assert_eq!(world.live(), login("saved"));
}

#[tokio::test]
async fn a_live_file_without_a_login_is_set_aside_if_anything_is_in_it() {
    for (live, kept) in [
        (json!({"novel_secret": "planted"}), true),
        (json!({"OPENAI_API_KEY": null, "novel": ["planted"]}), true),
        (
            json!({"auth_mode": "chatgpt", "tokens": {"refresh_token": "rt"}}),
            true,
        ),
        (json!({"auth_mode": "apikey", "OPENAI_API_KEY": ""}), false),
        (
            json!({"OPENAI_API_KEY": null, "tokens": null, "novel": null, "last_refresh": "x"}),
            false,
        ),
    ] {
        let world = two_profiles().await;
        world.put_live(&live);
        world.store().use_profile(&name("home")).await.unwrap();
        assert_eq!(world.live(), world.profile("home"));
        let aside = set_aside(&world);
        assert_eq!(aside, vec![live.to_string(); usize::from(kept)]);
    }
}
