//! The real Codex CLI and two routers share one home: one `auth.json`, renewed again and again while
//! the CLI runs.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use codex_auth::Issuer;
use codex_auth::refresh::{RefreshReason, TokenEndpoint};
use codex_profiles::{CodexHome, ProfileName, ProfileStore};
use fake_openai::{Account, FakeOpenAi, RefreshOutcome};
use tokio::runtime::Runtime;

use crate::child::{Outcome, command, installed, run};
use crate::harness::{Home, Router};

const LIMIT: Duration = Duration::from_mins(1);
const EXPIRIES: usize = 24;
const BETWEEN_EXPIRIES: Duration = Duration::from_millis(400);

/// A CLI in the router's own home, with its model calls going through the router.
fn codex(home: &Path, fake: &FakeOpenAi, arguments: &[&str]) -> Outcome {
    let mut codex: Command = command(installed("node_modules/.bin/codex"));
    codex
        .env("HOME", home)
        .env("CODEX_HOME", home)
        .env("RUST_LOG", "warn")
        .envs(fake.environment())
        .current_dir(home)
        .args(arguments);
    run(&mut codex, LIMIT).succeeded("codex")
}

#[test]
fn codex_never_has_to_refresh_a_login_that_routers_renew_beside_it() {
    let fake = FakeOpenAi::builder().start_on_own_thread().unwrap();
    let login = fake.auth_json(&Account::new("user-work", "acct-work"));
    let home = Home::with(&[("work", login)]);
    let router = Router::start(&home, &fake);
    let config = format!("openai_base_url = \"{}\"\n", router.url("/v1"));
    codex_profiles::fs::atomic::write(&home.path("config.toml"), config.as_bytes()).unwrap();
    let folder = home.path("");

    thread::scope(|scope| {
        let renewing = scope.spawn(|| renew_again_and_again(&folder, &fake));
        while !renewing.is_finished() {
            asks(&folder, &fake);
            is_logged_in(&folder, &fake);
        }
        renewing.join().unwrap();
    });

    asks(&folder, &fake);
    assert_rotated_by_routers(&fake);
}

/// A second router, which renews the login; each time the access token before it is over at once.
fn renew_again_and_again(home: &Path, fake: &FakeOpenAi) {
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(fake.issuer_url()));
    let store = ProfileStore::open(CodexHome::at(home)).unwrap();
    let store = store.with_token_endpoint(endpoint);
    let work = ProfileName::parse("work").unwrap();
    let runtime = Runtime::new().unwrap();
    for _ in 0..EXPIRIES {
        let before = fake.refreshes().pop().and_then(|refresh| refresh.issued);
        let renewed = store.refresh_profile(&work, RefreshReason::Forced);
        runtime.block_on(renewed).unwrap();
        if let Some(before) = before {
            fake.expire_access_token(&before.access_token);
        }
        thread::sleep(BETWEEN_EXPIRIES);
    }
}

fn asks(home: &Path, fake: &FakeOpenAi) {
    let exec = [
        "exec",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "good morning",
    ];
    let outcome = codex(home, fake, &exec);
    assert_eq!(
        outcome.stdout.trim_end(),
        "You said: good morning",
        "{outcome:?}"
    );
}

fn is_logged_in(home: &Path, fake: &FakeOpenAi) {
    let status = codex(home, fake, &["login", "status"]);
    let said = format!("{}{}", status.stdout, status.stderr);
    assert!(said.contains("Logged in using ChatGPT"), "{said}");
}

/// Every token was posted once, and none by Codex.
fn assert_rotated_by_routers(fake: &FakeOpenAi) {
    let refreshes = fake.refreshes();
    assert!(refreshes.len() >= EXPIRIES, "only {}", refreshes.len());
    for refresh in refreshes {
        assert_eq!(refresh.outcome, RefreshOutcome::Rotated, "{refresh:?}");
    }
    for request in fake.requests_to("/oauth/token") {
        assert_ne!(
            request.header("originator"),
            Some("codex_exec"),
            "{request:?}"
        );
    }
}
