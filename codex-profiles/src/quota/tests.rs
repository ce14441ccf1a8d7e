use std::sync::Arc;

use codex_auth::{
    AuthDotJson, ProfileRef,
    usage::{Reading, Usage},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::TryRecvError;

use crate::{
    Notice, ProfileStore,
    fs::atomic,
    testing::{World, get, name},
};

/// A home with Ada's login as the profile `work`.
async fn world() -> (World, String) {
    let world = World::new().await;
    let login = world.fake.auth_json(&world.ada());
    world.put_profile("work", &login);
    let login = AuthDotJson::parse(login.to_string().as_bytes()).unwrap();
    (world, login.identity().fingerprint())
}

fn work() -> ProfileRef {
    ProfileRef::new("work")
}

/// The five-hour window of an answer, which ends after so many seconds.
fn reading(used_percent: f64, ends_after: i64) -> Reading {
    let now = Timestamp::now();
    let answer = json!({"plan_type": "pro", "rate_limit": {"primary_window": {
        "used_percent": used_percent, "limit_window_seconds": 18_000,
        "reset_at": now.as_second() + ends_after}}});
    Reading::of_answer(answer.to_string().as_bytes(), now).unwrap()
}

fn used(usage: Option<Usage>) -> Option<f64> {
    usage?.windows[0].used_percent
}

/// A store that tells people, as one does whose upkeep runs.
fn telling(world: &World) -> ProfileStore {
    let store = world.store();
    store.quota.tell_from_now_on();
    store
}

fn heard(notices: &mut tokio::sync::broadcast::Receiver<Notice>) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        match notices.try_recv() {
            Ok(notice) => heard.push(notice.to_string()),
            Err(TryRecvError::Empty) => return heard,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_reading_is_in_the_report_and_survives_the_program() {
    let (world, ada) = world().await;
    let store = world.store();
    assert_eq!(store.usage(&ada), None);
    store.record_usage(&work(), &ada, &reading(42.0, 3600));
    store.keep_usage().await;

    for store in [store, world.store()] {
        let report = store.report().await.unwrap();
        let profile = serde_json::to_value(&report.profiles[0]).unwrap();
        assert_eq!(profile["usage"]["windows"][0]["name"], "5h");
        assert_eq!(profile["usage"]["windows"][0]["used_percent"], 42.0);
        assert_eq!(profile["usage"]["binding"], "5h");
        assert_eq!(profile["usage"]["source"], "poll");
        assert_eq!(profile["plan"], "pro", "newer than the tokens");
    }
}

#[tokio::test]
async fn a_reading_stays_with_its_login_whatever_the_profile_is_called() {
    let (world, ada) = world().await;
    let store = world.store();
    store.record_usage(&work(), &ada, &reading(42.0, 3600));
    store.rename(&name("work"), &name("home")).await.unwrap();
    // The same person and workspace, signed in anew.
    world.put_profile("home", &world.fake.auth_json(&world.ada()));
    let report = store.report().await.unwrap();
    assert_eq!(report.profiles[0].name, "home");
    assert_eq!(used(report.profiles[0].usage.clone()), Some(42.0));
}

#[tokio::test]
async fn what_another_program_has_read_is_taken_in_and_neither_undoes_the_other() {
    let (world, ada) = world().await;
    let (router, command) = (world.store(), world.store());
    router.record_usage(&work(), &ada, &reading(10.0, 3600));
    router.keep_usage().await;
    command.record_usage(&work(), "another", &reading(5.0, 3600));
    command.record_usage(&work(), &ada, &reading(20.0, 3600));
    command.keep_usage().await;

    router.report().await.unwrap();
    assert_eq!(used(router.usage(&ada)), Some(20.0));
    router.record_usage(&work(), &ada, &reading(30.0, 3600));
    router.keep_usage().await;
    let fresh = world.store();
    assert_eq!(used(fresh.usage(&ada)), Some(30.0));
    assert_eq!(used(fresh.usage("another")), Some(5.0));
}

#[tokio::test]
async fn the_file_is_written_by_itself() {
    let (world, ada) = world().await;
    let store = world.store();
    store.record_usage(&work(), &ada, &reading(42.0, 3600));
    let path = world.home.usage_json();
    crate::testing::eventually(|| path.exists()).await;
    assert_eq!(used(world.store().usage(&ada)), Some(42.0));
}

#[tokio::test]
async fn a_broken_file_costs_nothing_but_what_was_in_it() {
    for broken in [
        "",
        "{\"accounts\":",
        "[]",
        "null",
        "{\"accounts\":{\"x\":7}}",
    ] {
        let (world, ada) = world().await;
        atomic::write(&world.home.usage_json(), broken.as_bytes()).unwrap();
        let store = world.store();
        assert_eq!(store.report().await.unwrap().profiles[0].usage, None);
        store.record_usage(&work(), &ada, &reading(42.0, 3600));
        store.keep_usage().await;
        assert_eq!(used(world.store().usage(&ada)), Some(42.0), "{broken}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_costs_nothing_either() {
    let (world, ada) = world().await;
    std::fs::create_dir_all(world.home.usage_json()).unwrap();
    let store = world.store();
    store.record_usage(&work(), &ada, &reading(42.0, 3600));
    store.keep_usage().await;
    assert_eq!(
        used(store.report().await.unwrap().profiles[0].usage.clone()),
        Some(42.0)
    );
    std::fs::remove_dir(world.home.usage_json()).unwrap();
    store.keep_usage().await;
    assert_eq!(used(world.store().usage(&ada)), Some(42.0), "at last");
}

#[tokio::test]
async fn fields_of_a_newer_version_survive_at_every_depth() {
    let (world, ada) = world().await;
    let file = json!({"version": 2, "novel": 1, "accounts":
        {ada.as_str(): {"limits": {}, "mood": "好"}, "other": {"limits": [], "x": 1}}});
    atomic::write(&world.home.usage_json(), file.to_string().as_bytes()).unwrap();
    let store = world.store();
    store.record_usage(&work(), &ada, &reading(42.0, 3600));
    store.keep_usage().await;
    let file: Value = get(&world.home.usage_json());
    assert_eq!((&file["version"], &file["novel"]), (&json!(2), &json!(1)));
    assert_eq!(file["accounts"][&ada]["mood"], "好");
    assert_eq!(file["accounts"]["other"]["x"], 1);
}

#[tokio::test]
async fn a_limit_is_told_of_once_and_not_again_by_the_next_run() {
    let (world, ada) = world().await;
    let store = telling(&world);
    let mut notices = store.notices();
    for percent in [50.0, 85.0, 85.0, 86.0, 100.0, 100.0] {
        store.record_usage(&work(), &ada, &reading(percent, 3600));
    }
    assert_eq!(
        heard(&mut notices),
        [
            "profile `work` has used 85% of its 5h limit",
            "profile `work` has reached its 5h limit"
        ]
    );
    store.keep_usage().await;

    let next = telling(&world);
    let mut notices = next.notices();
    next.record_usage(&work(), &ada, &reading(100.0, 3600));
    next.check_limits().await.unwrap();
    assert!(heard(&mut notices).is_empty());
}

#[tokio::test]
async fn a_limit_that_is_called_otherwise_is_not_told_of_again() {
    let (world, ada) = world().await;
    let store = telling(&world);
    let mut notices = store.notices();
    let reset = Timestamp::now().as_second() + 3600;
    for called in ["GPT-Next", "codex_other", "GPT-Next Preview"] {
        let event = json!({"type": "codex.rate_limits", "limit_name": called,
            "metered_limit_name": "codex_other", "rate_limits":
                {"primary": {"used_percent": 90, "window_minutes": 300, "reset_at": reset}}});
        let reading = Reading::of_event(&event.to_string(), Timestamp::now()).unwrap();
        store.record_usage(&work(), &ada, &reading);
    }
    assert_eq!(
        heard(&mut notices),
        ["profile `work` has used 90% of its GPT-Next limit"]
    );
    let name = store.usage(&ada).unwrap().windows[0].name.clone();
    assert_eq!(name, "GPT-Next Preview");
}

#[tokio::test]
async fn a_reset_is_told_of_without_a_reading() {
    let (world, ada) = world().await;
    let store = telling(&world);
    let mut notices = store.notices();
    // Ends when it is read, as far as whole seconds can tell.
    store.record_usage(&work(), &ada, &reading(90.0, 1));
    assert_eq!(heard(&mut notices).len(), 1);
    let reset = store.next_limit_reset(Timestamp::UNIX_EPOCH).unwrap();
    while Timestamp::now() < reset {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for _ in 0..2 {
        store.check_limits().await.unwrap();
    }
    assert_eq!(
        heard(&mut notices),
        ["the 5h limit of profile `work` has begun anew"]
    );
    assert_eq!(used(store.usage(&ada)), None, "not known any more");
    assert_eq!(store.next_limit_reset(Timestamp::UNIX_EPOCH), None);
}

#[tokio::test]
async fn a_command_tells_nobody_and_leaves_that_to_the_router() {
    let (world, ada) = world().await;
    let command = world.store();
    let mut notices = command.notices();
    command.record_usage(&work(), &ada, &reading(90.0, 3600));
    assert!(heard(&mut notices).is_empty());
    command.keep_usage().await;

    let router = telling(&world);
    let mut notices = router.notices();
    router.check_limits().await.unwrap();
    assert_eq!(heard(&mut notices).len(), 1);
}

#[tokio::test]
async fn only_a_reading_that_says_something_new_is_a_change() {
    let (world, ada) = world().await;
    let store = Arc::new(world.store());
    let changes = store.changes();
    let count = || *changes.borrow();
    let before = count();
    store.record_usage(&work(), &ada, &reading(42.0, 3600));
    assert_eq!(count(), before + 1);
    let again = reading(42.0, 3600);
    store.record_usage(&work(), &ada, &again);
    store.record_usage(&work(), &ada, &again);
    // The reset may be a second later than the first one.
    assert!(count() <= before + 2);
    let settled = count();
    store.record_usage(&work(), &ada, &again);
    assert_eq!(count(), settled);
}
