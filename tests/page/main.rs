//! The page in a real browser, over the real program, against the fake OpenAI.
//!
//! `scripts/setup test` installs what drives the browser. The promises are in `specs/`, a file for
//! each subject; a file starts one browser, and each of its tests has a home and a router of its
//! own, unless it says otherwise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../clients/child.rs"]
#[expect(dead_code, reason = "the tests of clients use more of it")]
mod child;
#[path = "../router/harness.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod harness;

use std::{fs::File, path::PathBuf, process::Command, time::Duration};

use child::{command, installed, run};
use harness::{fake, program};

/// A file of specs takes some ten seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(150);

/// Runs one file of specs to its end.
fn specs(name: &str) {
    let fake = fake();
    let home = tempfile::tempdir().unwrap();
    run(
        node(name)
            .envs(fake.environment())
            .env("FAKE_OPENAI", format!("http://{}", fake.address()))
            .env("CODEX_ROUTER_BIN", program().get_program())
            // The browser leaves its things here.
            .env("HOME", home.path())
            .env("TMPDIR", home.path()),
        LIMIT,
    )
    .succeeded(name);
}

fn node(name: &str) -> Command {
    let mut command = command(installed(".venv/bin/node"));
    command.arg(folder().join("specs").join(format!("{name}.mjs")));
    command
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("page")
}

#[test]
fn profiles_are_shown_switched_changed_removed_and_brought_back() {
    specs("profiles");
}

#[test]
fn accounts_are_added_and_renewed_in_every_way() {
    let _ports = callback_ports();
    specs("signing_in");
}

/// The right to the ports to which a sign-in in the browser comes back: a machine has them once.
fn callback_ports() -> File {
    let path = std::env::temp_dir().join("codex-router-tests-callback-port.lock");
    let lock = File::options().create(true).append(true).open(path);
    let lock = lock.unwrap();
    lock.lock().unwrap();
    lock
}

#[test]
fn requests_are_listed_as_they_happen() {
    specs("requests");
}

#[test]
fn settings_are_kept_as_they_are_changed() {
    specs("settings");
}

#[test]
fn the_page_comes_back_by_itself_or_says_how_to_open_it() {
    specs("connection");
}

#[test]
fn the_page_can_be_used_by_everybody_on_every_screen() {
    specs("looks");
}

#[test]
fn pages_of_other_origins_get_nothing() {
    specs("attack");
}
