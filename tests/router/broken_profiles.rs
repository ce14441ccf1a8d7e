//! A broken profile is its own state, is never overwritten, and hides nobody.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Answer, Home, Router, World, entry, fake, worker, write};

/// How long anything may take.
const SECONDS: Duration = Duration::from_secs(3);

fn sparse(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().set_len(100 << 20).unwrap();
}

fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A home with a good profile and one of every broken kind.
fn broken(good: &Value) -> (Home, Vec<&'static str>) {
    let home = Home::with(&[("good", good.clone())]);
    write(&home.profile("truncated"), &good.to_string()[..200]);
    write(&home.profile("empty"), "");
    write(
        &home.profile("wrong-types"),
        json!({"tokens": 7, "auth_mode": [], "OPENAI_API_KEY": {}}).to_string(),
    );
    write(&home.profile("no-object"), "[1, 2, 3]");
    write(&home.profile("no-login"), "{}");
    write(&home.profile("no-utf8"), b"{\"auth_mode\": \"\xff\xfe\"");
    write(&home.profile("binary"), [0; 512]);
    sparse(&home.profile("huge"));
    fifo(&home.profile("fifo"));
    fs::create_dir_all(home.profile("folder")).unwrap();
    fs::create_dir_all(home.path("profiles/nothing")).unwrap();
    let outside = home.path("outside.json");
    write(&outside, good.to_string());
    fs::create_dir_all(home.path("profiles/link")).unwrap();
    symlink(&outside, home.profile("link")).unwrap();
    let names = fs::read_dir(home.path("profiles")).unwrap().count();
    let broken = vec![
        "truncated",
        "empty",
        "wrong-types",
        "no-object",
        "no-login",
        "no-utf8",
        "binary",
        "huge",
        "fifo",
        "folder",
        "nothing",
        "link",
    ];
    assert_eq!(names, broken.len() + 1);
    (home, broken)
}

/// What lies in the folders, so that a change shows.
fn contents(home: &Home, names: &[&str]) -> Vec<Option<Vec<u8>>> {
    let small = |path: &Path| path.is_file() && path.metadata().unwrap().len() < 1 << 20;
    let paths = names.iter().map(|name| home.profile(name));
    paths
        .map(|path| small(&path).then(|| fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn each_is_listed_with_a_reason_and_what_to_do() {
    let fake = fake();
    let (home, broken) = broken(&fake.auth_json(&worker()));
    let begun = Instant::now();
    let list = home.list();
    assert!(begun.elapsed() < SECONDS, "{:?}", begun.elapsed());
    assert_eq!(list["profiles"].as_array().unwrap().len(), broken.len() + 1);
    let mut reasons = Vec::new();
    for name in &broken {
        let listed = entry(&list, name);
        assert_eq!(listed["state"], "unreadable", "{name}");
        assert!(listed["action"].is_string(), "{name}");
        reasons.push(listed["reason"].as_str().unwrap().to_owned());
    }
    let reason =
        |name: &str| reasons[broken.iter().position(|known| *known == name).unwrap()].as_str();
    let different = [
        "truncated",
        "wrong-types",
        "no-login",
        "huge",
        "fifo",
        "link",
        "nothing",
    ];
    for (index, name) in different.iter().enumerate() {
        for other in &different[index + 1..] {
            assert_ne!(reason(name), reason(other), "{name} and {other}");
        }
    }
    assert_eq!(entry(&list, "good")["state"], "ok");
    assert_eq!(home.run(&["list"]).code, Some(0));
}

#[tokio::test]
async fn each_is_a_clear_error_within_seconds_and_the_others_serve() {
    let fake = fake();
    let (home, broken) = broken(&fake.auth_json(&worker()));
    let before = contents(&home, &broken);
    let router = Router::start(&home, &fake);
    let begun = Instant::now();
    for name in &broken {
        let answer = Answer::to(router.say("hello").header("x-codex-profile", *name)).await;
        let status = if *name == "nothing" { 404 } else { 503 };
        answer.error(status);
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(name), "{message}");
    }
    assert!(begun.elapsed() < SECONDS, "{:?}", begun.elapsed());
    let good = Answer::to(router.say("hello")).await;
    assert_eq!((good.status, good.served_by()), (200, ("good", "current")));
    assert_eq!(contents(&home, &broken), before, "nothing was written over");
    // Mended, each serves without a restart.
    write(
        &home.profile("empty"),
        fake.auth_json(&worker()).to_string(),
    );
    let mended = Answer::to(router.say("hello").header("x-codex-profile", "empty")).await;
    assert_eq!(mended.status, 200, "{}", mended.text());
}

#[tokio::test]
async fn a_current_profile_that_breaks_is_never_replaced_by_another() {
    let world = World::two_accounts();
    write(&world.home.profile("work"), "{\"tokens\":");
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.error(503), "profile_unavailable");
    assert!(world.fake.model_calls().is_empty());
    assert_eq!(
        fs::read_to_string(world.home.profile("work")).unwrap(),
        "{\"tokens\":"
    );
}

#[test]
fn use_and_save_leave_broken_files_alone() {
    let fake = fake();
    let (home, broken) = broken(&fake.auth_json(&worker()));
    let mut before = contents(&home, &broken);
    before.remove(broken.iter().position(|name| *name == "nothing").unwrap());
    for name in &broken {
        let ran = home.run(&["use", name]);
        assert!(
            [Some(1), Some(4)].contains(&ran.code),
            "{name}: {:?}",
            ran.code
        );
    }
    assert_eq!(home.run(&["current"]).stdout, "good\n");
    let stranger = fake.auth_json(&fake.account("user-new", "acct-new"));
    write(&home.live(), stranger.to_string());
    // A folder without a login in it is nobody's yet, so that it may be saved to.
    let taken = broken.iter().copied().filter(|name| *name != "nothing");
    for name in taken.clone() {
        assert_eq!(home.run(&["save", name]).code, Some(1), "{name}");
    }
    let taken: Vec<&str> = taken.collect();
    assert_eq!(contents(&home, &taken), before);
}

#[tokio::test]
async fn a_byte_order_mark_is_no_fault() {
    let fake = fake();
    let login = fake.auth_json(&worker()).to_string();
    let home = Home::empty();
    write(&home.profile("windows"), format!("\u{feff}{login}\r\n"));
    assert_eq!(home.listed("windows")["state"], "ok");
    assert_eq!(home.run(&["use", "windows"]).code, Some(0));
    let router = Router::start(&home, &fake);
    assert_eq!(Answer::to(router.say("hello")).await.status, 200);
}

#[tokio::test]
async fn a_broken_live_file_does_not_keep_profiles_from_serving() {
    let world = World::two_accounts();
    fs::remove_file(world.home.live()).unwrap();
    fifo(&world.home.live());
    for name in ["work", "other"] {
        let answer = Answer::to(world.router.say("hello").header("x-codex-profile", name)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(world.home.list()["live"]["state"], "unreadable");
}

#[tokio::test]
async fn broken_settings_are_set_aside_and_never_fatal() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json_expired(&worker()))]);
    fake.revoke(crate::harness::refresh_token(&crate::harness::read_json(
        &home.live(),
    )));
    write(&home.path("router/state.json"), "{\"my\": \"settings\", ");
    let router = Router::start(&home, &fake);
    assert_eq!(
        Answer::to(router.say("hello")).await.error(503),
        "profile_needs_login"
    );
    let kept = fs::read_dir(home.path("router")).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let is_aside = path.to_string_lossy().contains("state.json.broken-");
        is_aside && fs::read_to_string(path).unwrap().contains("my")
    });
    assert!(kept);
}

#[tokio::test]
async fn a_half_written_login_is_waited_for() {
    let world = World::two_accounts();
    let login = fs::read_to_string(world.home.profile("work")).unwrap();
    write(&world.home.profile("work"), &login[..100]);
    let path = world.home.profile("work");
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        write(&path, login);
    });
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    writer.join().unwrap();
}
