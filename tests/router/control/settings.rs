use serde_json::{Value, json};

use super::Script;
use crate::harness::{Answer, Router, World, read_json, until, write};

#[tokio::test]
async fn settings_are_shown_changed_and_kept_with_what_nobody_knows() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let path = world.home.path("router/state.json");
    let mut state = read_json(&path);
    state["novel"] = json!({"deep": [1, null]});
    write(&path, state.to_string());
    let settings = script.get("/api/settings").await.json();
    let now = world.router.address().to_string();
    assert_eq!(
        settings,
        json!({"listen": "127.0.0.1:9876", "listen_now": now, "refresh_interval_seconds": 600,
            "auto_refresh_enabled": false, "reasoning_format": "reasoning_content",
            "log_level": null, "language": "auto", "fallback": null, "model_rules": [],
            "allowed_hosts": [], "max_connections": 4096, "body_limit_bytes": 64 << 20})
    );
    let fallback = json!({"profiles": ["other"], "on_needs_login": true, "daily_requests": 7,
        "daily_tokens": null});
    let change = json!({"listen": "127.0.0.1:9877", "refresh_interval_seconds": 900,
        "reasoning_format": "think-tags", "language": "zh-CN", "fallback": fallback,
        "model_rules": [{"model": "gpt-5*", "profile": "other"}], "allowed_hosts": ["mini.lan"]});
    let changed = script.patch("/api/settings", &change).await.json();
    for (name, value) in change.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
        assert_eq!(&read_json(&path)[name], value, "{name}");
    }
    assert_eq!(read_json(&path)["novel"], json!({"deep": [1, null]}));
    assert_eq!(
        script.get("/api/overview").await.json()["language"],
        "zh-CN"
    );
    let off = script
        .patch("/api/settings", &json!({"fallback": null}))
        .await
        .json();
    assert_eq!(off["fallback"], Value::Null);
}

#[tokio::test]
async fn one_wrong_value_changes_nothing_and_is_named() {
    let world = World::two_accounts();
    let script = Script::of(&world);
    let before = script.get("/api/settings").await.json();
    for (name, value) in [
        ("listen", json!("0.0.0.0:9876")),
        ("refresh_interval_seconds", json!(1)),
        ("log_level", json!("loud")),
        ("language", json!("xx")),
        ("fallback", json!({"profiles": ["../x"]})),
        ("model_rules", json!([{"model": "m", "profile": "../x"}])),
        ("allowed_hosts", json!(["http://mini.lan"])),
        ("no_such_setting", json!(1)),
    ] {
        let change = json!({"auto_refresh_enabled": true, name: value});
        let refused = script.patch("/api/settings", &change).await;
        refused.error(400);
        assert_eq!(refused.json()["error"]["param"], name);
    }
    assert_eq!(script.get("/api/settings").await.json(), before);
}

#[tokio::test]
async fn the_log_follows_its_setting_at_once_and_at_the_next_start() {
    let mut world = World::two_accounts();
    let script = Script::of(&world);
    Answer::to(world.router.say("hello")).await;
    assert!(!world.router.printed().contains("DEBUG"));
    script
        .patch("/api/settings", &json!({"log_level": "debug"}))
        .await;
    Answer::to(world.router.say("hello")).await;
    until("a line of the log", || {
        world.router.printed().contains("DEBUG")
    })
    .await;

    world.router.kill();
    let again = Router::start(&world.home, &world.fake);
    Answer::to(again.say("hello")).await;
    until("a line of the log", || again.printed().contains("DEBUG")).await;
    // The environment says more.
    let quiet = [("CODEX_ROUTER_LOG", "error")];
    let quiet = Router::start_with(&world.home, &world.fake, &quiet);
    Answer::to(quiet.say("hello")).await;
    assert!(!quiet.printed().contains("DEBUG"));
}
