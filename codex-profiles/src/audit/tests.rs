use std::{fs, thread};

use super::*;
use crate::{home::CodexHome, profile::ProfileName};

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
