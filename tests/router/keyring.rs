//! A Codex that keeps its login in a keyring, and a build that reaches none.

use serde_json::json;

use crate::harness::{Answer, Home, Router, fake, worker, write};

/// A home whose Codex keeps its login as `mode` says. No session bus: whatever the build can do, it
/// reaches no keyring.
fn home(mode: &str) -> Home {
    let fake = fake();
    let home = Home::empty();
    home.add("work", &fake.auth_json(&worker()));
    home.add("key", &fake.api_key_auth_json("sk-key"));
    let config = format!("cli_auth_credentials_store = \"{mode}\"\n");
    write(&home.path("config.toml"), config);
    home
}

const NO_BUS: [(&str, &str); 2] = [
    ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere"),
    ("XDG_RUNTIME_DIR", "/nowhere"),
];

#[test]
fn where_codex_keeps_no_file_none_is_made_and_every_command_says_why() {
    for (mode, why) in [("keyring", "keyring"), ("ephemeral", "its own memory")] {
        let home = home(mode);

        let used = home.run_with(&["use", "work"], &NO_BUS);
        assert_eq!(used.code, Some(0), "{}", used.stderr);
        assert!(used.stdout.contains("Now using `work`."), "{}", used.stdout);
        assert!(
            used.stdout.contains("own login was not changed"),
            "{}",
            used.stdout
        );
        assert!(used.stdout.contains(why), "{}", used.stdout);

        let saved = home.run_with(&["save"], &NO_BUS);
        assert_eq!(saved.code, Some(1), "{}", saved.stdout);
        assert!(saved.stderr.contains(why), "{}", saved.stderr);

        let listed = home.run_with(&["list"], &NO_BUS);
        assert!(listed.stdout.contains(why), "{}", listed.stdout);
        let listed = home.run_with(&["list", "--json"], &NO_BUS);
        let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        assert_eq!(listed["current"], "work");
        assert_eq!(listed["live"]["state"], "unreadable");
        assert_eq!(listed["live"]["store"], mode);
        assert_eq!(listed["live"]["identity"], json!(null));

        assert!(!home.live().exists(), "nobody would read it");
    }
}

#[tokio::test]
async fn clients_of_the_router_follow_a_switch_all_the_same() {
    let fake = fake();
    let home = home("ephemeral");
    home.choose("work");
    let router = Router::start(&home, &fake);
    assert_eq!(home.run(&["use", "key"]).code, Some(0));
    let answer = Answer::to(router.say("hello")).await;
    assert_eq!(answer.served_by(), ("key", "current"));
    assert!(!home.live().exists());
}
