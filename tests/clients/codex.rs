//! The real Codex CLI, told of the router by `openai_base_url` and by nothing else.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fake_openai::{FakeOpenAi, Fault, RecordedRequest};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::{Outcome, command, installed, run};
use crate::stage::{Backend, KEY, Stage};
use crate::tap::Tap;

const LIMIT: Duration = Duration::from_mins(1);
const UPGRADE: &[u8] = b"GET /v1/responses HTTP/1.1\r\n";
const POST: &[u8] = b"POST /v1/responses HTTP/1.1\r\n";

/// The CLI in a home and a project of its own.
struct Codex {
    tap: Tap,
    home: TempDir,
    project: TempDir,
}

impl Codex {
    /// With a login of its own, which is none of the router's.
    fn signed_in(stage: &Stage) -> Self {
        let codex = Self::signed_out(stage);
        let login = stage
            .fake
            .auth_json(&stage.fake.account("user-cli", "acct-cli"));
        write(&codex.home.path().join("auth.json"), &login.to_string());
        codex
    }

    fn signed_out(stage: &Stage) -> Self {
        let tap = Tap::on(stage.address());
        let home = TempDir::new().unwrap();
        let config = format!("openai_base_url = \"http://{}/v1\"\n", tap.address);
        write(&home.path().join("config.toml"), &config);
        Self {
            tap,
            home,
            project: TempDir::new().unwrap(),
        }
    }

    /// `codex exec …`, which prints the final answer on standard output.
    fn exec(&self, arguments: &[&str]) -> Outcome {
        run(&mut self.command(arguments), LIMIT).succeeded("codex exec")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut codex = command(installed("node_modules/.bin/codex"));
        codex
            .env("HOME", self.project.path())
            .env("CODEX_HOME", self.home.path())
            .env("RUST_LOG", "warn")
            .current_dir(self.project.path())
            .args(["exec", "--skip-git-repo-check"])
            // The test's own folder is all there is to touch.
            .arg("--dangerously-bypass-approvals-and-sandbox")
            .args(arguments);
        codex
    }

    /// The same, whether it succeeds or not.
    fn attempts(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
        let mut codex = self.command(arguments);
        run(codex.envs(environment.iter().copied()), LIMIT)
    }

    /// `codex-router …` on the home of this Codex, for a router at this address.
    fn router(&self, arguments: &[&str], address: &str) {
        let mut router = crate::harness::program();
        router
            .env("CODEX_HOME", self.home.path())
            .env("CODEX_ROUTER_LISTEN", address)
            .args(arguments);
        run(&mut router, LIMIT).succeeded("codex-router");
    }

    fn asks(&self, arguments: &[&str], expected: &str) {
        let outcome = self.exec(arguments);
        assert_eq!(outcome.stdout.trim_end(), expected, "{}", outcome.stderr);
    }

    /// The models that the CLI could read and has kept.
    fn known_models(&self) -> Vec<Value> {
        let kept = std::fs::read(self.home.path().join("models_cache.json"));
        let kept = kept.expect("the CLI has kept the list, as it does with one it can read");
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        kept["models"].as_array().unwrap().clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file of a test need not survive a crash"
)]
fn write(path: &Path, contents: &str) {
    std::fs::write(path, contents).unwrap();
}

/// What `codex` prints of the answer of the fake to the output of a tool.
fn said(call: &RecordedRequest) -> String {
    call.json["input"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .to_string()
}

#[test]
fn codex_is_answered_by_the_profile_and_not_by_its_own_login() {
    let stage = Stage::new(Backend::ChatGpt);
    let codex = Codex::signed_in(&stage);
    codex.asks(&["good morning"], "You said: good morning");
    stage.served_by("acct-work");

    // Over WebSocket, by itself: one connection, its prewarm continued by the turn.
    assert_eq!(codex.tap.count(UPGRADE), 1);
    assert_eq!(codex.tap.count(POST), 0);
    let call = stage.model_call();
    assert_eq!(call.method, "MESSAGE");
    assert!(call.json["previous_response_id"].is_string(), "{call:?}");
    assert_eq!(call.header("originator"), Some("codex_exec"));

    // The catalogue is the upstream's. One that it cannot read is asked for about five times.
    let known = codex.known_models();
    assert!(
        known.iter().any(|model| model["slug"] == "gpt-5.2-codex"),
        "{known:?}"
    );
    assert!(codex.tap.count(b"GET /v1/models?client_version=0.169.0 ") <= 2);
}

/// Either side agrees with the router for itself: here the CLI always does.
#[test]
fn codex_compresses_and_the_router_as_the_upstream_agrees() {
    for (upstream, agrees) in [
        (None, false),
        (Some("permessage-deflate"), true),
        (
            Some("permessage-deflate; client_max_window_bits=10; server_no_context_takeover"),
            true,
        ),
    ] {
        let fake = FakeOpenAi::builder().websocket_compression(upstream);
        let stage = Stage::with(Backend::ChatGpt, fake);
        let codex = Codex::signed_in(&stage);
        codex.asks(&["good morning"], "You said: good morning");
        let messages = stage.fake.requests().into_iter();
        let messages = messages.filter(|request| request.method == "MESSAGE");
        let said: usize = messages.map(|message| message.raw.len()).sum();
        assert_eq!(codex.tap.count(POST), 0, "{upstream:?}");
        assert!(codex.tap.bytes() < said, "{} of {said}", codex.tap.bytes());
        let (received, _) = stage.fake.socket_bytes();
        assert_eq!(
            received < said,
            agrees,
            "{upstream:?}: {received} of {said}"
        );
    }
}

/// 426 is accepted at once: any other refusal would be tried seven times.
#[test]
fn codex_uses_http_where_the_upstream_has_no_websocket() {
    let stage = Stage::new(Backend::ChatGpt);
    stage.fake.fault(Fault::status(404).on_upgrade().always());
    let codex = Codex::signed_in(&stage);
    codex.asks(&["good morning"], "You said: good morning");
    assert_eq!(codex.tap.count(UPGRADE), 1);
    assert_eq!(codex.tap.count(POST), 1);

    // The compressed body went through as it was, and with it what only Codex sends.
    let call = stage.model_call();
    assert_eq!(call.header("content-encoding"), Some("zstd"));
    assert_eq!(call.header("originator"), Some("codex_exec"));
    assert_eq!(codex.tap.count(&call.raw), 1, "the body was changed");
}

/// Each fault hits the first turn, after its prewarm; Codex then connects anew.
#[test]
fn codex_goes_on_after_a_broken_connection() {
    for fault in [Fault::cut_after(3), Fault::close_after(3, 1012, "restart")] {
        let stage = Stage::new(Backend::ChatGpt);
        stage.fake.fault(fault);
        let codex = Codex::signed_in(&stage);
        codex.asks(&["good morning"], "You said: good morning");
        assert_eq!(codex.tap.count(UPGRADE), 2);
        assert_eq!(codex.tap.count(POST), 0);
        assert_eq!(stage.fake.model_calls().len(), 2);
    }
}

/// The switch is made by the shell command that the model calls, in the middle of the session.
#[test]
fn codex_follows_a_switch_within_a_session() {
    let stage = Stage::new(Backend::ChatGpt);
    let codex = Codex::signed_in(&stage);
    let switch = format!(
        "call exec_command {}",
        json!({"cmd": stage.switching_command("other")})
    );
    let outcome = codex.exec(&["--model", "gpt-5.5", &switch]);
    assert!(
        outcome.stdout.starts_with("The tool answered: "),
        "{outcome:?}"
    );
    let accounts: Vec<_> = stage
        .fake
        .model_calls()
        .into_iter()
        .map(|it| it.account)
        .collect();
    let [work, other] = ["acct-work", "acct-other"].map(|it| Some(it.to_owned()));
    assert_eq!(accounts, [work, other]);
    assert_eq!(codex.tap.count(UPGRADE), 2);
    assert_eq!(codex.tap.count(POST), 0);
}

#[test]
fn codex_runs_shell_commands() {
    // The older model calls the shell itself, the newer one by way of a script.
    let turns = [
        (
            "gpt-5.5",
            r#"call exec_command {"cmd":"echo it-is-$((6*7))"}"#,
        ),
        (
            "gpt-6.1-sol",
            r#"call exec text((await tools.exec_command({cmd: "echo it-is-$((6*7))"})).output)"#,
        ),
    ];
    for (model, prompt) in turns {
        let stage = Stage::new(Backend::ChatGpt);
        let outcome = Codex::signed_in(&stage).exec(&["--model", model, prompt]);
        let calls = stage.fake.model_calls();
        assert_eq!(calls.len(), 2, "{model}: {outcome:?}");
        assert!(!said(&calls[0]).contains("it-is-42"), "{model}");
        assert!(
            said(&calls[1]).contains("it-is-42"),
            "{model}: {}",
            said(&calls[1])
        );
        let stdout = &outcome.stdout;
        assert!(
            stdout.starts_with("The tool answered: "),
            "{model}: {stdout}"
        );
        assert!(stdout.contains("it-is-42"), "{model}: {stdout}");
        stage.served_by("acct-work");
    }
}

#[test]
fn codex_needs_no_login_of_its_own() {
    let stage = Stage::new(Backend::ChatGpt);
    let codex = Codex::signed_out(&stage);
    codex.asks(&["good morning"], "You said: good morning");
    assert_eq!(codex.tap.count(b"authorization: "), 0);
    assert_eq!(codex.tap.count(UPGRADE), 1);
    stage.served_by("acct-work");
}

#[test]
fn codex_goes_on_with_its_conversation_on_the_profile_that_was_chosen() {
    let stage = Stage::new(Backend::ChatGpt);
    let codex = Codex::signed_in(&stage);
    codex.asks(
        &["this is the first turn"],
        "You said: this is the first turn",
    );
    stage.served_by("acct-work");

    stage.choose("other");
    stage.fake.forget_requests();
    codex.asks(
        &["resume", "--last", "and the second"],
        "You said: and the second",
    );
    stage.served_by("acct-other");
    let sent = stage.model_call().json["input"].to_string();
    assert!(sent.contains("this is the first turn"), "{sent}");
}

#[test]
fn codex_works_with_an_api_key_profile() {
    for signed_in in [true, false] {
        let stage = Stage::new(Backend::ApiKey);
        let codex = if signed_in {
            Codex::signed_in(&stage)
        } else {
            Codex::signed_out(&stage)
        };
        codex.asks(&["good morning"], "You said: good morning");
        stage.served_as_it_should();
        assert_eq!(codex.tap.count(UPGRADE), 1);
        assert!(codex.tap.count(b"GET /v1/models?") <= 2);
    }
}

/// Its encrypted reasoning belongs to the account that it leaves.
#[test]
fn codex_takes_a_conversation_with_reasoning_to_another_account() {
    let stage = Stage::new(Backend::ChatGpt);
    let codex = Codex::signed_in(&stage);
    codex.asks(&["think first"], "You said: think first");
    stage.choose("other");
    stage.fake.forget_requests();
    codex.asks(&["resume", "--last", "and now"], "You said: and now");
    stage.served_by("acct-other");
}

/// A session that was begun without the router goes on with it, and without it again.
#[test]
fn codex_is_attached_by_a_command_keeps_its_sessions_and_is_detached_to_the_same_bytes() {
    let stage = Stage::new(Backend::ChatGpt);
    let codex = Codex::signed_out(&stage);
    let key = stage.fake.api_key_auth_json(KEY).to_string();
    write(&codex.home.path().join("auth.json"), &key);
    let config = codex.home.path().join("config.toml");
    // In the place of OpenAI's own address, where no test goes.
    let direct = format!(
        "# mine\nopenai_base_url = '{}' # until now\n\n[history]\npersistence = \"save-all\"",
        stage.fake.openai_base_url()
    );
    write(&config, &direct);
    codex.asks(&["without it"], "You said: without it");
    let with_own_key = |call: &RecordedRequest| call.bearer() == Some(KEY);
    assert!(stage.fake.model_calls().iter().all(with_own_key));

    stage.fake.forget_requests();
    let tapped = codex.tap.address.to_string();
    codex.router(&["attach"], &tapped);
    codex.asks(&["resume", "--last", "with it"], "You said: with it");
    stage.served_by("acct-work");
    let sent = stage.model_call().json["input"].to_string();
    assert!(sent.contains("without it"), "the session goes on: {sent}");

    codex.router(&["detach"], &tapped);
    assert_eq!(std::fs::read_to_string(&config).unwrap(), direct);
    stage.fake.forget_requests();
    codex.asks(&["resume", "--last", "and again"], "You said: and again");
    let calls = stage.fake.model_calls();
    assert!(calls.iter().all(with_own_key), "{calls:?}");
    assert!(
        calls
            .iter()
            .any(|call| call.json["input"].to_string().contains("with it"))
    );
}

/// Attached as a provider of its own, with the key in the variable that the settings name.
#[test]
fn codex_sends_a_client_key_where_keys_are_required() {
    let stage = Stage::new(Backend::ChatGpt);
    let key = stage.create_key("codex");
    let codex = Codex::signed_in(&stage);
    let refused = codex.attempts(&["good morning"], &[]);
    assert!(!refused.status.success());
    assert!(
        refused.stderr.contains("codex-router attach --provider"),
        "{}",
        refused.stderr
    );
    assert!(
        stage.fake.refreshes().is_empty(),
        "Codex keeps its own login"
    );
    assert!(stage.fake.model_calls().is_empty());

    write(&codex.home.path().join("config.toml"), "");
    stage.share_keys(codex.home.path());
    codex.router(&["attach", "--provider"], &codex.tap.address.to_string());
    let answered = codex.attempts(&["good morning"], &[("CODEX_ROUTER_KEY", &key)]);
    assert_eq!(
        answered.stdout.trim_end(),
        "You said: good morning",
        "{}",
        answered.stderr
    );
    stage.served_by("acct-work");
}
