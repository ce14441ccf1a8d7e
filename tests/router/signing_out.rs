//! Signing out ends a login at the issuer, says what stops with it, and deletes nothing.

use std::fs;

use fake_openai::{Account, FakeOpenAi, Fault};
use serde_json::json;

use crate::{
    harness::{Answer, Home, Ran, Router, fake, read_json, refresh_token, worker},
    running::Running,
};

async fn sign_out(home: &Home, fake: &FakeOpenAi, arguments: &[&str]) -> Ran {
    let arguments = [&["sign-out"], arguments].concat();
    Running::start(home, fake, &arguments).ended().await
}

fn revoked(fake: &FakeOpenAi) -> Vec<serde_json::Value> {
    let posts = fake.requests_to("/oauth/revoke");
    posts.into_iter().map(|post| post.json).collect()
}

#[tokio::test]
async fn a_profile_that_is_signed_out_needs_a_login_and_keeps_its_files() {
    let fake = fake();
    let login = fake.auth_json(&worker());
    let other = fake.auth_json(&Account::new("user-other", "acct-other"));
    let home = Home::with(&[("work", login.clone()), ("other", other)]);
    let router = Router::start(&home, &fake);
    let before = (
        fs::read(home.live()).unwrap(),
        fs::read(home.profile("work")).unwrap(),
    );

    let ran = sign_out(&home, &fake, &["work", "--yes"]).await;

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for told in [
        "Signed out `work`",
        "login that Codex itself uses",
        "codex-router login work",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let client_id = fake_openai::CLIENT_ID;
    let token = refresh_token(&login);
    assert_eq!(
        revoked(&fake),
        [json!({"token": token, "token_type_hint": "refresh_token", "client_id": client_id})]
    );
    let listed = home.listed("work");
    assert_eq!(
        (&listed["state"], &listed["reason"]),
        (&json!("needs_login"), &json!("revoked"))
    );
    assert_eq!(home.listed("other")["state"], "ok");
    let after = (
        fs::read(home.live()).unwrap(),
        fs::read(home.profile("work")).unwrap(),
    );
    assert_eq!(after, before);
    // The router that runs says so as well, and posts the dead token to nobody.
    let answer = Answer::to(router.say("hello")).await;
    assert_eq!(answer.error(503), "profile_needs_login");
    assert_eq!(fake.times_posted(token), 0);
    assert!(!(ran.stdout + &ran.stderr).contains(token));
}

#[tokio::test]
async fn without_a_terminal_it_wants_to_be_told_yes() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let ran = sign_out(&home, &fake, &["work"]).await;
    assert_eq!(ran.code, Some(2));
    for told in ["--yes", "login that Codex itself uses stops with it"] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert!(revoked(&fake).is_empty());
    assert_eq!(home.listed("work")["state"], "ok");
}

#[tokio::test]
async fn an_api_key_has_no_sign_in_to_end() {
    let fake = fake();
    let home = Home::with(&[("key", fake.api_key_auth_json("sk-planted-key"))]);
    let ran = sign_out(&home, &fake, &["key", "--yes"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("platform.openai.com"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sk-planted"));
    assert!(revoked(&fake).is_empty());
}

#[tokio::test]
async fn exit_codes_tell_scripts_what_happened() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    assert_eq!(
        sign_out(&home, &fake, &["nobody", "--yes"]).await.code,
        Some(4)
    );
    assert_eq!(
        sign_out(&home, &fake, &["../work", "--yes"]).await.code,
        Some(2)
    );
    fake.fault(Fault::status(500).path("/oauth/revoke"));
    let ran = sign_out(&home, &fake, &["work", "--yes"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("not signed out"), "{}", ran.stderr);
    assert_eq!(home.listed("work")["state"], "ok");
}

#[test]
fn a_network_that_fails_is_told_with_its_cause() {
    let home = Home::with(&[("work", fake().auth_json(&worker()))]);
    let nobody = "http://127.0.0.1:9";
    let environment = [
        ("CODEX_REVOKE_TOKEN_URL_OVERRIDE", nobody),
        ("CODEX_ROUTER_AUTH_ISSUER", nobody),
    ];
    for arguments in [&["sign-out", "work", "--yes"][..], &["login", "--device"]] {
        let ran = home.run_with(arguments, &environment);
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        let told = ran.stderr.to_lowercase();
        assert!(told.contains("refused"), "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn no_other_command_revokes_anything() {
    let fake = fake();
    let home = Home::with(&[
        ("work", fake.auth_json(&worker())),
        (
            "other",
            fake.auth_json(&Account::new("user-other", "acct-other")),
        ),
    ]);
    for arguments in [
        &["list"][..],
        &["use", "other"],
        &["use", "work"],
        &["save"],
    ] {
        let ran = Running::start(&home, &fake, arguments).ended().await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
    }
    assert!(revoked(&fake).is_empty());
    assert_eq!(read_json(&home.live()), read_json(&home.profile("work")));
}
