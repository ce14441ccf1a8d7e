//! A hangup signal has settings read again, and breaks nothing off.

#![cfg(unix)]

use std::{fs, process::Command, time::Duration};

use fake_openai::FakeOpenAi;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Home, PATIENCE, Router, World, fake, program, read_json, until, worker, write,
};

/// A router whose address is that of its settings.
fn from_settings(fake: FakeOpenAi) -> World {
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    set(&home, &json!({}));
    let router = Router::start_as(&["serve"], &home, &fake, &[]);
    World { router, home, fake }
}

/// Writes the settings as an editor would.
fn set(home: &Home, settings: &Value) {
    let mut whole = json!({"version": 1, "auto_refresh_enabled": false, "listen": "127.0.0.1:0"});
    let fields = settings.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(fields);
    write(&home.path("router/state.json"), whole.to_string());
}

fn hang_up(router: &Router) {
    let pid = router.pid().to_string();
    let status = Command::new("kill").args(["-HUP", &pid]).status();
    assert!(status.unwrap().success());
}

async fn calls_it(world: &World, host: &str) -> u16 {
    let request = world.router.get("/healthz").header("host", host);
    Answer::to(request).await.status
}

/// Waits until it does.
async fn answers_to(world: &World, host: &str) {
    let asking = async {
        while calls_it(world, host).await != 200 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("taken over");
}

#[tokio::test]
async fn a_hangup_as_soon_as_it_can_be_found_does_not_end_it() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    set(&home, &json!({}));
    // The shell becomes the router, and what it leaves behind hangs up once there is an address.
    let script =
        r#"(while [ ! -s "$1" ] && kill -0 $$; do :; done; kill -HUP $$) & exec "$0" serve"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program().get_program());
    command.arg(home.path("router/address")).env_clear();
    command
        .envs(fake.environment())
        .env("CODEX_HOME", home.path(""));
    let router = Router::start_command(command);
    let world = World { router, home, fake };
    assert_eq!(calls_it(&world, "localhost").await, 200);
    set(&world.home, &json!({"allowed_hosts": ["router.test"]}));
    hang_up(&world.router);
    answers_to(&world, "router.test").await;
}

#[tokio::test]
async fn a_move_says_what_leads_codex_to_the_address_that_was_given_up() {
    let world = from_settings(fake());
    let attached = world.home.run(&["attach"]);
    assert_eq!(attached.code, Some(0), "{}", attached.stderr);
    assert!(!world.router.printed().contains("Codex is attached to"));
    let moved = format!("unix:{}", world.home.path("").join("moved.sock").display());
    // What is known of the attachment stays.
    let path = world.home.path("router/state.json");
    let mut state = read_json(&path);
    state["listen"] = moved.into();
    write(&path, state.to_string());
    hang_up(&world.router);
    until("it is said", || {
        world.router.printed().contains("Codex is attached to")
    })
    .await;
}

#[tokio::test]
async fn names_and_the_form_of_reasoning_are_taken_over() {
    let builder = FakeOpenAi::builder().reasoning(true);
    let world = from_settings(builder.start_on_own_thread().unwrap());
    assert_eq!(calls_it(&world, "router.test").await, 403);
    let thought = |answer: &Answer| {
        let message = &answer.json()["choices"][0]["message"];
        message["reasoning_content"].is_string()
    };
    assert!(thought(&Answer::to(world.router.say("hello")).await));
    set(
        &world.home,
        &json!({"allowed_hosts": ["router.test"], "reasoning_format": "none"}),
    );
    hang_up(&world.router);
    answers_to(&world, "router.test").await;
    assert!(!thought(&Answer::to(world.router.say("hello")).await));
}

/// Where the router says that programs find it.
fn announced(home: &Home) -> String {
    let address = fs::read_to_string(home.path("router/address"));
    address.unwrap_or_default().trim().to_owned()
}

#[tokio::test]
async fn it_moves_to_another_address_and_a_stream_goes_on() {
    let builder = FakeOpenAi::builder().event_delay(Duration::from_millis(30));
    let world = from_settings(builder.start_on_own_thread().unwrap());
    let words = "word ".repeat(30);
    let mut stream = world.router.say_streaming(&words).send().await.unwrap();
    let first = stream.chunk().await.unwrap().unwrap();
    let path = world.home.path("").join("moved.sock");
    let moved = format!("unix:{}", path.display());
    set(&world.home, &json!({"listen": moved}));
    hang_up(&world.router);
    until("it has moved", || {
        announced(&world.home) == moved && path.exists()
    })
    .await;
    let over = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let over = over.unix_socket(path.as_path()).build().unwrap();
    let health = Answer::to(over.get("http://localhost/healthz")).await;
    assert_eq!(health.status, 200);
    let mut whole = first.to_vec();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        whole.extend_from_slice(&chunk);
    }
    assert!(String::from_utf8_lossy(&whole).contains("[DONE]"));
    let gone = || std::net::TcpStream::connect(world.router.address()).is_err();
    until("the old address is free", gone).await;
    let listed = world.home.run(&["list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
}

#[tokio::test]
async fn what_cannot_be_taken_over_leaves_all_as_it_is_with_one_warning() {
    let world = from_settings(fake());
    let before = announced(&world.home);
    let state = world.home.path("router/state.json");
    for (contents, why) in [
        (json!({"listen": "here"}).to_string(), "`listen`"),
        (json!({"allowed_hosts": 1}).to_string(), "`allowed_hosts`"),
        (
            json!({"reasoning_format": "loud", "allowed_hosts": ["a.test"]}).to_string(),
            "`reasoning_format`",
        ),
        (
            json!({"listen": "0.0.0.0:0", "allowed_hosts": ["a.test"]}).to_string(),
            "not a loopback address",
        ),
        (
            json!({"listen": "unix:/proc/no/such.sock"}).to_string(),
            "cannot listen on",
        ),
    ] {
        write(&state, &contents);
        hang_up(&world.router);
        let warnings = || {
            let printed = world.router.printed();
            let lines = printed
                .lines()
                .filter(|line| line.contains("settings stay as they were"));
            lines.filter(|line| line.contains(why)).count()
        };
        until("it warns", || warnings() == 1).await;
        assert_eq!(calls_it(&world, "a.test").await, 403, "{contents}");
        assert_eq!(announced(&world.home), before);
    }
    let settings = world.router.printed().matches("settings stay").count();
    assert_eq!(settings, 5, "one warning each");
}

#[tokio::test]
async fn an_address_that_was_given_otherwise_stays() {
    let world = World::two_accounts();
    let before = announced(&world.home);
    set(
        &world.home,
        &json!({"listen": "127.0.0.1:0", "allowed_hosts": ["router.test"]}),
    );
    hang_up(&world.router);
    answers_to(&world, "router.test").await;
    assert_eq!(announced(&world.home), before);
}
