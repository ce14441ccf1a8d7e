//! Settings on the command line, by the same rules as everywhere.

use serde_json::{Value, json};

use crate::harness::{Home, World, read_json, until, write};

fn state(home: &Home) -> Value {
    read_json(&home.path("router/state.json"))
}

fn set(home: &Home, key: &str, value: &str) {
    let ran = home.run(&["config", "set", key, value]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

fn get(home: &Home, key: &str) -> String {
    let ran = home.run(&["config", "get", key]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout.trim_end().to_owned()
}

#[test]
fn a_setting_is_shown_changed_and_taken_back_and_what_nobody_knows_survives() {
    let home = Home::empty();
    write(
        &home.path("router/state.json"),
        r#"{"novel":{"deep":1.10}}"#,
    );
    let rules = r#"[{"model":"gpt-5*","profile":"work"}]"#;
    for (key, default, value) in [
        ("listen", "127.0.0.1:9876", "127.0.0.1:9900"),
        ("allowed_hosts", "[]", r#"["mini.lan"]"#),
        ("refresh_interval_seconds", "600", "900"),
        ("auto_refresh_enabled", "true", "false"),
        ("reasoning_format", "reasoning_content", "none"),
        ("log_level", "null", "debug"),
        ("language", "auto", "zh-CN"),
        ("model_rules", "[]", rules),
        ("max_connections", "4096", "64"),
        ("body_limit_bytes", "67108864", "1048576"),
    ] {
        assert_eq!(get(&home, key), default, "{key}");
        set(&home, key, value);
        assert_eq!(get(&home, key), value, "{key}");
        assert!(!state(&home)[key].is_null(), "{key}");
        assert_eq!(home.run(&["config", "unset", key]).code, Some(0));
        assert_eq!(get(&home, key), default, "{key}");
        assert!(state(&home).get(key).is_none(), "{key}");
    }
    set(&home, "fallback", r#"{"profiles":["key"]}"#);
    assert_eq!(state(&home)["fallback"]["daily_requests"], 200);
    set(&home, "fallback", "null");
    assert_eq!(get(&home, "fallback"), "null");
    assert_eq!(state(&home)["novel"], json!({"deep": 1.10}));
}

#[test]
fn a_wrong_value_is_a_wrong_call_which_says_what_is_allowed_and_changes_nothing() {
    let home = Home::empty();
    for (key, value, said) in [
        ("listen", "here", "an address such as"),
        ("listen", "0.0.0.0:1", "there is no client key"),
        ("refresh_interval_seconds", "1", "30 to 86400"),
        ("auto_refresh_enabled", "perhaps", "true or false"),
        ("log_level", "loud", "error, warn"),
        ("language", "xx", "zh-CN"),
        ("max_connections", "0", "16 to 65536"),
        ("body_limit_bytes", "64M", "65536 to"),
        ("model_rules", "[{}]", "a list such as"),
        ("allowed_hosts", "mini.lan", "a list of the names"),
        ("fallback", r#"{"profiles":[]}"#, "names no profile"),
        ("client_keys", "[]", "no such setting"),
    ] {
        let ran = home.run(&["config", "set", key, value]);
        assert_eq!(ran.code, Some(2), "{key}");
        assert!(ran.stderr.contains(said), "{key}: {}", ran.stderr);
    }
    for key in ["client_keys", "lsten"] {
        assert_eq!(home.run(&["config", "unset", key]).code, Some(2));
        assert_eq!(home.run(&["config", "get", key]).code, Some(2));
    }
    assert!(!home.path("router/state.json").exists());
}

#[test]
fn whoever_has_a_client_key_may_listen_in_the_network() {
    let home = Home::empty();
    assert_eq!(home.run(&["key", "create", "editor"]).code, Some(0));
    set(&home, "listen", "0.0.0.0:9876");
    assert_eq!(get(&home, "listen"), "0.0.0.0:9876");
}

#[test]
fn all_settings_are_shown_with_their_defaults() {
    let home = Home::empty();
    set(&home, "language", "en");
    let shown = home.run(&["config", "get"]).stdout;
    assert!(
        shown.contains("language") && shown.contains("default: auto"),
        "{shown}"
    );
    let json: Value = serde_json::from_str(&home.run(&["config", "get", "--json"]).stdout).unwrap();
    let all = json["settings"].as_array().unwrap();
    let language = all.iter().find(|it| it["name"] == "language").unwrap();
    let expected = json!({"name": "language", "value": "en", "default": "auto", "is_set": true,
        "change_counts": "at_once"});
    assert_eq!(*language, expected);
}

#[tokio::test]
async fn a_router_that_runs_goes_by_it_at_once_or_it_is_said_when() {
    let world = World::two_accounts();
    set(&world.home, "log_level", "debug");
    world.router.say("hello").send().await.unwrap();
    until("a line of the log", || {
        world.router.printed().contains("DEBUG")
    })
    .await;
    let ran = world
        .home
        .run(&["config", "set", "listen", "127.0.0.1:9900"]);
    assert!(ran.stderr.contains("next start"), "{}", ran.stderr);
    // A wrong call is one, whether or not a router runs.
    let open = world.home.run(&["config", "set", "listen", "0.0.0.0:1"]);
    assert_eq!(open.code, Some(2), "{}", open.stderr);
    let rule = r#"[{"model":"*","profile":"nobody"}]"#;
    let ran = world.home.run(&["config", "set", "model_rules", rule]);
    assert!(ran.stderr.contains("no profile `nobody`"), "{}", ran.stderr);
    assert_eq!(
        world.router.say("hello").send().await.unwrap().status(),
        404
    );
    assert_eq!(
        world.home.run(&["config", "unset", "model_rules"]).code,
        Some(0)
    );
    assert_eq!(
        world.router.say("hello").send().await.unwrap().status(),
        200
    );
}

#[test]
fn shells_and_manuals_are_told_of_every_command() {
    let home = Home::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = home.run(&["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains("sign-out"), "{shell}");
    }
    assert_eq!(home.run(&["completions", "cmd"]).code, Some(2));
    let page = home.run(&["man"]).stdout;
    assert!(page.contains(".TH codex-router 1"), "{page}");
    let folder = home.path("man");
    assert_eq!(home.run(&["man", folder.to_str().unwrap()]).code, Some(0));
    for page in [
        "codex-router.1",
        "codex-router-serve.1",
        "codex-router-config-set.1",
    ] {
        assert!(folder.join(page).exists(), "{page}");
    }
}
