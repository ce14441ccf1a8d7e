//! A profile's name is one path component, and never a path.

use serde_json::json;

use crate::harness::{Answer, World, write};

const BAD: [&str; 12] = [
    "../x",
    "a/b",
    "..",
    ".",
    ".hidden",
    "-x",
    "a\\b",
    "/etc",
    "a\u{1b}[31m",
    "a\nb",
    "live",
    "",
];

#[test]
fn the_command_line_refuses_every_other_name() {
    let world = World::two_accounts();
    let long = "x".repeat(65);
    for name in BAD.into_iter().chain([long.as_str()]) {
        for command in ["use", "save", "remove", "restore", "label"] {
            let ran = world.home.run(&[command, "--", name]);
            assert_eq!(
                ran.code,
                Some(2),
                "{command} {name:?}: {} {}",
                ran.stdout,
                ran.stderr
            );
            assert!(
                !ran.stderr.contains('\u{1b}'),
                "{name:?} reaches the terminal"
            );
        }
    }
    assert_eq!(world.home.run(&["current"]).stdout, "work\n");
    assert_eq!(
        std::fs::read_dir(world.home.path("profiles"))
            .unwrap()
            .count(),
        2
    );
}

#[tokio::test]
async fn a_header_with_any_other_name_is_an_unknown_profile() {
    let world = World::two_accounts();
    // What such a name would lead to, if it were a path.
    write(
        &world.home.path("auth.json"),
        world.fake.auth_json(&crate::harness::worker()).to_string(),
    );
    let long = "x".repeat(65);
    let sendable = BAD
        .into_iter()
        .filter(|name| !name.contains(char::is_control) && *name != "live");
    for name in sendable.chain([
        long.as_str(),
        "profiles",
        "work/",
        "work/.",
        "./work",
        "%2e%2e",
    ]) {
        for request in [
            world.router.say("hello").header("x-codex-profile", name),
            world
                .router
                .say("hello")
                .bearer_auth(format!("profile:{name}")),
        ] {
            let answer = Answer::to(request).await;
            assert!(
                (400..500).contains(&answer.status),
                "{name:?}: {}",
                answer.text()
            );
        }
    }
    assert!(world.fake.model_calls().is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_text_are_an_error_of_the_client() {
    let world = World::two_accounts();
    let name = reqwest::header::HeaderValue::from_bytes(b"wo\xffrk").unwrap();
    let answer = Answer::to(world.router.say("hello").header("x-codex-profile", name)).await;
    answer.error(400);
    for control in ['\0', '\u{1}', '\u{7f}'] {
        let request = format!(
            "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx-codex-profile: wo{control}rk\r\n\r\n"
        );
        assert!(
            world.router.raw(&request).starts_with("HTTP/1.1 400"),
            "{control:?}"
        );
    }
    assert!(world.fake.requests().is_empty());
}

#[test]
fn a_current_profile_that_is_no_name_is_not_followed() {
    let world = World::two_accounts();
    for name in ["../..", "/etc", "a\0b", "work/../other"] {
        world.home.choose(name);
        let ran = world.home.run(&["current"]);
        assert_ne!(ran.code, Some(0), "{name:?}: {}", ran.stdout);
        assert_eq!(world.home.list()["profiles"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_folder_with_an_impossible_name_is_shown_and_hides_nobody() {
    let world = World::two_accounts();
    let login = world.fake.auth_json(&crate::harness::worker());
    for name in ["-dash", "live", &"x".repeat(65)] {
        world.home.add(name, &login);
        let listed = world.home.listed(name);
        assert_eq!(listed["state"], "unreadable");
        assert_eq!(listed["action"], json!("rename the folder"));
    }
    // A hidden folder is nobody's profile.
    world.home.add(".hidden", &login);
    assert_eq!(world.home.list()["profiles"].as_array().unwrap().len(), 5);
}
