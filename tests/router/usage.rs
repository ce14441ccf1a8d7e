//! How much of its limits each profile has used: read in passing, asked for, and kept.

use std::fs;

use fake_openai::{Fault, RecordedRequest, Usage};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Home, Router, World, access_token, fake, read_json, refresh_token, until, worker, write,
};

/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9/backend-api";

/// The usage of a profile in `list --json`.
fn usage_of(home: &Home, profile: &str) -> Value {
    home.listed(profile)["usage"].clone()
}

/// What is used of a window of this name, if it is known.
fn used(usage: &Value, name: &str) -> Option<f64> {
    let windows = usage["windows"].as_array()?;
    let window = windows.iter().find(|window| window["name"] == name)?;
    window["used_percent"].as_f64()
}

/// The questions for the quota of an account.
fn polls(world: &World, account: &str) -> Vec<RecordedRequest> {
    let asked = world.fake.requests_to("/wham/usage").into_iter();
    asked
        .filter(|request| request.account.as_deref() == Some(account))
        .collect()
}

/// Replaces the settings as every program of ours does.
fn set_state(home: &Home, state: &Value) {
    let path = home.path("router/state.json");
    codex_profiles::fs::atomic::write(&path, state.to_string().as_bytes()).unwrap();
}

/// A router that asks every second.
fn polling(fake: fake_openai::FakeOpenAi, profiles: &[(&str, Value)]) -> World {
    let home = Home::with(profiles);
    set_state(&home, &json!({"refresh_interval_seconds": 1}));
    let router = Router::start_with(&home, &fake, &[("CODEX_ROUTER_LOG", "trace")]);
    World { router, home, fake }
}

/// Waits until an account was asked for so many times, while somebody is at work: each time there
/// was a request whose answer tells of no limits.
async fn rounds(world: &World, account: &str, count: usize) {
    for round in 1..=count {
        let path = format!("/v1/models?client_version=0.{round}");
        assert_eq!(Answer::to(world.router.get(&path)).await.status, 200);
        until("a round", || polls(world, account).len() >= round).await;
    }
}

/// `codex-router ARGUMENTS`, with the servers of the fake.
fn run(world: &World, arguments: &[&str]) -> crate::harness::Ran {
    let environment = world.fake.environment();
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_ref()))
        .collect();
    world.home.run_with(arguments, &environment)
}

fn json_of(ran: &crate::harness::Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[tokio::test]
async fn an_answer_tells_the_quota_of_the_profile_that_served() {
    let world = World::two_accounts();
    let told = Usage::percent(55.5, 12.0)
        .extra("codex_other", "GPT-Next", 3.0)
        .credits("9.50");
    world.fake.set_usage("acct-work", told);
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    until("the reading", || {
        used(&usage_of(&world.home, "work"), "5h") == Some(55.5)
    })
    .await;

    let usage = usage_of(&world.home, "work");
    assert_eq!(used(&usage, "weekly"), Some(12.0));
    assert_eq!(used(&usage, "GPT-Next"), Some(3.0));
    assert_eq!(usage["binding"], "5h");
    assert_eq!(usage["source"], "headers");
    assert_eq!(usage["credits"]["balance"], "9.50");
    let window = &usage["windows"][0];
    assert_eq!(window["duration_seconds"], 18_000);
    for time in [&usage["read_at"], &window["read_at"], &window["resets_at"]] {
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    assert_eq!(usage_of(&world.home, "other"), Value::Null, "never read");
    assert!(world.fake.requests_to("/wham/usage").is_empty());
    let table = world.home.run(&["list"]).stdout;
    assert!(
        table.contains("5h 55% (") && table.contains("resets in 59m"),
        "{table}"
    );
}

#[tokio::test]
async fn a_refusal_tells_that_a_limit_is_reached_and_people_are_told_once() {
    let world = World::two_accounts();
    for _ in 0..2 {
        world.fake.fault(Fault::usage_limit_reached("plus", 600));
        assert_eq!(Answer::to(world.router.say("hello")).await.status, 429);
    }
    until("the reading", || {
        used(&usage_of(&world.home, "work"), "5h") == Some(100.0)
    })
    .await;
    let told = "profile `work` has reached its 5h limit";
    assert_eq!(world.router.printed().matches(told).count(), 1);
}

#[tokio::test]
async fn the_quota_survives_the_router_a_new_name_and_a_new_sign_in() {
    let mut world = World::two_accounts();
    world
        .fake
        .set_usage("acct-work", Usage::percent(77.0, 12.0));
    Answer::to(world.router.say("hello")).await;
    world.router.terminate();
    assert!(world.router.ended(crate::harness::PATIENCE).success());
    // Written at the end at the latest.
    assert_eq!(used(&usage_of(&world.home, "work"), "5h"), Some(77.0));

    assert_eq!(world.home.run(&["rename", "work", "mine"]).code, Some(0));
    world.home.add("mine", &world.fake.auth_json(&worker()));
    world.router = Router::start(&world.home, &world.fake);
    assert_eq!(used(&usage_of(&world.home, "mine"), "5h"), Some(77.0));
}

#[tokio::test]
async fn every_login_that_serves_is_asked_for_at_the_interval() {
    let fake = fake();
    let dead = fake.auth_json_expired(&fake.account("user-dead", "acct-dead"));
    fake.revoke(refresh_token(&dead));
    let profiles = [
        ("work", fake.auth_json(&worker())),
        (
            "other",
            fake.auth_json(&fake.account("user-other", "acct-other")),
        ),
        ("key", fake.api_key_auth_json("sk-key-of-the-test")),
        ("dead", dead),
    ];
    let world = polling(fake, &profiles);
    rounds(&world, "acct-other", 2).await;
    rounds(&world, "acct-work", 2).await;
    world
        .fake
        .set_usage("acct-other", Usage::percent(64.0, 5.0));
    until("the next one", || {
        used(&usage_of(&world.home, "other"), "5h") == Some(64.0)
    })
    .await;
    assert_eq!(usage_of(&world.home, "other")["source"], "poll");
    assert_eq!(usage_of(&world.home, "key"), Value::Null);
    assert!(polls(&world, "acct-dead").is_empty(), "it needs a login");

    let asked = &polls(&world, "acct-work")[0];
    let mut names: Vec<_> = asked.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let usual = ["accept", "host"];
    names.retain(|name| !usual.contains(name));
    assert_eq!(names, ["authorization", "chatgpt-account-id", "user-agent"]);
    assert!(
        asked
            .header("user-agent")
            .unwrap()
            .starts_with("codex_router/")
    );

    // What a person may see of it.
    let printed = world.router.printed();
    for (name, login) in &profiles[..2] {
        for secret in [access_token(login), refresh_token(login)] {
            assert!(!printed.contains(secret), "a token of {name}");
        }
    }
    let email = "user-work@example.com";
    assert!(!printed.contains(email));
    let kept = fs::read_to_string(world.home.path("router/usage.json")).unwrap();
    assert!(
        !kept.contains(email) && !kept.contains("acct-work"),
        "{kept}"
    );
}

#[tokio::test]
async fn nothing_is_asked_for_until_the_settings_allow_it() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let state = |enabled| json!({"auto_refresh_enabled": enabled, "refresh_interval_seconds": 1});
    set_state(&home, &state(false));
    let router = Router::start(&home, &fake);
    let world = World { router, home, fake };
    // Twice as long as the first question would take.
    let begun = std::time::Instant::now();
    until("some time", || begun.elapsed().as_secs() >= 2).await;
    assert!(polls(&world, "acct-work").is_empty());
    set_state(&world.home, &state(true));
    until("a question", || !polls(&world, "acct-work").is_empty()).await;
}

#[tokio::test]
async fn an_account_that_is_not_told_its_limits_is_left_alone() {
    let fake = fake();
    let refused = Fault::status(404)
        .json(json!({"detail": "Not Found"}))
        .path("/wham/usage")
        .account("acct-work")
        .always();
    fake.fault(refused);
    let profiles = [
        ("work", fake.auth_json(&worker())),
        (
            "other",
            fake.auth_json(&fake.account("user-other", "acct-other")),
        ),
    ];
    let world = polling(fake, &profiles);
    rounds(&world, "acct-other", 4).await;
    assert_eq!(polls(&world, "acct-work").len(), 1);
    assert_eq!(usage_of(&world.home, "work"), Value::Null);
}

#[tokio::test]
async fn the_end_of_a_limit_that_was_near_is_noticed_by_itself() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    fake.set_usage("acct-work", Usage::percent(90.0, 5.0).primary_resets_in(4));
    let router = Router::start_with(&home, &fake, &[("CODEX_ROUTER_LOG", "info")]);
    let world = World { router, home, fake };
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    world.fake.set_usage("acct-work", Usage::percent(1.0, 5.0));
    until("the question", || !polls(&world, "acct-work").is_empty()).await;
    until("the reading", || {
        used(&usage_of(&world.home, "work"), "5h") == Some(1.0)
    })
    .await;
    let printed = world.router.printed();
    for told in [
        "profile `work` has used 90% of its 5h limit",
        "the 5h limit of profile `work` has begun anew",
    ] {
        assert_eq!(printed.matches(told).count(), 1, "{told}: {printed}");
    }
    assert_eq!(polls(&world, "acct-work").len(), 1, "not before the reset");
}

#[tokio::test]
async fn a_limit_that_begins_anew_is_told_of_though_nothing_is_asked_for() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    set_state(&home, &json!({"auto_refresh_enabled": false}));
    fake.set_usage("acct-work", Usage::percent(90.0, 5.0).primary_resets_in(4));
    let router = Router::start_with(&home, &fake, &[("CODEX_ROUTER_LOG", "info")]);
    let world = World { router, home, fake };
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);
    let told = "the 5h limit of profile `work` has begun anew";
    until("the news", || world.router.printed().contains(told)).await;
    assert!(polls(&world, "acct-work").is_empty());
    assert_eq!(used(&usage_of(&world.home, "work"), "5h"), None);
}

#[tokio::test]
async fn the_command_asks_now_with_and_without_a_router() {
    let mut world = World::two_accounts();
    world
        .fake
        .set_usage("acct-work", Usage::percent(33.0, 4.0).extra("x", "X", 2.0));
    let usage = json_of(&run(&world, &["usage", "work", "--json"]));
    assert_eq!(used(&usage, "5h"), Some(33.0));
    assert_eq!(usage["source"], "poll");
    assert_eq!(used(&usage_of(&world.home, "work"), "5h"), Some(33.0));

    // The router has not asked, and does not undo what another program has read.
    world.fake.set_usage("acct-work", Usage::percent(34.0, 4.0));
    Answer::to(world.router.say("hello")).await;
    until("its own reading", || {
        used(&usage_of(&world.home, "work"), "5h") == Some(34.0)
    })
    .await;
    assert_eq!(used(&usage_of(&world.home, "work"), "X"), Some(2.0));

    world.router.kill();
    world.fake.set_usage("acct-other", Usage::percent(9.0, 8.0));
    let all = json_of(&run(&world, &["usage", "--json"]));
    let profiles = all["profiles"].as_array().unwrap();
    assert_eq!(profiles.len(), 2);
    assert_eq!(profiles[0]["name"], "other");
    assert_eq!(used(&profiles[0]["usage"], "weekly"), Some(8.0));
    assert_eq!(profiles[0]["error"], Value::Null);
    let table = run(&world, &["usage"]).stdout;
    let row = table.lines().find(|line| line.starts_with("work")).unwrap();
    let cells: Vec<_> = row.split("  ").filter(|cell| !cell.is_empty()).collect();
    let cells: Vec<_> = cells.iter().map(|cell| cell.trim()).collect();
    assert_eq!(cells[..3], ["work", "5h", "34%"], "{table}");
    assert_eq!(cells.last(), Some(&"now"), "{table}");
}

#[tokio::test]
async fn the_command_says_with_its_code_why_nothing_is_known() {
    let fake = fake();
    let dead = fake.auth_json_expired(&fake.account("user-dead", "acct-dead"));
    fake.revoke(refresh_token(&dead));
    let key = fake.api_key_auth_json("sk-key-of-the-test");
    let profiles = [
        ("work", fake.auth_json(&worker())),
        ("dead", dead),
        ("key", key),
    ];
    let world = World::with(fake, &profiles);
    for (name, code, said) in [
        ("nobody", 4, "nobody"),
        ("dead", 3, "codex-router login dead"),
        ("../x", 2, "separator"),
    ] {
        let ran = run(&world, &["usage", name]);
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.stderr);
        let has_said = ran.stderr.contains(said) || code == 2;
        assert!(has_said, "{name}: {}", ran.stderr);
    }
    let ran = run(&world, &["usage", "key"]);
    assert!(ran.stdout.contains("API key"), "{}", ran.stdout);
    assert_eq!(
        json_of(&run(&world, &["usage", "key", "--json"])),
        Value::Null
    );
    let ran = run(&world, &["usage"]);
    assert_eq!(ran.code, Some(0), "one of them was read: {}", ran.stderr);
    assert!(
        ran.stderr.contains("`dead` must log in again"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn without_the_upstream_the_last_reading_stays() {
    let world = World::two_accounts();
    assert_eq!(run(&world, &["usage", "work"]).code, Some(0));
    world.fake.set_usage("acct-work", Usage::percent(99.0, 9.0));
    let mut environment = world.fake.environment();
    for (name, value) in &mut environment {
        if *name == "CODEX_ROUTER_CHATGPT_BASE_URL" {
            NOBODY.clone_into(value);
        }
    }
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_ref()))
        .collect();
    let ran = world.home.run_with(&["usage", "work"], &environment);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("could not be reached"),
        "{}",
        ran.stderr
    );
    let ran = world.home.run_with(&["usage", "--json"], &environment);
    assert_eq!(ran.code, Some(1));
    let all: Value = serde_json::from_str(&ran.stdout).unwrap();
    let work = &all["profiles"][1];
    assert_eq!(used(&work["usage"], "5h"), Some(42.0), "as it was before");
    assert!(work["error"].is_string());
}

#[tokio::test]
async fn what_is_null_or_missing_stays_unknown() {
    let world = World::two_accounts();
    let answer = json!({"plan_type": "team", "rate_limit": {"allowed": true, "limit_reached": null,
        "primary_window": {"used_percent": 12, "limit_window_seconds": null, "reset_at": null},
        "secondary_window": null}, "credits": null, "additional_rate_limits": [{}, null],
        "rate_limit_reached_type": null, "spend_control": null});
    let fault = Fault::status(200).json(answer).path("/wham/usage");
    world.fake.fault(fault);
    let usage = json_of(&run(&world, &["usage", "work", "--json"]));
    let expected = json!([{"name": "primary", "duration_seconds": null, "used_percent": 12.0,
        "resets_at": null, "read_at": usage["read_at"]}]);
    assert_eq!(usage["windows"], expected);
    assert_eq!(usage["credits"], Value::Null);
    assert_eq!(world.home.listed("work")["plan"], "team");
}

#[tokio::test]
async fn asking_refreshes_nothing_twice() {
    let fake = fake();
    let login = fake.auth_json_expired(&worker());
    let world = World::with(fake, &[("work", login.clone())]);
    let commands = [["usage", "work"]; 3];
    std::thread::scope(|scope| {
        for arguments in &commands {
            let world = &world;
            scope.spawn(move || {
                let ran = run(world, arguments);
                assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            });
        }
    });
    assert_eq!(world.fake.refreshes().len(), 1);

    // A token that the backend does not take any more, whatever it says of itself.
    let current = read_json(&world.home.profile("work"));
    world.fake.expire_access_token(access_token(&current));
    let ran = run(&world, &["usage", "work"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(world.fake.refreshes().len(), 2);
    assert_eq!(world.fake.reuse_count(), 0);
}

#[tokio::test]
async fn a_broken_file_is_no_obstacle() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    home.keep_nothing_alive();
    write(&home.path("router/usage.json"), "{\"accounts\": {");
    let router = Router::start(&home, &fake);
    let world = World { router, home, fake };
    assert_eq!(usage_of(&world.home, "work"), Value::Null);
    Answer::to(world.router.say("hello")).await;
    until("a new one", || {
        used(&usage_of(&world.home, "work"), "5h") == Some(42.0)
    })
    .await;
}
