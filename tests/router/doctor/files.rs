//! What lies in the files of a home.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
};

use codex_auth::AuthDotJson;
use jiff::Timestamp;
use serde_json::json;

use super::Patient;
use crate::harness::{read_json, worker};

#[tokio::test]
async fn logins_that_others_can_read_are_a_problem_with_the_command_that_helps() {
    let patient = Patient::healthy();
    let live = patient.home.live();
    fs::set_permissions(&live, fs::Permissions::from_mode(0o644)).unwrap();
    let (message, remedy) = patient.look().only_problem("permissions");
    assert!(message.contains("can read") && message.contains("auth.json"));
    assert_eq!(remedy, format!("`chmod 600 {}`", live.display()));

    fs::set_permissions(&live, fs::Permissions::from_mode(0o600)).unwrap();
    let profiles = patient.home.path("profiles");
    fs::set_permissions(&profiles, fs::Permissions::from_mode(0o777)).unwrap();
    let looked = patient.look();
    let (message, remedy) = looked.says("permissions", "problem");
    assert!(message.contains("can change"), "{message}");
    assert_eq!(remedy, format!("`chmod go-w {}`", profiles.display()));
    looked.says("permissions", "warning");

    // In a group there may be nobody else.
    fs::set_permissions(&profiles, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&live, fs::Permissions::from_mode(0o640)).unwrap();
    let (message, _) = patient.look().only_warning("permissions");
    assert!(message.contains("your group can read"), "{message}");
}

#[tokio::test]
async fn a_choice_of_a_profile_that_is_gone_is_a_problem() {
    let patient = Patient::healthy();
    patient.put(".current_profile", "gone");
    let (message, remedy) = patient.look().only_problem("current_profile");
    assert!(message.contains("`gone`"), "{message}");
    assert_eq!(remedy, "`codex-router use work`");
}

#[tokio::test]
async fn a_broken_profile_and_one_that_must_sign_in_again_are_named() {
    let patient = Patient::healthy();
    patient.put("profiles/torn/auth.json", "{\"tokens\": ");
    let (message, remedy) = patient.look().only_problem("profile");
    assert!(
        message.contains("`torn`") && message.contains("half written"),
        "{message}"
    );
    assert!(remedy.contains("`codex-router login torn`"), "{remedy}");

    fs::remove_dir_all(patient.home.path("profiles/torn")).unwrap();
    let login = AuthDotJson::parse(patient.login.to_string().as_bytes()).unwrap();
    let token = login.refresh_token().unwrap().fingerprint();
    let fact = json!({"reason": "revoked", "token_fingerprint": token, "at": Timestamp::now()});
    let state = json!({"version": 1, "profiles": {"work": {"needs_login": fact}}});
    patient.put("router/state.json", &state.to_string());
    let looked = patient.look();
    let (message, remedy) = looked.says("profile", "problem");
    assert!(message.contains("`work` must sign in again"), "{message}");
    assert_eq!(remedy, "`codex-router login work`");
    assert_eq!(looked.ran.code, Some(1));
    assert!(!looked.ran.stdout.contains(&token));
}

#[tokio::test]
async fn settings_that_cannot_be_understood_are_a_problem() {
    let patient = Patient::healthy();
    let state = patient.put("router/state.json", "{\"label\": sk-planted-1");
    let looked = patient.look();
    let (message, remedy) = looked.only_problem("state_file");
    assert!(message.contains("state.json"), "{message}");
    assert!(
        remedy.contains(&format!("`rm {}`", state.display())),
        "{remedy}"
    );
    assert!(!looked.ran.stdout.contains("planted"));
    // To remove it would open the door.
    patient.put("router/state.json", "{\"client_keys\": [torn");
    let (_, remedy) = patient.look().only_problem("state_file");
    assert!(!remedy.contains("rm "), "{remedy}");
}

#[tokio::test]
async fn a_switch_that_was_cut_short_is_told_of_with_what_becomes_of_it() {
    let patient = Patient::healthy();
    let login = patient.fake.auth_json(&patient.fake.account("b", "acct-b"));
    patient.put("profiles/other/auth.json", &login.to_string());
    for (to, course) in [("other", "undoes it"), ("work", "finishes it")] {
        let intent = json!({"from": null, "to": to, "at": Timestamp::now(), "pid": 1});
        patient.put("router/journal/switch.json", &intent.to_string());
        let (message, remedy) = patient.look().only_warning("journal");
        assert!(message.contains(&format!("`{to}`")), "{message}");
        assert!(message.contains(course), "{message}");
        assert_eq!(remedy, "`codex-router list` settles it");
    }
    assert_eq!(patient.run(&["list"], &[]).code, Some(0));
    assert!(patient.look().states("warning").is_empty());
}

#[tokio::test]
async fn a_key_a_fallback_and_a_rule_of_a_profile_that_is_gone_are_named() {
    let patient = Patient::healthy();
    let login = patient.fake.auth_json(&patient.fake.account("b", "acct-b"));
    patient.put("profiles/other/auth.json", &login.to_string());
    let created = patient.run(&["key", "create", "laptop", "--profile", "other"], &[]);
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    let path = patient.home.path("router/state.json");
    let mut state = read_json(&path);
    state["fallback"] = json!({"profiles": ["other"]});
    state["model_rules"] = json!([{"model": "gpt-*", "profile": "other"}]);
    patient.put("router/state.json", &state.to_string());
    assert!(patient.look().states("problem").is_empty());

    fs::remove_dir_all(patient.home.path("profiles/other")).unwrap();
    let looked = patient.look();
    let (message, remedy) = looked.only_problem("client_keys");
    assert!(message.contains("`laptop`") && message.contains("`other`"));
    assert!(
        remedy.contains("`codex-router key revoke laptop`"),
        "{remedy}"
    );
    looked.says("fallback", "warning");
    looked.says("model_rules", "warning");
    let hash = state["client_keys"][0]["sha256"].as_str().unwrap();
    assert!(!looked.ran.stdout.contains(hash));
}

#[tokio::test]
async fn a_lock_that_is_held_is_told_of_with_its_holder() {
    let patient = Patient::healthy();
    let lock = patient.put("router/profiles.lock", "");
    let held = File::open(&lock).unwrap();
    held.try_lock().unwrap();
    let (message, remedy) = patient.look().only_warning("locks");
    assert!(message.contains("profiles.lock"), "{message}");
    if cfg!(target_os = "linux") {
        let pid = std::process::id();
        assert!(message.contains(&format!("(process {pid})")), "{message}");
        assert!(remedy.contains(&format!("`kill {pid}`")), "{remedy}");
    }
    held.unlock().unwrap();
    assert!(patient.look().states("warning").is_empty());
}

#[tokio::test]
async fn copies_that_differ_and_a_login_in_no_profile_are_told_of() {
    let patient = Patient::healthy();
    let newer = patient.fake.auth_json(&worker());
    patient.put("auth.json", &newer.to_string());
    let (message, remedy) = patient.look().only_warning("copies");
    assert!(message.contains("`work`"), "{message}");
    assert_eq!(remedy, "`codex-router use work`");

    let stranger = patient.fake.auth_json(&patient.fake.account("b", "acct-b"));
    patient.put("auth.json", &stranger.to_string());
    let (message, remedy) = patient.look().only_warning("copies");
    assert!(message.contains("in no profile"), "{message}");
    assert_eq!(remedy, "`codex-router save`");
}

#[tokio::test]
async fn the_codex_on_the_path_says_its_version_or_is_told_to_be_broken() {
    let patient = Patient::healthy();
    let folder = patient.home.path("bin");
    let codex = patient.put("bin/codex", "#!/bin/sh\necho codex-cli 0.169.0\n");
    let path = [("PATH", folder.to_str().unwrap())];
    fs::set_permissions(&codex, fs::Permissions::from_mode(0o700)).unwrap();
    let (message, _) = patient.look_with(&path).says("codex", "info");
    assert!(message.starts_with("codex-cli 0.169.0 is at"), "{message}");

    patient.put("bin/codex", "#!/bin/sh\nexit 3\n");
    fs::set_permissions(&codex, fs::Permissions::from_mode(0o700)).unwrap();
    let (message, remedy) = patient.look_with(&path).only_warning("codex");
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(remedy.contains("`codex --version`"), "{remedy}");
}

#[test]
fn a_workspace_that_codex_is_held_to_is_told_of_where_it_matters() {
    let patient = Patient::healthy();
    assert_eq!(patient.run(&["use", "work"], &[]).code, Some(0));
    patient.put("config.toml", "forced_chatgpt_workspace_id = 'ws-other'\n");
    let (message, remedy) = patient.look().only_warning("current_profile");
    assert!(message.contains("logs out of it"), "{message}");
    assert!(remedy.contains("`codex-router use NAME`"), "{remedy}");
    for told in [&["use", "work"][..], &["attach"]] {
        let ran = patient.run(told, &[]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let words = "held to another workspace than that of `work`";
        assert!(ran.stdout.contains(words), "{told:?}: {}", ran.stdout);
        assert!(!ran.stdout.contains("ws-other"), "{}", ran.stdout);
    }
}
