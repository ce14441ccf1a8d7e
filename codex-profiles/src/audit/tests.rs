use std::{fs, panic, thread};

use super::*;
use crate::{
    faults::{Fault, Step},
    home::CodexHome,
    profile::ProfileName,
    testing::{World, name, put},
};

fn file(folder: &tempfile::TempDir) -> AuditFile {
    AuditFile::of(&CodexHome::at(folder.path()))
}

fn deed(name: &str) -> AuditEntry {
    Deed::of(Action::Remove, &ProfileName::parse(name).unwrap()).by(Actor::Command)
}

#[test]
fn a_line_that_was_cut_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = file(&folder);
    log.append(&deed("one"));
    let path = folder.path().join("router/audit.log");
    let cut = fs::read_to_string(&path).unwrap() + "{\"at\":\"2026-0";
    crate::fs::atomic::write(&path, cut.as_bytes()).unwrap();
    log.append(&deed("two"));
    let read = log.read().unwrap();
    let names: Vec<_> = read
        .entries
        .iter()
        .filter_map(|it| it.profile.as_deref())
        .collect();
    assert_eq!((names, read.unreadable), (vec!["one", "two"], 1));
}

#[test]
fn what_no_longer_fits_is_put_aside_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = file(&folder).with_max_bytes(1000);
    for n in 0..30 {
        log.append(&deed(&format!("p{n}")));
    }
    let router = folder.path().join("router");
    for name in ["audit.log", "audit.log.1"] {
        let length = fs::metadata(router.join(name)).unwrap().len();
        assert!((1..=1000).contains(&length), "{name}: {length}");
    }
    let read = log.read().unwrap();
    assert_eq!(read.entries.last().unwrap().profile.as_deref(), Some("p29"));
    let in_order = read.entries.windows(2).all(|two| two[0].at <= two[1].at);
    assert!(in_order && read.unreadable == 0);
}

#[test]
fn writers_at_once_lose_no_line_and_tear_none() {
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let log = file(&folder);
            scope.spawn(move || {
                for n in 0..25 {
                    log.append(&deed(&format!("w{writer}-{n}")));
                }
            });
        }
    });
    let read = file(&folder).read().unwrap();
    assert_eq!((read.entries.len(), read.unreadable), (100, 0));
}

#[test]
fn a_log_that_cannot_be_written_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("router/audit.log")).unwrap();
    let log = file(&folder);
    log.append(&deed("one"));
    log.append(&deed("two"));
    assert!(log.read().is_err());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    file(&folder).append(&deed("one"));
    let metadata = fs::metadata(folder.path().join("router/audit.log")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_another_version_wrote_is_read() {
    let line = r#"{"at":"2026-01-02T03:04:05Z","action":"teleport","by":"robot","pid":1,"x":2}"#;
    let entry: AuditEntry = serde_json::from_str(line).unwrap();
    assert_eq!((entry.action, entry.by), (Action::Unknown, Actor::Unknown));
}

#[tokio::test]
async fn the_actor_of_a_scope_goes_before_that_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = ProfileStore::open(CodexHome::at(folder.path())).unwrap();
    let store = store.acting_as(Actor::Keeper);
    let change = store.update_state(|state| state.set_listen("127.0.0.1:1"));
    Actor::Page.scope(change).await.unwrap();
    store
        .update_state(|state| state.set_listen("127.0.0.1:1"))
        .await
        .unwrap();
    store
        .update_state(|state| state.set_listen("127.0.0.1:2"))
        .await
        .unwrap();
    let log = store.audit_log().await.unwrap();
    let told: Vec<_> = log
        .entries
        .iter()
        .map(|it| (it.by, it.detail.as_deref()))
        .collect();
    let listen = Some("listen");
    assert_eq!(
        told,
        [(Actor::Page, listen), (Actor::Keeper, listen)],
        "what changes nothing is none"
    );
}

/// The profiles `work`, which is current, and `home`.
async fn world() -> World {
    let world = World::new().await;
    let (ada, bob) = (world.ada(), world.bob());
    let (ada, bob) = (world.fake.auth_json(&ada), world.fake.auth_json(&bob));
    world.put_profile("work", &ada);
    world.put_profile("home", &bob);
    world.put_live(&ada);
    world.put_current("work");
    world
}

/// Every line, in a few words.
async fn told(store: &ProfileStore) -> Vec<String> {
    let entries = store.audit_log().await.unwrap().entries.into_iter();
    let words = |it: AuditEntry| {
        let words = [it.profile, it.to, it.detail].into_iter().flatten();
        let words: Vec<_> = words.collect();
        format!("{} {} {}", it.action, words.join(" "), it.by)
    };
    entries.map(words).collect()
}

/// As a program leaves it that is killed in the midst of a change.
fn die_in(store: &ProfileStore, deed: Deed) {
    let auditor = store.auditor();
    let killed = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let _begun = auditor.begin(deed);
        panic::resume_unwind(Box::new("killed"));
    }));
    assert!(killed.is_err());
}

#[tokio::test]
async fn a_switch_that_was_cut_short_is_told_of_by_whoever_it_was_and_how_it_ended() {
    for (step, line) in [
        (
            Step::SwitchNoted,
            "switch home cut short, and not made tray",
        ),
        (
            Step::Published,
            "switch home cut short, and finished by recovery tray",
        ),
        (
            Step::CurrentWritten,
            "switch home cut short, and finished by recovery tray",
        ),
    ] {
        let world = world().await;
        let store = world.store().acting_as(Actor::Tray);
        store.disk.faults.plan(step, Fault::Crash);
        assert!(store.use_profile(&name("home")).await.is_err());
        assert_eq!(told(&store).await, Vec::<String>::new());
        let next = world.store();
        assert_eq!(told(&next).await, [line], "{step:?}");
        drop(world.store());
        assert_eq!(told(&next).await, [line], "once");
    }
}

#[tokio::test]
async fn a_change_that_was_cut_short_has_its_line_with_what_became_of_it() {
    let world = world().await;
    let store = world.store().acting_as(Actor::Page);
    store
        .label(&name("home"), Some("H".to_owned()))
        .await
        .unwrap();
    let hidden = world.home.profiles().join(".removed-home-1");
    fs::create_dir_all(&hidden).unwrap();
    put(&hidden.join("auth.json"), &world.profile("home"));
    fs::remove_dir_all(world.home.profiles().join("home")).unwrap();
    for action in [
        Action::Remove,
        Action::Purge,
        Action::Restore,
        Action::SignOut,
    ] {
        die_in(&store, Deed::of(action, &name("home")));
    }
    die_in(&store, Deed::of(Action::Purge, &name("work")));
    die_in(&store, Deed::new(Action::Import));
    let store = world.store();
    let mut lines = told(&store).await.split_off(1);
    lines.sort();
    assert_eq!(
        lines,
        [
            "import cut short: whether it was made is not known page",
            "purge home cut short: whether it was made is not known page",
            "purge work cut short, and not made page",
            "remove home cut short, and finished by recovery page",
            "restore home cut short, and not made page",
            "sign_out home cut short: whether it was made is not known page",
        ]
    );
    let state = store.state().await.unwrap();
    assert_eq!(state.profile("home").label, None, "nobody is to inherit it");
    assert_eq!(state.profile(".removed-home-1").label.as_deref(), Some("H"));
}

#[tokio::test]
async fn a_change_that_is_being_made_or_was_told_of_is_not_told_of_again() {
    let world = world().await;
    let store = world.store();
    let begun = store
        .auditor()
        .begin(Deed::of(Action::Remove, &name("home")));
    drop(world.store());
    assert_eq!(told(&store).await, Vec::<String>::new());
    let notes = world.home.router().join("changes");
    let note = fs::read_dir(&notes)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let kept = fs::read_to_string(&note).unwrap();
    begun.done();
    assert!(!note.exists());
    // Killed after the line, and before the note was taken away.
    crate::fs::atomic::write(&note, kept.as_bytes()).unwrap();
    drop(world.store());
    assert_eq!(told(&store).await, ["remove home program"]);
    assert!(!note.exists());
    drop(
        store
            .auditor()
            .begin(Deed::of(Action::Purge, &name("home"))),
    );
    drop(world.store());
    assert_eq!(
        told(&store).await,
        ["remove home program"],
        "it was not made"
    );
}

#[tokio::test]
async fn a_note_whose_line_cannot_be_written_waits_until_it_can() {
    let world = world().await;
    die_in(&world.store(), Deed::of(Action::Purge, &name("work")));
    let log = world.home.audit_log();
    fs::create_dir_all(&log).unwrap();
    drop(world.store());
    fs::remove_dir(&log).unwrap();
    let store = world.store();
    let line = "purge work cut short, and not made program";
    assert_eq!(told(&store).await, [line]);
}

#[tokio::test]
async fn a_note_that_was_taken_away_after_it_was_opened_is_none() {
    let world = world().await;
    let store = world.store();
    let deed = Deed::of(Action::Purge, &name("work"));
    let begun = store.auditor().begin(deed);
    let notes = fs::read_dir(world.home.router().join("changes"));
    let note = notes.unwrap().next().unwrap().unwrap().path();
    let file = fs::File::open(&note).unwrap();
    drop(begun);
    let audit = AuditFile::of(&world.home);
    store.disk.tell_of(&audit, &note, file).unwrap();
    assert_eq!(told(&store).await, Vec::<String>::new());
}
