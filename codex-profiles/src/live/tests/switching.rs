//! A switch goes where Codex reads, and nothing else is written or lost.

use std::fs;

use serde_json::Value;

use crate::{
    faults::{Fault, Step},
    live::{fake::Mood, tests::Home},
    testing::{name, token},
};

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
        let (choice, live) = if finished {
            ("home", home.world.profile("home"))
        } else {
            ("work", stranger.clone())
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
