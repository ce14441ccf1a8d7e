//! Logins that come from elsewhere, and logins that are taken elsewhere.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use fake_openai::{Account, FakeOpenAi};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Home, Ran, Router, fake, program, read_json, refresh_token, worker, write,
};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn home() -> (FakeOpenAi, Home) {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    (fake, home)
}

#[track_caller]
fn done(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    &ran.stdout
}

/// What opencode would have of this login.
fn opencode(login: &Value) -> Value {
    let tokens = &login["tokens"];
    json!({"openai": {"type": "oauth", "access": tokens["access_token"], "expires": 1,
        "refresh": tokens["refresh_token"], "accountId": tokens["account_id"]}})
}

#[test]
fn an_export_is_imported_elsewhere_with_its_name_and_label() {
    let (_fake, home) = home();
    done(&home.run(&["label", "work", "The job"]));
    let file = home.path("work.age");
    let export = ["export", "work", "--to", text(&file)];
    let ran = home.run_saying(&export, "a passphrase\n");
    assert!(done(&ran).is_empty(), "{}", ran.stdout);
    assert!(ran.stderr.contains("goes stale"), "{}", ran.stderr);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"),
        "{written}"
    );

    let other = Home::empty();
    let ran = other.run_saying(&["import", text(&file)], "a passphrase\n");
    assert!(done(&ran).contains("saved as `work`"), "{}", ran.stdout);
    assert_eq!(
        read_json(&other.profile("work")),
        read_json(&home.profile("work"))
    );
    assert_eq!(other.listed("work")["label"], "The job");
    assert!(!other.live().exists() && !other.path(".current_profile").exists());

    let wrong = other.run_saying(&["import", text(&file)], "another\n");
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stderr.contains("passphrase is not the one"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn an_export_never_replaces_a_file_unless_told_to() {
    let (_fake, home) = home();
    let file = home.path("kept.json");
    write(&file, "precious");
    let plain = ["export", "work", "--plain", "--to", text(&file)];
    let ran = home.run(&plain);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    done(&home.run(&[&plain[..], &["--force"]].concat()));
    assert_eq!(read_json(&file), read_json(&home.profile("work")));
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_plain_export_through_a_pipe_is_the_login_alone() {
    let (_fake, home) = home();
    let ran = home.run(&["export", "work", "--plain"]);
    let printed: Value = serde_json::from_str(done(&ran)).unwrap();
    assert_eq!(printed, read_json(&home.profile("work")));
}

#[test]
fn an_export_without_a_passphrase_or_profile_is_refused() {
    let (_fake, home) = home();
    for (arguments, input, code) in [
        (&["export", "work"][..], "\n", 2),
        (&["export", "work"], "", 2),
        (
            &["export", "work", "--plain", "--passphrase-stdin"],
            "x\n",
            2,
        ),
        (&["export", "work", "--force"], "x\n", 2),
        (&["export", "../work"], "x\n", 2),
        (&["export", "nobody"], "x\n", 4),
    ] {
        let ran = home.run_saying(arguments, input);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn each_file_is_told_of_and_a_bad_one_stops_no_other() {
    let (fake, home) = home();
    let login = |user| fake.auth_json(&Account::new(user, "acct-new"));
    let new = login("user-a");
    write(&home.path("in/a.json"), opencode(&new).to_string());
    write(&home.path("in/b.json"), "{\"hello\": 1}");
    write(&home.path("in/c.json"), login("user-c").to_string());
    let missing = home.path("missing.json");
    let folder = home.path("in");
    fake.forget_requests();

    let ran = home.run(&["import", text(&missing), text(&folder)]);

    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stdout.matches("saved as").count(), 2, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("opencode"),
        "the format is named: {}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("works once"),
        "two owners: {}",
        ran.stdout
    );
    assert!(ran.stdout.contains("id token"), "{}", ran.stdout);
    for told in [
        "missing.json",
        "b.json: no OpenAI login",
        "2 could not be imported",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert_eq!(home.list()["profiles"].as_array().unwrap().len(), 3);
    assert!(fake.requests().is_empty(), "an import posts nothing");
    for secret in [
        refresh_token(&new),
        new["tokens"]["access_token"].as_str().unwrap(),
    ] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret));
    }
}

#[test]
fn nothing_in_a_file_or_in_its_name_steers_the_terminal() {
    let (fake, home) = (fake(), Home::empty());
    let evil = "e\u{1b}[2J\u{9b}31m\u{202e}\u{2066}x";
    let account = Account::new("user-e", "acct-e").email(&format!("{evil}@work.example"));
    let login = fake.auth_json(&account.plan(evil));
    let export = json!({"format": "codex-router-login", "version": 1, "name": "a",
        "label": evil, "auth": login});
    write(&home.path(&format!("in/{evil}.json")), export.to_string());
    write(&home.path(&format!("in/{evil}-2.json")), "{}");
    let other = fake.auth_json(&Account::new("user-f", "acct-f").email(evil));
    write(&home.path("profiles/b/auth.json"), other.to_string());
    write(&home.path(&format!("profiles/{evil}/auth.json")), "{}");
    let folder = home.path(&format!("evil {evil}"));
    write(&folder.join("auth.json"), "{}");
    let of_home = [("CODEX_HOME", text(&folder))];
    for ran in [
        home.run(&["import", text(&home.path("in"))]),
        home.run(&["import", text(&home.path(evil))]),
        home.run(&["list"]),
        home.run(&["remove", "b", "--purge"]),
        home.run_with(&["list"], &of_home),
        home.run_with(&["list", "--homes"], &of_home),
        home.run_with(&["save"], &of_home),
    ] {
        let printed = ran.stdout + &ran.stderr;
        let steers = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}".contains(c);
        assert!(!printed.contains(steers), "{printed:?}");
        assert!(!printed.trim().is_empty());
    }
    assert_eq!(home.listed("a")["label"], "e[2J31mx");
}

#[test]
fn beside_an_auth_json_other_files_are_looked_at_too() {
    let (fake, home) = (fake(), Home::empty());
    let login = |user: &str| fake.auth_json(&Account::new(user, "acct-s"));
    write(&home.path("in/auth.json"), login("user-a").to_string());
    write(&home.path("in/other.json"), login("user-b").to_string());
    write(&home.path("in/models_cache.json"), "{\"models\": []}");
    let ran = home.run(&["import", text(&home.path("in"))]);
    assert_eq!(done(&ran).matches("saved as").count(), 2, "{}", ran.stdout);
    let skipped = "models_cache.json: skipped";
    assert!(ran.stdout.contains(skipped), "{}", ran.stdout);
}

#[test]
fn an_import_goes_on_when_nobody_reads_what_it_says() {
    let (fake, home) = (fake(), Home::empty());
    for user in ["user-a", "user-b", "user-c"] {
        let login = fake.auth_json(&Account::new(user, "acct-c"));
        write(&home.path(&format!("in/{user}.json")), login.to_string());
    }
    for (arguments, profiles) in [(&["list"][..], 0), (&["import", text(&home.path("in"))], 3)] {
        let mut command = program();
        command.env("CODEX_HOME", home.path("")).args(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command.stdout(writer).stderr(std::process::Stdio::piped());
        let ended = child.spawn().unwrap().wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!((ended.status.code(), complaint.as_str()), (Some(0), ""));
        assert_eq!(home.list()["profiles"].as_array().unwrap().len(), profiles);
    }
}

#[test]
fn the_target_of_an_export_is_looked_at_before_a_passphrase_is_asked_for() {
    let (_fake, home) = home();
    let file = home.path("kept.age");
    write(&file, "precious");
    // The passphrase would be refused as empty.
    let ran = home.run_saying(&["export", "work", "--to", text(&file)], "\n");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
}

#[test]
fn a_dash_is_standard_output_and_plain_says_what_that_means() {
    let (_fake, home) = home();
    let ran = home.run(&["export", "work", "--plain", "--to", "-"]);
    let printed: Value = serde_json::from_str(done(&ran)).unwrap();
    assert_eq!(printed, read_json(&home.profile("work")));
    assert!(ran.stderr.contains("not encrypted"), "{}", ran.stderr);
}

#[test]
fn a_codex_home_is_imported_with_the_names_of_its_profiles() {
    let (fake, home) = home();
    let other = Home::with(&[
        (
            "personal",
            fake.auth_json(&Account::new("user-p", "acct-p")),
        ),
        ("work", fake.auth_json(&Account::new("user-w", "acct-w"))),
        ("key", fake.api_key_auth_json("sk-imported")),
    ]);
    fs::remove_file(other.live()).unwrap();
    let ran = home.run(&["import", text(&other.path(""))]);
    for told in ["saved as `personal`", "saved as `work-2`", "saved as `key`"] {
        assert!(done(&ran).contains(told), "{told}: {}", ran.stdout);
    }
    let again = home.run(&["import", text(&other.path(""))]);
    assert_eq!(
        done(&again).matches("already").count(),
        3,
        "{}",
        again.stdout
    );
    assert!(!again.stdout.contains("works once"), "{}", again.stdout);
}

#[test]
fn an_older_copy_never_sets_a_profile_back() {
    let (fake, home) = home();
    let old = fake.auth_json_expired(&worker());
    write(&home.path("old.json"), old.to_string());
    let before = read_json(&home.profile("work"));
    let ran = home.run(&["import", text(&home.path("old.json"))]);
    assert!(done(&ran).contains("as new or newer"), "{}", ran.stdout);
    assert_eq!(read_json(&home.profile("work")), before);
}

#[tokio::test]
async fn a_login_without_an_id_token_serves_and_is_completed_before_codex_gets_it() {
    let (fake, home) = home();
    let live = read_json(&home.live());
    let login = fake.auth_json(&Account::new("user-oc", "acct-oc"));
    let file = home.path("opencode.json");
    write(&file, opencode(&login).to_string());
    done(&home.run(&["import", text(&file)]));
    let list = home.list();
    let names = list["profiles"].as_array().unwrap().iter();
    let name = names
        .map(|one| one["name"].as_str().unwrap())
        .find(|name| *name != "work");
    let name = name.unwrap();

    let router = Router::start(&home, &fake);
    let answer = Answer::to(router.say("hello").header("x-codex-profile", name)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    drop(router);

    // Nobody there to give an id token: Codex keeps the login that it can read.
    let nobody = [(
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE",
        "http://127.0.0.1:9/token",
    )];
    let ran = home.run_with(&["use", name], &nobody);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(read_json(&home.live()), live);

    let environment = fake.environment();
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    done(&home.run_with(&["use", name], &environment));
    let live = read_json(&home.live());
    assert!(live["tokens"]["id_token"].is_string());
    assert_eq!(live["tokens"], read_json(&home.profile(name))["tokens"]);
    assert_eq!(fake.times_posted(refresh_token(&login)), 1);
}

#[test]
fn homes_are_listed_and_two_owners_of_one_login_are_named() {
    let (fake, home) = home();
    let login = read_json(&home.live());
    let person = Home::empty();
    write(&person.path(".codex/auth.json"), login.to_string());
    let stranger = fake.auth_json(&Account::new("user-s", "acct-s"));
    write(&person.path(".codex-other/auth.json"), stranger.to_string());
    let environment = [("HOME", text(&person.path("")).to_owned())];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));

    let ran = home.run_with(&["list", "--homes"], &environment);
    for told in [
        "CODEX_HOME",
        "the usual one",
        "beside the usual one",
        "two owners",
        "1 profile",
    ] {
        assert!(done(&ran).contains(told), "{told}: {}", ran.stdout);
    }
    let ran = home.run_with(&["list", "--homes", "--json"], &environment);
    let homes: Value = serde_json::from_str(done(&ran)).unwrap();
    let found_by: Vec<_> = (0..3)
        .map(|n| homes[n]["found_by"].as_str().unwrap())
        .collect();
    assert_eq!(found_by, ["environment", "usual", "beside"]);
    let shares = |n: usize| homes[n]["shares_logins_with"].as_array().unwrap().len();
    assert_eq!([shares(0), shares(1), shares(2)], [1, 1, 0]);
    assert!(!ran.stdout.contains(refresh_token(&login)));
}
