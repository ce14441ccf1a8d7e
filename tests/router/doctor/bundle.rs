//! What is written for whoever helps.

use std::{fs, os::unix::fs::MetadataExt as _};

use codex_profiles::doctor::secret_shape;
use jiff::Timestamp;
use serde_json::json;

use super::Patient;
use crate::harness::{access_token, read_json, refresh_token};

#[tokio::test]
async fn a_bundle_is_one_private_file_with_nothing_in_it_that_is_secret() {
    let patient = Patient::healthy();
    patient.put("router/usage.json", "{}");
    let created = patient.run(&["key", "create", "laptop"], &[]);
    let label = ["label", "work", "planted label"];
    assert_eq!(patient.run(&label, &[]).code, Some(0));
    let path = patient.home.path("bundle.json");
    let arguments = ["doctor", "--bundle", path.to_str().unwrap()];
    let ran = patient.run(&arguments, &[]);
    assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);

    let mode = fs::metadata(&path).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let bundle = read_json(&path);
    assert_eq!(bundle["state"]["client_keys"], 1);
    assert!(bundle["report"]["checks"].as_array().unwrap().len() > 20);
    let mut files = bundle["files"].as_array().unwrap().iter();
    let state = files.find(|file| file["path"] == "router/state.json");
    assert_eq!(state.unwrap()["mode"], "600");
    for secret in [
        access_token(&patient.login),
        refresh_token(&patient.login),
        created.stdout.trim(),
        "planted",
    ] {
        assert!(!text.contains(secret), "{text}");
        assert!(!ran.stdout.contains(secret), "{}", ran.stdout);
    }
    assert_eq!(secret_shape(&text), None);

    // A login that is named by mistake is not replaced.
    let before = fs::read(patient.home.live()).unwrap();
    let live = patient.home.live();
    let again = patient.run(&["doctor", "--bundle", live.to_str().unwrap()], &[]);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.contains("cannot be written"),
        "{}",
        again.stderr
    );
    assert_eq!(fs::read(live).unwrap(), before);
}

#[tokio::test]
async fn secrets_in_every_field_of_every_file_stay_there() {
    let patient = Patient::healthy();
    let secret = "sk-planted-0123456789";
    let address = "ada@planted.example";
    let mut login = patient.login.clone();
    login["novel"] = json!(secret);
    login["OPENAI_API_KEY"] = json!(secret);
    patient.put("auth.json", &login.to_string());
    patient.put(&format!("profiles/{address}/auth.json"), &login.to_string());
    patient.put(".current_profile", secret);
    let config = format!(
        "cli_auth_credentials_store = \"{secret}\"\nmodel_provider = \"{secret}\"\n\
         [model_providers.{secret}]\nbase_url = \"http://{secret}:{secret}@127.0.0.1:1/{secret}\"\n\
         [profiles.{secret}]\nmodel_provider = \"{secret}\"\n"
    );
    patient.put("config.toml", &config);
    let state = json!({
        "listen": secret, "client_keys": [
            {"name": secret, "sha256": secret, "profile": address},
            {"name": address, "sha256": secret, "profile": "work", "identity": secret}, secret],
        "model_rules": [{"model": secret, "profile": secret}],
        "fallback": {"profiles": [secret, address]}, "allowed_hosts": [secret],
        "profiles": {"work": {"label": secret, "color": address}}, secret: address,
    });
    patient.put("router/state.json", &state.to_string());
    let intent = json!({"from": secret, "to": secret, "at": Timestamp::now(), "pid": 1});
    patient.put("router/journal/switch.json", &intent.to_string());
    let intent = json!({"profile": address, "token_fingerprint": secret, "attempts": 1,
        "at": Timestamp::now(), "pid": 1});
    let token = "0123abcd".repeat(8);
    patient.put(&format!("router/journal/{token}.json"), &intent.to_string());
    for file in [
        "control.token",
        "address",
        "usage.json",
        "spent.json",
        secret,
    ] {
        patient.put(&format!("router/{file}"), secret);
    }
    let bundle = patient.home.path("bundle.json");
    let environment = [("CODEX_ROUTER_LISTEN", ""), ("HTTPS_PROXY", secret)];
    let text = patient.run(&["doctor"], &environment);
    let json = patient.run(
        &["doctor", "--json", "--bundle", bundle.to_str().unwrap()],
        &environment,
    );
    let written = fs::read_to_string(&bundle).unwrap();
    for shown in [text.stdout, text.stderr, json.stdout, json.stderr, written] {
        for planted in ["planted", token.as_str()] {
            assert!(!shown.contains(planted), "{shown}");
        }
        for login in [access_token(&login), refresh_token(&login)] {
            assert!(!shown.contains(login));
        }
    }
}
