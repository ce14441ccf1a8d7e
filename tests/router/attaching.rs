//! Codex is attached by the smallest change of its settings, and detached to the very bytes.

use std::{fs, net::TcpListener};

use crate::harness::{Home, Router, World, fake, patiently, worker, write};

const CONFIG: &str =
    "\u{feff}# mine\r\nmodel = \"gpt-5.2-codex\" # fast\r\n\r\n[tui]\r\ntheme = 'x'";

fn text(home: &Home) -> String {
    fs::read_to_string(home.path("config.toml")).unwrap()
}

fn state(home: &Home) -> String {
    fs::read_to_string(home.path("router/state.json")).unwrap_or_default()
}

#[test]
fn attach_shows_the_difference_makes_it_and_detach_takes_it_back() {
    let home = Home::empty();
    write(&home.path("config.toml"), CONFIG);

    let shown = home.run(&["attach", "--dry-run"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let line = "+openai_base_url = \"http://127.0.0.1:9876/v1\"";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
    assert!(
        !shown.stdout.contains("theme"),
        "only what changes: {}",
        shown.stdout
    );
    assert_eq!((text(&home).as_str(), state(&home).as_str()), (CONFIG, ""));

    let attached = home.run(&["attach"]);
    assert!(attached.stdout.contains(line), "{}", attached.stdout);
    assert!(
        attached.stdout.contains("Restart it once"),
        "{}",
        attached.stdout
    );
    let expected = CONFIG.replace(
        "# fast\r\n",
        "# fast\r\nopenai_base_url = \"http://127.0.0.1:9876/v1\"\r\n",
    );
    assert_eq!(text(&home), expected);

    assert!(home.run(&["attach"]).stdout.contains("already"));
    assert_eq!(text(&home), expected);

    assert_eq!(home.run(&["detach", "--dry-run"]).code, Some(0));
    assert_eq!(text(&home), expected);
    assert_eq!(home.run(&["detach"]).code, Some(0));
    assert_eq!(text(&home), CONFIG);
    assert!(home.run(&["detach"]).stdout.contains("not attached"));
}

#[test]
fn the_router_that_runs_is_the_one_that_codex_is_led_to() {
    let world = World::two_accounts();
    let address = world.router.url("");
    let attached = world.home.run(&["attach"]);
    assert!(text(&world.home).contains(&format!("\"{address}/v1\"")));
    assert!(
        !attached.stdout.contains("No router serves"),
        "{}",
        attached.stdout
    );
}

#[test]
fn settings_that_codex_would_not_read_are_left_alone_and_the_place_is_named() {
    let home = Home::empty();
    write(&home.path("config.toml"), "a = 1\nkey = sk-planted\n");
    for command in ["attach", "detach"] {
        let ran = home.run(&[command]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains("line 2, column 7"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("planted"), "{}", ran.stderr);
    }
    assert_eq!(text(&home), "a = 1\nkey = sk-planted\n");
}

#[test]
fn what_an_earlier_run_left_is_named_when_the_router_starts() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    home.keep_nothing_alive();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = taken.local_addr().unwrap().to_string();
    let attached = home.run_with(&["attach"], &[("CODEX_ROUTER_LISTEN", &elsewhere)]);
    assert_eq!(attached.code, Some(0), "{}", attached.stderr);
    let says = |what: &str| {
        let router = Router::start(&home, &fake);
        let told = patiently(|| router.printed().contains(what).then_some(()));
        assert!(told.is_some(), "{}", router.printed());
    };
    says("another router than this one");
    drop(taken);
    says("where nobody answers");

    // What is not ours is named, and left alone.
    let foreign = "openai_base_url = \"http://ada:sk-planted@127.0.0.1:4000/v1\"\n";
    write(&home.path("config.toml"), foreign);
    says("Codex goes to http://127.0.0.1:4000/v1");
    assert_eq!(text(&home), foreign);
}

#[test]
fn keys_and_an_attachment_that_sends_none_do_not_go_together() {
    let home = Home::empty();
    assert_eq!(home.run(&["attach"]).code, Some(0));
    let created = home.run(&["key", "create", "laptop"]);
    assert!(
        created.stderr.contains("attach --provider"),
        "{}",
        created.stderr
    );
    assert_eq!(home.run(&["detach"]).code, Some(0));
    assert!(!home.path("config.toml").exists(), "it was made by us");

    let refused = home.run(&["attach"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("attach --provider"),
        "{}",
        refused.stderr
    );
    let attached = home.run(&["attach", "--provider"]);
    assert_eq!(attached.code, Some(0), "{}", attached.stderr);
    assert!(
        attached.stdout.contains("CODEX_ROUTER_KEY"),
        "{}",
        attached.stdout
    );
    assert!(text(&home).contains("env_key = \"CODEX_ROUTER_KEY\""));
}
