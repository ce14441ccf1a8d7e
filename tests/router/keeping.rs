//! While the router runs, logins are kept alive and in step, whether or not anybody asks for them.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Home, Router, fake, read_json, refresh_token, until, worker, write};

/// Posts a login's refresh token as Codex does, and gives the login that follows.
async fn refreshed_by_codex(fake: &fake_openai::FakeOpenAi, login: &Value) -> Value {
    let body = json!({"grant_type": "refresh_token", "client_id": fake_openai::CLIENT_ID,
        "refresh_token": refresh_token(login), "refresh_reason": "proactive_expiry"});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .post(fake.token_url())
        .json(&body)
        .send()
        .await
        .unwrap();
    let tokens: Value = answer.json().await.unwrap();
    let mut login = login.clone();
    for field in ["id_token", "access_token", "refresh_token"] {
        login["tokens"][field] = tokens[field].clone();
    }
    login["last_refresh"] = jiff::Timestamp::now().to_string().into();
    login
}

#[tokio::test]
async fn a_login_that_nobody_uses_is_refreshed_before_it_ends() {
    let fake = fake();
    let work = fake.auth_json(&worker());
    let idle = fake.auth_json_expired(&fake.account("user-idle", "acct-idle"));
    let home = Home::with(&[("work", work.clone()), ("idle", idle.clone())]);
    let _router = Router::start(&home, &fake);
    let now = || read_json(&home.profile("idle"));
    until("the refresh", || {
        refresh_token(&now()) != refresh_token(&idle)
    })
    .await;
    let refreshes = fake.refreshes();
    assert_eq!(refreshes.len(), 1);
    assert_eq!(refreshes[0].reason.as_deref(), Some("scheduled"));
    assert_eq!(read_json(&home.profile("work")), work);
}

#[tokio::test]
async fn what_codex_refreshed_is_in_its_profile_without_a_request() {
    let fake = fake();
    let work = fake.auth_json(&worker());
    let home = Home::with(&[("work", work.clone())]);
    let _router = Router::start(&home, &fake);
    let newer = refreshed_by_codex(&fake, &work).await;
    write(&home.live(), newer.to_string());
    let now = || read_json(&home.profile("work"));
    until("the adoption", || {
        refresh_token(&now()) == refresh_token(&newer)
    })
    .await;
    assert_eq!(fake.refreshes().len(), 1, "Codex's own");
}

#[tokio::test]
async fn a_login_and_a_logout_of_codex_are_said_in_plain_words() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let router = Router::start(&home, &fake);
    until("a first look", || {
        let state = fs::read_to_string(home.path("router/state.json"));
        state.is_ok_and(|state| state.contains("live_identity"))
    })
    .await;

    fs::remove_file(home.live()).unwrap();
    until("the logout", || {
        router.printed().contains("of profile `work`")
    })
    .await;
    assert!(router.printed().contains("codex-router login work"));
    assert_eq!(
        home.listed("work")["reason"],
        "codex may have signed it out"
    );

    let stranger = fake.auth_json(&fake.account("user-new", "acct-new"));
    write(&home.live(), stranger.to_string());
    until("the login", || {
        router.printed().contains("codex-router save")
    })
    .await;
    assert_eq!(read_json(&home.live()), stranger);
    assert!(fake.refreshes().is_empty() && fake.requests_to("/oauth/revoke").is_empty());
}
