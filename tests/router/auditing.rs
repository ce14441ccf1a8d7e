//! Every change of a login leaves its line in `router/audit.log`, whoever made it, and no line
//! stands in the way of a change.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    control::{Page, Script},
    harness::{Answer, Home, World, fake, refresh_token, until, worker, write},
};

/// `audit --json`.
fn audit(home: &Home) -> Vec<Value> {
    let ran = home.run(&["audit", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["unreadable"], 0);
    told["entries"].as_array().unwrap().clone()
}

/// What was done to whom by whom, in a few words.
fn told(entry: &Value) -> String {
    let words = ["action", "profile", "to", "key", "detail", "by"];
    let words = words.iter().filter_map(|field| entry[*field].as_str());
    words.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_told(home: &Home, expected: &[&str]) {
    let entries = audit(home);
    let all: Vec<String> = entries.iter().map(told).collect();
    assert_eq!(all, expected);
    for entry in &entries {
        let at: jiff::Timestamp = entry["at"].as_str().unwrap().parse().unwrap();
        let age = jiff::Timestamp::now().duration_since(at);
        assert!(age.as_secs() < 600 && !age.is_negative(), "{entry}");
        assert!(entry["pid"].as_u64() > Some(1), "{entry}");
    }
}

fn two_logins() -> (fake_openai::FakeOpenAi, Home) {
    let fake = fake();
    let home = Home::with(&[
        ("work", fake.auth_json(&worker().email("ada@example.com"))),
        (
            "other",
            fake.auth_json(&fake.account("user-other", "acct-other")),
        ),
    ]);
    home.keep_nothing_alive();
    (fake, home)
}

#[test]
fn every_command_leaves_exactly_its_line() {
    let (_fake, home) = two_logins();
    let run = |arguments: &[&str]| {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
    };
    run(&["list"]);
    run(&["use", "other"]);
    run(&["save"]);
    run(&["label", "work", "At work"]);
    run(&["rename", "work", "job"]);
    run(&["remove", "job"]);
    run(&["restore", "job"]);
    run(&[
        "export",
        "job",
        "--plain",
        "--to",
        home.path("job.json").to_str().unwrap(),
    ]);
    run(&["remove", "job", "--purge"]);
    run(&["import", home.path("job.json").to_str().unwrap()]);
    run(&["key", "create", "editor", "--profile", "other"]);
    run(&["key", "revoke", "editor"]);
    let login = home.run_saying(&["login", "api", "--api-key"], "sk-planted-in-the-test");
    assert_eq!(login.code, Some(0), "{}", login.stderr);
    run(&["attach"]);
    run(&["detach"]);
    run(&["config", "set", "log_level", "debug"]);
    run(&["config", "unset", "log_level"]);
    run(&["config", "unset", "log_level"]);
    assert_ne!(home.run(&["use", "nobody"]).code, Some(0));
    assert_told(
        &home,
        &[
            "switch other command",
            "save other command",
            "describe work command",
            "rename work job command",
            "remove job command",
            "restore job command",
            "export job command",
            "purge job command",
            "import ada command",
            "key_created other editor command",
            "key_revoked editor command",
            "login api command",
            "attach command",
            "detach command",
            "settings log_level command",
            "settings log_level command",
        ],
    );
    let text = fs::read_to_string(home.path("router/audit.log")).unwrap();
    for secret in ["sk-planted", "@example.com", "acct-", "user-", "eyJ"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let last = home.run(&["audit", "--last", "2"]).stdout;
    let lines: Vec<_> = last.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("settings"), "{last}");
}

#[tokio::test]
async fn a_setting_is_told_of_once_although_a_router_runs() {
    let world = World::two_accounts();
    for (key, value) in [("log_level", "error"), ("language", "en")] {
        for arguments in [&["set", key, value][..], &["unset", key]] {
            let ran = world.home.run(&[&["config"], arguments].concat());
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        }
    }
    assert_told(
        &world.home,
        &[
            "settings log_level command",
            "settings log_level command",
            "settings language command",
            "settings language command",
        ],
    );
}

#[tokio::test]
async fn the_control_api_leaves_the_same_lines_and_says_who_asked() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let page = Page::open(&script).await;
    let ask = async |method: Method, path: &str, body: Value| {
        let answer = Answer::to(page.ask(method, path).json(&body)).await;
        assert!(answer.status < 300, "{path}: {}", answer.text());
    };
    ask(Method::POST, "/api/profiles/other/use", json!({})).await;
    ask(Method::PATCH, "/api/profiles/work", json!({"name": "job"})).await;
    ask(Method::PATCH, "/api/profiles/job", json!({"label": "Job"})).await;
    ask(
        Method::PATCH,
        "/api/settings",
        json!({"refresh_interval_seconds": 1234}),
    )
    .await;
    ask(
        Method::POST,
        "/api/api-keys",
        json!({"name": "api", "key": "sk-planted-in-the-test"}),
    )
    .await;
    ask(Method::POST, "/api/keys", json!({"name": "editor"})).await;
    ask(Method::DELETE, "/api/keys/editor", json!({})).await;
    let removed = script.delete("/api/profiles/job").await;
    assert_eq!(removed.status, 200, "{}", removed.text());
    assert_told(
        &world.home,
        &[
            "switch other page",
            "rename work job page",
            "describe job page",
            "settings refresh_interval_seconds page",
            "login api page",
            "key_created editor page",
            "key_revoked editor page",
            "remove job command",
        ],
    );
}

#[tokio::test]
async fn a_refresh_a_refusal_and_what_codex_does_are_told_of() {
    let fake = fake();
    let work = fake.auth_json_expired(&worker());
    let dead = fake.auth_json_expired(&fake.account("user-dead", "acct-dead"));
    fake.revoke(refresh_token(&dead));
    let world = World::with(fake, &[("work", work), ("dead", dead)]);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    for _ in 0..2 {
        let request = world.router.say("hello").header("x-codex-profile", "dead");
        assert!(Answer::to(request).await.status >= 400);
    }
    let stranger = world
        .fake
        .auth_json(&world.fake.account("user-new", "acct-new"));
    write(&world.home.live(), stranger.to_string());
    until("the new login is seen", || audit(&world.home).len() >= 4).await;
    let all: Vec<String> = audit(&world.home).iter().map(told).collect();
    assert_eq!(all[0], "refresh work keeper");
    assert!(
        all[1].starts_with("needs_login dead ") && all[1].ends_with(" keeper"),
        "{all:?}"
    );
    assert_eq!(
        all[2..],
        ["unsaved_login codex", "signed_out_elsewhere work codex"]
    );
}

#[test]
fn processes_at_once_lose_no_line_and_one_that_is_killed_tears_none_of_the_others() {
    let (_fake, home) = two_logins();
    let spawn = |label: &str| home.command(&["label", "work", label]).spawn().unwrap();
    let mut all: Vec<_> = (0..8).map(|n| spawn(&n.to_string())).collect();
    for child in &mut all {
        assert!(child.wait().unwrap().success());
    }
    for n in 0..4 {
        let mut killed = spawn(&format!("killed-{n}"));
        let _ = killed.kill();
        killed.wait().unwrap();
    }
    // As a crash in the middle of a line would leave it.
    let path = home.path("router/audit.log");
    let before = fs::read_to_string(&path).unwrap();
    assert!(before.lines().count() >= 8, "{before}");
    write(&path, before.clone() + "{\"at\":\"20");
    assert_eq!(home.run(&["label", "work", "after"]).code, Some(0));
    let ran = home.run(&["audit", "--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["unreadable"], 1);
    let read = told["entries"].as_array().unwrap().len();
    assert_eq!(read, before.lines().count() + 1);
}

#[test]
fn a_change_that_a_killed_program_had_begun_is_told_of_by_the_next_one() {
    let (_fake, home) = two_logins();
    let begun = |action: &str, name: &str| {
        let at = jiff::Timestamp::now();
        let note = json!({"at": at, "action": action, "profile": name, "by": "tray", "pid": 4242});
        let path = format!("router/changes/{}-4242-{action}.json", at.as_millisecond());
        write(&home.path(&path), note.to_string());
    };
    begun("switch", "other");
    begun("remove", "gone");
    begun("sign_out", "work");
    assert_eq!(home.run(&["list"]).code, Some(0));
    let mut all: Vec<String> = audit(&home).iter().map(told).collect();
    all.sort();
    assert_eq!(
        all,
        [
            "remove gone cut short, and finished by recovery tray",
            "sign_out work cut short: whether it was made is not known tray",
            "switch other cut short, and not made tray",
        ]
    );
    let left = fs::read_dir(home.path("router/changes")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_log_that_takes_no_line_fails_no_switch_and_is_told_of() {
    let (_fake, home) = two_logins();
    fs::create_dir_all(home.path("router/audit.log")).unwrap();
    let ran = home.run(&["use", "other"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(home.run(&["current"]).stdout.trim(), "other");
    assert_eq!(ran.stderr.matches("audit.log").count(), 1, "{}", ran.stderr);
}

/// `/dev/full` takes no byte, as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_no_switch() {
    let (_fake, home) = two_logins();
    fs::create_dir_all(home.path("router")).unwrap();
    std::os::unix::fs::symlink("/dev/full", home.path("router/audit.log")).unwrap();
    let ran = home.run(&["use", "other"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(home.run(&["current"]).stdout.trim(), "other");
    assert!(ran.stderr.contains("audit.log"), "{}", ran.stderr);
}
