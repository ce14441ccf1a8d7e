//! The commands work on the files alone, and say in words, JSON and exit codes what they did.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use fake_openai::Account;
use serde_json::{Value, json};

use crate::harness::{Answer, Home, Router, fake, read_json, refresh_token, until, worker, write};

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn list_json_has_the_shape_of_the_contract() {
    let fake = fake();
    let work = fake.auth_json(&worker().plan("pro").email("me@work.example"));
    let home = Home::with(&[("work", work), ("key", fake.api_key_auth_json("sk-listed"))]);
    let list = home.list();
    assert_eq!(keys(&list), ["codex_home", "current", "live", "profiles"]);
    let fixed = ["identity", "profile", "state"];
    let added = ["action", "reason", "store"];
    let mut expected = [fixed, added].concat();
    expected.sort_unstable();
    assert_eq!(keys(&list["live"]), expected);
    assert_eq!(
        Path::new(list["codex_home"].as_str().unwrap()),
        home.path("").components().as_path()
    );
    assert_eq!(
        (&list["current"], &list["live"]["profile"]),
        (&json!("work"), &json!("work"))
    );
    let mut expected = [
        "name",
        "label",
        "email",
        "plan",
        "account_id",
        "user_id",
        "auth_mode",
        "current",
        "state",
        "reason",
        "action",
        "last_refresh",
        "access_token_expires_at",
        "usage",
        "color",
        "workspace",
    ];
    expected.sort_unstable();
    for profile in list["profiles"].as_array().unwrap() {
        assert_eq!(keys(profile), expected);
    }
}

#[test]
fn list_json_tells_each_profile_apart() {
    let fake = fake();
    let work = fake.auth_json(&worker().plan("pro").email("me@work.example"));
    let old = fake.auth_json_expired(&Account::new("user-old", "acct-old"));
    let key = fake.api_key_auth_json("sk-listed");
    let home = Home::with(&[("work", work), ("old", old), ("key", key)]);
    let work = home.listed("work");
    assert_eq!(work["email"], "me@work.example");
    assert_eq!(
        (&work["plan"], &work["auth_mode"]),
        (&json!("pro"), &json!("chatgpt"))
    );
    assert_eq!(
        (&work["account_id"], &work["user_id"]),
        (&json!("acct-work"), &json!("user-work"))
    );
    assert_eq!(
        (&work["current"], &work["state"]),
        (&json!(true), &json!("ok"))
    );
    for time in ["last_refresh", "access_token_expires_at"] {
        let text = work[time].as_str().unwrap();
        assert!(text.ends_with('Z') && text.contains('T'), "{time}: {text}");
    }
    assert_eq!(home.listed("old")["state"], "expired");
    let key = home.listed("key");
    assert_eq!(
        (&key["auth_mode"], &key["email"]),
        (&json!("apikey"), &Value::Null)
    );
    assert_eq!(
        (&key["current"], &key["state"]),
        (&json!(false), &json!("ok"))
    );
}

#[test]
fn no_command_prints_a_secret() {
    let fake = fake();
    let work = fake.auth_json(&worker());
    let home = Home::with(&[
        ("work", work.clone()),
        ("key", fake.api_key_auth_json("sk-listed")),
    ]);
    let exported = home.path("exported.json");
    let exported = exported.to_str().unwrap();
    for arguments in [
        &["list", "--json"][..],
        &["list"],
        &["current"],
        &["save"],
        &["use", "key"],
        &["label", "work", "W"],
        &["rename", "work", "job"],
        &["list", "--homes", "--json"],
        &["export", "job", "--plain", "--to", exported],
        &["remove", "job"],
        &["import", exported],
        &["remove", "job", "--purge"],
    ] {
        let ran = home.run_with(arguments, &[("CODEX_ROUTER_LOG", "trace")]);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        let printed = ran.stdout + &ran.stderr;
        let tokens = work["tokens"].as_object().unwrap();
        for secret in
            ["id_token", "access_token", "refresh_token"].map(|name| tokens[name].as_str().unwrap())
        {
            assert!(!printed.contains(secret), "{arguments:?}");
        }
        assert!(!printed.contains("sk-listed"), "{arguments:?}");
    }
}

#[test]
fn an_empty_home_is_no_error_and_says_what_to_do() {
    let home = Home::empty();
    let ran = home.run(&["list"]);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stdout.contains("codex login") && ran.stdout.contains("codex-router save"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains(home.live().to_str().unwrap()),
        "{}",
        ran.stdout
    );
    let list = home.list();
    assert_eq!(
        (&list["current"], &list["profiles"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(
        list["live"],
        json!({"state": "none", "identity": null, "profile": null,
            "store": "file", "reason": null, "action": null})
    );
    assert_eq!(
        fs::read_dir(home.path("")).unwrap().count(),
        0,
        "looking leaves nothing behind"
    );
}

#[test]
fn exit_codes_tell_scripts_what_happened() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    write(&home.profile("broken"), "{");
    let empty = Home::empty();
    let missing_home = empty.path("nothing/here");
    let missing_home = missing_home.to_str().unwrap();
    for (home, arguments, code) in [
        (&home, &["current"][..], 0),
        (&home, &["use", "work"], 0),
        (&home, &["use", "broken"], 1),
        (&home, &["serve", "--listen", "0.0.0.0:0"], 1),
        (&home, &["use", "../work"], 2),
        (&home, &["use"], 2),
        (&home, &["no-such-command"], 2),
        (&home, &["serve", "--listen", "localhost:port"], 2),
        (&empty, &["save"], 3),
        (&home, &["use", "nobody"], 4),
        (&empty, &["current"], 4),
        (&empty, &["--codex-home", missing_home, "list"], 0),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert_eq!(
            ran.stderr.is_empty(),
            code == 0,
            "{arguments:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn codex_home_can_be_given_before_or_after_the_command_and_wins() {
    let fake = fake();
    let (home, other) = (
        Home::with(&[("work", fake.auth_json(&worker()))]),
        Home::with(&[("there", fake.api_key_auth_json("sk-there"))]),
    );
    let there = other.path("");
    let there = there.to_str().unwrap();
    for arguments in [
        ["--codex-home", there, "current"],
        ["current", "--codex-home", there],
    ] {
        assert_eq!(home.run(&arguments).stdout, "there\n");
    }
    assert_eq!(home.run(&["current"]).stdout, "work\n");
}

#[test]
fn current_is_trimmed_when_it_is_read() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    home.choose("  work \r\n\n");
    assert_eq!(home.run(&["current"]).stdout, "work\n");
    assert_eq!(home.list()["current"], "work");
    assert_eq!(home.listed("work")["current"], true);
}

#[test]
fn save_names_a_profile_after_the_login_and_keeps_every_field() {
    let fake = fake();
    let login = fake.auth_json(&worker().email("jo.doe@work.example"));
    let home = Home::empty();
    write(&home.live(), login.to_string());
    let ran = home.run(&["save"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "Saved as `jo.doe`.\n")
    );
    assert_eq!(read_json(&home.profile("jo.doe")), login);
    assert_eq!(read_json(&home.live()), login);
    assert_eq!(home.list()["live"]["profile"], "jo.doe");
    // Again, under whatever name: one login has one profile.
    assert_eq!(home.run(&["save", "again"]).code, Some(0));
    assert!(!home.profile("again").exists());
}

#[test]
fn save_never_writes_over_the_login_of_somebody_else() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let before = read_json(&home.profile("work"));
    let stranger = fake.auth_json(&Account::new("user-new", "acct-new"));
    write(&home.live(), stranger.to_string());
    let ran = home.run(&["save", "work"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("another account"), "{}", ran.stderr);
    assert_eq!(read_json(&home.profile("work")), before);
}

#[test]
fn colleagues_in_one_workspace_and_a_person_in_two_are_different_profiles() {
    let fake = fake();
    let home = Home::empty();
    for (user, account) in [("ann", "acct-1"), ("bob", "acct-1"), ("ann", "acct-2")] {
        let login = fake.auth_json(&Account::new(user, account).email("same@work.example"));
        write(&home.live(), login.to_string());
        assert_eq!(home.run(&["save"]).code, Some(0));
    }
    assert_eq!(home.list()["profiles"].as_array().unwrap().len(), 3);
}

#[test]
fn files_and_folders_are_for_their_owner_alone() {
    let fake = fake();
    let home = Home::empty();
    write(&home.live(), fake.auth_json(&worker()).to_string());
    fs::set_permissions(home.live(), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(home.run(&["save", "work"]).code, Some(0));
    home.add(
        "other",
        &fake.auth_json(&Account::new("user-other", "acct-other")),
    );
    assert_eq!(home.run(&["use", "other"]).code, Some(0));
    for file in [
        home.live(),
        home.profile("work"),
        home.path(".current_profile"),
    ] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    for folder in [
        home.path("profiles"),
        home.path("profiles/work"),
        home.path("router"),
    ] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
}

#[test]
fn use_keeps_an_unsaved_login() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let unsaved = fake.auth_json(&Account::new("user-new", "acct-new"));
    write(&home.live(), unsaved.to_string());
    let ran = home.run(&["use", "work"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("unsaved-1"), "{}", ran.stdout);
    assert_eq!(read_json(&home.profile("unsaved-1")), unsaved);
    assert_eq!(read_json(&home.live()), read_json(&home.profile("work")));
}

#[test]
fn use_saves_the_newer_live_login_back_to_its_profile_with_fields_nobody_knows() {
    let fake = fake();
    let account = worker();
    let old = fake.auth_json_expired(&account);
    let other = fake.api_key_auth_json("sk-other");
    let home = Home::with(&[("work", old), ("other", other)]);
    // Codex refreshed behind our back, and a newer version of it added a field.
    let mut newer = fake.auth_json(&account);
    newer["tokens"]["from_tomorrow"] = json!({"a": [1, 2.50, null]});
    newer["also_from_tomorrow"] = json!("ü");
    write(&home.live(), newer.to_string());
    assert_eq!(home.run(&["use", "other"]).code, Some(0));
    assert_eq!(read_json(&home.profile("work")), newer);
    assert_eq!(read_json(&home.live())["OPENAI_API_KEY"], "sk-other");
    assert_eq!(home.run(&["use", "work"]).code, Some(0));
    assert_eq!(read_json(&home.live()), newer);
}

#[test]
fn using_the_current_profile_again_changes_nothing() {
    let fake = fake();
    let login = fake.auth_json(&worker());
    let home = Home::with(&[("work", login.clone())]);
    let written = fs::read(home.live()).unwrap();
    for _ in 0..2 {
        assert_eq!(home.run(&["use", "work"]).code, Some(0));
    }
    assert_eq!(fs::read(home.live()).unwrap(), written);
    assert_eq!(
        refresh_token(&read_json(&home.profile("work"))),
        refresh_token(&login)
    );
    assert_eq!(fs::read_dir(home.path("profiles")).unwrap().count(), 1);
}

#[test]
fn a_broken_live_file_is_set_aside_and_never_lost() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    write(
        &home.live(),
        "{\"tokens\": {\"refresh_token\": \"rt_precious\"",
    );
    assert_eq!(home.run(&["use", "work"]).code, Some(0));
    let kept = fs::read_dir(home.path("")).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        path.is_file() && fs::read_to_string(path).is_ok_and(|text| text.contains("rt_precious"))
    });
    assert!(kept);
}

#[tokio::test]
async fn serve_without_any_login_says_what_to_do_next() {
    let (fake, home) = (fake(), Home::empty());
    let router = Router::start(&home, &fake);
    until("the text for a newcomer", || {
        let printed = router.printed();
        printed.contains("codex login") && printed.contains("make demo") && printed.contains("/v1")
    })
    .await;
    assert!(router.printed().contains(home.live().to_str().unwrap()));
}

#[tokio::test]
async fn without_a_command_and_a_display_it_says_so_and_serves() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let router = Router::start_as(&[], &home, &fake, &[("CODEX_ROUTER_LISTEN", "127.0.0.1:0")]);
    assert_eq!(Answer::to(router.say("hello")).await.status, 200);
    let printed = router.printed();
    assert!(printed.contains("serving without a tray"), "{printed}");
    assert!(printed.contains("`work`"), "{printed}");
}

#[test]
fn an_address_in_use_is_one_sentence() {
    let (fake, home) = (fake(), Home::empty());
    let taken = fake.address().to_string();
    let ran = home.run(&["serve", "--listen", &taken]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains(&taken) && ran.stderr.lines().count() == 1,
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty());
}

#[test]
fn version_and_help_need_no_home() {
    let home = Home::empty();
    let nowhere = [("CODEX_HOME", "/dev/null/nowhere")];
    for arguments in [["--version"], ["--help"]] {
        let ran = home.run_with(&arguments, &nowhere);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains("codex-router"));
    }
}

#[test]
fn a_home_that_cannot_be_used_is_one_sentence() {
    let home = Home::empty();
    write(&home.path("file"), "");
    let file = home.path("file");
    for arguments in [&["save"][..], &["use", "work"]] {
        let ran = home.run_with(arguments, &[("CODEX_HOME", file.to_str().unwrap())]);
        assert!(
            ran.code.is_some_and(|code| code != 0 && code < 5),
            "{arguments:?}: {:?}",
            ran.code
        );
        let said = ran.stderr.lines().last().unwrap();
        assert!(said.starts_with("codex-router: "), "{said}");
        assert!(said.contains(file.to_str().unwrap()), "{said}");
    }
}
