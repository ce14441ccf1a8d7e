use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fs::atomic;

const TIME: &str = "2026-11-23T12:00:00Z";

fn home() -> (tempfile::TempDir, CodexHome) {
    let folder = tempfile::tempdir().unwrap();
    let home = CodexHome::at(folder.path());
    (folder, home)
}

fn put(path: &Path, contents: &str) {
    atomic::write(path, contents.as_bytes()).unwrap();
}

fn api_key(key: &str) -> String {
    json!({"auth_mode": "apikey", "OPENAI_API_KEY": key}).to_string()
}

/// What is found of one check.
fn found(home: &CodexHome, check: Check) -> Vec<Finding> {
    let mut found = examine(home, &Surroundings::default());
    found.retain(|finding| finding.check() == check);
    found
}

#[track_caller]
fn only(home: &CodexHome, check: Check) -> Finding {
    let found = found(home, check);
    let [finding] = &found[..] else {
        panic!("{found:?}");
    };
    finding.clone()
}

#[test]
fn an_empty_home_has_no_problem_and_is_not_made() {
    let (folder, _) = home();
    let home = CodexHome::at(folder.path().join("none"));
    let findings = examine(&home, &Surroundings::default());
    let bad = |finding: &&Finding| finding.state() > Severity::Info;
    assert_eq!(findings.iter().find(bad), None);
    assert!(!home.root().exists());
}

#[test]
fn what_is_called_by_a_fingerprint_is_found_by_its_folder() {
    let (_folder, home) = home();
    let name = format!("{}.rescue.json.broken-1", "0123456789abcdef".repeat(4));
    put(&home.journal().join(name), "torn");
    let finding = only(&home, Check::FilesSetAside);
    let remedy = finding.remedy().unwrap();
    assert!(remedy.contains("journal"), "{remedy}");
    assert!(!remedy.contains("[hidden]"), "{remedy}");
}

#[test]
fn what_was_set_aside_is_named_until_somebody_removes_it() {
    let (_folder, home) = home();
    let aside = home.router().join("state.json.broken-1795400000000000000");
    put(&aside, "torn");
    let finding = only(&home, Check::FilesSetAside);
    assert_eq!(finding.state(), Severity::Warning);
    assert!(finding.remedy().unwrap().contains("state.json.broken-1795"));
    std::fs::remove_file(aside).unwrap();
    assert_eq!(only(&home, Check::FilesSetAside).state(), Severity::Ok);
}

#[test]
fn a_refresh_that_was_cut_short_is_told_by_what_is_known_of_its_answer() {
    let (_folder, home) = home();
    let work = ProfileName::parse("work").unwrap();
    put(&home.auth_json_of(&work), &api_key("k"));
    let token = "0123abcd".repeat(8);
    let intent = json!({"profile": "work", "token_fingerprint": token, "attempts": 1,
        "at": TIME, "pid": 1});
    put(&home.refresh_intent(&token), &intent.to_string());
    for (rescue, says) in [
        ("   ".to_owned(), "was lost"),
        (api_key("new"), "not in place yet"),
        ("{torn".to_owned(), "cannot be understood"),
    ] {
        put(&home.refresh_rescue(&token), &rescue);
        let finding = only(&home, Check::Journal);
        let message = finding.message();
        assert!(
            message.contains("`work`") && message.contains(says),
            "{message}"
        );
        assert_eq!(finding.state(), Severity::Warning);
    }
    // Whoever holds its lock is at it.
    let lock = home.refresh_lock(&token);
    let limit = std::time::Duration::ZERO;
    let _held = crate::fs::lock::FileLock::acquire(&lock, 0o600, limit).unwrap();
    let found = Look::at(&home, &Surroundings::default()).journal();
    assert_eq!(found[0].state(), Severity::Info);
}

#[test]
fn a_key_of_a_profile_that_holds_another_login_by_now_is_a_problem() {
    let (_folder, home) = home();
    let work = ProfileName::parse("work").unwrap();
    put(&home.auth_json_of(&work), &api_key("old"));
    let login = Disk::new(home.clone()).profile(&work).unwrap();
    let identity = login.identity().fingerprint();
    let key = json!({"name": "laptop", "sha256": "00", "profile": "work", "identity": identity,
        "created_at": null, "last_used_at": null});
    put(
        &home.state_json(),
        &json!({"client_keys": [key]}).to_string(),
    );
    assert_eq!(only(&home, Check::ClientKeys).state(), Severity::Ok);

    put(&home.auth_json_of(&work), &api_key("new"));
    let finding = only(&home, Check::ClientKeys);
    assert_eq!(finding.state(), Severity::Problem);
    assert!(finding.message().contains("another login"));
}

#[test]
fn a_login_that_is_in_two_homes_is_told_of() {
    let (folder, home) = home();
    let login = json!({"tokens": {"id_token": "e30.e30.c2ln", "access_token": "e30.e30.c2ln",
        "refresh_token": "r"}});
    let other = folder.path().join("other");
    put(&home.auth_json(), &login.to_string());
    put(&other.join("auth.json"), &login.to_string());
    let surroundings = Surroundings {
        chosen: Some(home.root().to_owned()),
        codex_home: Some(other),
        ..Surroundings::default()
    };
    let mut findings = examine(&home, &surroundings);
    findings.retain(|finding| finding.check() == Check::SharedLogins);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].state(), Severity::Warning);
}

/// Tokens, keys and addresses as they are found in the wild.
fn secret() -> impl Strategy<Value = String> {
    let random =
        prop::collection::vec(any::<u8>(), 32..80).prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    prop_oneof![
        "sk-[a-zA-Z0-9_-]{12,40}",
        "sk-proj-[a-zA-Z0-9]{12,40}",
        "rt_[a-zA-Z0-9]{12,64}",
        "crk_[a-zA-Z0-9]{12,43}",
        "[a-z]{3,9}\\.[a-z]{3,9}@[a-z]{3,9}\\.(com|example)",
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}",
        random.clone(),
        (random.clone(), random)
            .prop_map(|(claims, signature)| format!("eyJ{claims}.eyJ{claims}.{signature}")),
    ]
}

/// A home that holds this text in every field of every file, and in names of files too.
fn planted(home: &CodexHome, secret: &str) {
    let login = json!({
        "auth_mode": secret, "OPENAI_API_KEY": secret, "last_refresh": secret, "novel": secret,
        "tokens": {"id_token": secret, "access_token": secret, "refresh_token": secret,
            "account_id": secret},
        "oauth_provenance": {"issuer": secret, "client_id": secret},
    });
    put(&home.auth_json(), &login.to_string());
    for (name, login) in [
        ("work", login.to_string()),
        ("key", api_key(secret)),
        ("torn", format!("{{\"tokens\": {secret}}}")),
        (file_name(secret), login.to_string()),
    ] {
        put(&home.profiles().join(name).join("auth.json"), &login);
    }
    put(&home.current_profile(), secret);
    put(&home.config_toml(), &config(secret));
    put(&home.state_json(), &state(secret).to_string());
    let switch = json!({"from": secret, "to": secret, "at": TIME, "pid": 1, "novel": secret});
    put(&home.switch_intent(), &switch.to_string());
    let token = "0123abcd".repeat(8);
    let intent = json!({"profile": secret, "token_fingerprint": secret, "attempts": 1,
        "at": TIME, "pid": 1});
    put(&home.refresh_intent(&token), &intent.to_string());
    put(&home.refresh_rescue(&token), secret);
    for path in [
        home.control_token(),
        home.control_address(),
        home.usage_json(),
        home.spent_tokens(),
        home.router().join(file_name(secret)),
        home.router().join("state.json.broken-1"),
        home.root().join("auth.json.broken-2"),
    ] {
        put(&path, secret);
    }
}

/// As much of it as a file system takes.
fn file_name(secret: &str) -> &str {
    &secret[..secret.len().min(100)]
}

fn config(secret: &str) -> String {
    let quoted = json!(secret).to_string();
    format!(
        "cli_auth_credentials_store = {quoted}\nmodel_provider = {quoted}\n\
         openai_base_url = {quoted}\n[model_providers.{quoted}]\nbase_url = {quoted}\n\
         [profiles.{quoted}]\nmodel_provider = {quoted}\n"
    )
}

fn state(secret: &str) -> Value {
    json!({
        "version": secret, "listen": secret, "allowed_hosts": [secret], "attached": secret,
        "client_keys": [secret, {"name": secret, "sha256": secret, "profile": secret,
            "identity": secret, "created_at": null, "last_used_at": null}],
        "model_rules": [{"model": secret, "profile": secret}],
        "fallback": {"profiles": [secret]}, "reasoning_format": secret,
        "profiles": {"work": {"label": secret, "color": secret, "needs_login": secret}},
        "live_identity": secret, "shared_token": secret, secret: secret,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_that_is_planted_in_a_home_comes_out_of_it(secret in secret()) {
        let (_folder, home) = home();
        planted(&home, &secret);
        let findings = examine(&home, &Surroundings {
            chosen: Some(home.root().to_owned()),
            ..Surroundings::default()
        });
        for finding in &findings {
            let told = format!("{} {:?}", finding.message(), finding.remedy());
            prop_assert!(!told.contains(file_name(&secret)), "{told}");
        }
        let diagnosis = Diagnosis::new("0.1.0", findings);
        let report = serde_json::to_string(&diagnosis).unwrap();
        prop_assert!(!report.contains(file_name(&secret)), "{report}");
        // What would hold one is refused; what is made here never does.
        let bundle = Bundle::new(&home, diagnosis).to_json();
        let bundle = bundle.map_err(|refused| TestCaseError::fail(refused.to_string()))?;
        prop_assert!(!bundle.contains(file_name(&secret)), "{bundle}");
    }
}
