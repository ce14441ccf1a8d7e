use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::testing::put;

/// A machine with a person on it.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn put(&self, inside: &str, login: &Value) {
        put(&self.path(inside), login);
    }

    fn find(&self) -> Vec<FoundHome> {
        find(&Surroundings {
            user_home: Some(self.folder.path().to_owned()),
            ..Surroundings::default()
        })
    }
}

fn login(refresh_token: &str) -> Value {
    json!({"tokens": {"access_token": "opaque", "refresh_token": refresh_token,
        "account_id": "acct"}})
}

fn found(homes: &[FoundHome], machine: &Machine) -> Vec<(String, FoundBy)> {
    let inside = |home: &FoundHome| {
        let path = home.path.strip_prefix(machine.folder.path()).unwrap();
        (path.to_str().unwrap().to_owned(), home.found_by)
    };
    homes.iter().map(inside).collect()
}

#[test]
fn homes_are_found_in_the_order_of_how_likely_they_are_meant() {
    let machine = Machine::new();
    for file in [
        ".codex/auth.json",
        ".codex-work/auth.json",
        ".codex_old/config.toml",
        // No home: nothing of Codex is in it, or it only sounds like it.
        ".codex-notes/readme",
        ".codexia/auth.json",
        "codex-work/auth.json",
        "Users/ada/.codex/auth.json",
        "Users/bob/Desktop/x",
    ] {
        machine.put(file, &json!({}));
    }
    let homes = find(&Surroundings {
        chosen: Some(machine.path("elsewhere")),
        codex_home: Some(machine.path(".codex-work")),
        user_home: Some(machine.folder.path().to_owned()),
        windows_users: Some(machine.path("Users")),
    });
    let expected = [
        ("elsewhere", FoundBy::Chosen),
        (".codex-work", FoundBy::Environment),
        (".codex", FoundBy::Usual),
        (".codex_old", FoundBy::Beside),
        ("Users/ada/.codex", FoundBy::Windows),
    ];
    let expected = expected.map(|(path, found_by)| (path.to_owned(), found_by));
    assert_eq!(found(&homes, &machine), expected);
    assert!(find(&Surroundings::default()).is_empty());
}

#[test]
fn each_home_says_what_it_holds() {
    let machine = Machine::new();
    machine.put(".codex/auth.json", &login("rt_1"));
    machine.put(".codex/profiles/a/auth.json", &login("rt_2"));
    machine.put(".codex/profiles/b/auth.json", &json!("broken"));
    machine.put(".codex-empty/config.toml", &json!({}));
    machine.put(".codex-odd/auth.json", &json!([]));
    let homes = machine.find();
    let states: Vec<_> = homes
        .iter()
        .map(|home| (home.state, home.profiles))
        .collect();
    assert_eq!(
        states,
        [
            (LoginState::Ok, 2),
            (LoginState::None, 0),
            (LoginState::Unreadable, 0)
        ]
    );
    assert!(homes[0].identity.is_some() && homes[1].identity.is_none());
    assert_eq!(
        std::fs::read_dir(machine.path(".codex-empty"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn two_owners_of_one_login_are_told_of_each_other() {
    let machine = Machine::new();
    machine.put(".codex/auth.json", &login("rt_1"));
    machine.put(".codex-a/auth.json", &login("rt_1"));
    machine.put(".codex-b/profiles/saved/auth.json", &login("rt_1"));
    machine.put(".codex-c/auth.json", &login("rt_3"));
    let homes = machine.find();
    let shares: Vec<usize> = homes
        .iter()
        .map(|home| home.shares_logins_with.len())
        .collect();
    assert_eq!(shares, [2, 2, 2, 0]);
    assert!(homes[0].shares_logins_with[0].ends_with(".codex-a"));
    let shown = serde_json::to_string(&homes).unwrap() + &format!("{homes:?}");
    assert!(!shown.contains("rt_"), "{shown}");
}

#[test]
fn an_api_key_may_be_in_two_homes() {
    let machine = Machine::new();
    for home in [".codex", ".codex-a"] {
        machine.put(
            &format!("{home}/auth.json"),
            &json!({"OPENAI_API_KEY": "sk-x"}),
        );
    }
    assert!(
        machine
            .find()
            .iter()
            .all(|home| home.shares_logins_with.is_empty())
    );
}

#[cfg(unix)]
#[test]
fn a_symlink_is_the_same_folder_and_not_a_second_owner() {
    let machine = Machine::new();
    machine.put(".codex/auth.json", &login("rt_1"));
    std::os::unix::fs::symlink(machine.path(".codex"), machine.path(".codex-link")).unwrap();
    let homes = machine.find();
    assert_eq!(homes.len(), 2);
    assert_eq!(homes[1].same_folder_as, Some(machine.path(".codex")));
    assert!(homes.iter().all(|home| home.shares_logins_with.is_empty()));
}
