//! Names, labels, and profiles that go away and come back.

use std::fs;

use fake_openai::Account;
use serde_json::json;

use crate::harness::{Home, Ran, fake, read_json, worker, write};

fn home() -> Home {
    let fake = fake();
    let other = Account::new("user-other", "acct-other");
    Home::with(&[
        ("work", fake.auth_json(&worker())),
        ("other", fake.auth_json(&other)),
    ])
}

#[track_caller]
fn done(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    &ran.stdout
}

#[test]
fn a_rename_takes_the_label_and_the_choice_along() {
    let home = home();
    done(&home.run(&["label", "work", "The job"]));
    done(&home.run(&["rename", "work", "job"]));
    assert_eq!(home.run(&["current"]).stdout, "job\n");
    assert_eq!(home.listed("job")["label"], "The job");
    assert!(!home.profile("work").exists());

    let taken = home.run(&["rename", "job", "other"]);
    assert_eq!(taken.code, Some(1));
    assert!(taken.stderr.contains("already"), "{}", taken.stderr);
    assert_eq!(home.run(&["rename", "work", "x"]).code, Some(4));
    assert_eq!(home.run(&["rename", "job", "../x"]).code, Some(2));
}

#[test]
fn a_label_is_taken_back_by_an_empty_one_and_holds_no_control_characters() {
    let home = home();
    done(&home.run(&["label", "work", "团队"]));
    assert_eq!(home.listed("work")["label"], "团队");
    for nothing in [&["label", "work"][..], &["label", "work", "  "]] {
        done(&home.run(&["label", "work", "x"]));
        done(&home.run(nothing));
        assert_eq!(home.listed("work")["label"], json!(null));
    }
    for bad in ["a\u{1b}[31m", "a\u{202e}b", &"x".repeat(121)] {
        assert_eq!(home.run(&["label", "work", bad]).code, Some(2), "{bad:?}");
    }
    assert_eq!(home.run(&["label", "nobody", "x"]).code, Some(4));
}

#[test]
fn a_removed_profile_is_brought_back_by_the_line_that_remove_prints() {
    let home = home();
    let login = read_json(&home.profile("other"));
    let ran = home.run(&["remove", "other"]);
    assert!(
        done(&ran).contains("`codex-router restore other`"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("nobody keeps it alive"),
        "{}",
        ran.stdout
    );
    assert_eq!(home.list()["profiles"].as_array().unwrap().len(), 1);
    assert_eq!(home.run(&["use", "other"]).code, Some(4));

    done(&home.run(&["restore", "other"]));
    assert_eq!(read_json(&home.profile("other")), login);
    let again = home.run(&["restore", "other"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("rename other"), "{}", again.stderr);
}

#[test]
fn a_purged_profile_is_gone_and_cannot_be_restored() {
    let home = home();
    let ran = home.run(&["remove", "other", "--purge"]);
    assert!(done(&ran).contains("OpenAI was not told"), "{}", ran.stdout);
    let left: Vec<_> = fs::read_dir(home.path("profiles"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["work"]);
    for command in [&["restore", "other"][..], &["remove", "other", "--purge"]] {
        assert_eq!(home.run(command).code, Some(4), "{command:?}");
    }
}

#[test]
fn purging_after_removing_deletes_what_was_kept() {
    let home = home();
    done(&home.run(&["remove", "other"]));
    done(&home.run(&["remove", "other", "--purge"]));
    assert_eq!(fs::read_dir(home.path("profiles")).unwrap().count(), 1);
}

#[test]
fn an_import_that_renews_a_profile_says_how_it_is_taken_back() {
    let fake = fake();
    let old = fake.auth_json_expired(&worker());
    let home = Home::with(&[("work", old.clone())]);
    let file = home.path("new.json");
    write(&file, fake.auth_json(&worker()).to_string());
    let ran = home.run(&["import", file.to_str().unwrap()]);
    assert!(
        done(&ran).contains("`codex-router restore work`"),
        "{}",
        ran.stdout
    );
    let ran = home.run(&["restore", "work"]);
    assert!(done(&ran).contains("before the import"), "{}", ran.stdout);
    assert_eq!(read_json(&home.profile("work")), old);
}

#[test]
fn the_only_profile_can_be_removed() {
    let home = Home::with(&[("work", fake().auth_json(&worker()))]);
    done(&home.run(&["remove", "work"]));
    assert_eq!(home.run(&["current"]).code, Some(4));
}

#[test]
fn a_purge_that_finds_more_than_a_login_deletes_nothing_and_names_it() {
    let home = home();
    write(&home.path("profiles/other/notes.txt"), "precious");
    let ran = home.run(&["remove", "other", "--purge"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("notes.txt"), "{}", ran.stderr);
    assert!(home.profile("other").exists());
}

#[test]
fn the_current_profile_is_not_removed_and_the_answer_says_what_to_do() {
    let home = home();
    for arguments in [&["remove", "work"][..], &["remove", "work", "--purge"]] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        assert!(ran.stderr.contains("codex-router use"), "{}", ran.stderr);
    }
    assert!(home.profile("work").exists());
}
