//! The issuer: signing in, and answers to a refresh that get lost.

use super::*;

#[tokio::test]
async fn a_browser_sign_in_ends_in_tokens_and_an_api_key() {
    let setup = Setup::new().await;
    setup
        .fake
        .set_browser_user(&Account::new("user-b", "acct-2"));
    let (redirect, verifier) = ("http://127.0.0.1:1455/auth/callback", "a-verifier");
    let challenge = "NORfwpEYKakZsuYgaey8PFmACPx5Ikq_PyZGYQ7p8NI";
    let url = format!(
        "{}/oauth/authorize?response_type=code&client_id={CLIENT_ID}&redirect_uri={}\
         &code_challenge={challenge}&code_challenge_method=S256&state=abc\
         &scope=openid+offline_access",
        setup.fake.issuer_url(),
        escaped(redirect)
    );
    let response = setup.client.get(url).send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let code = location.strip_prefix(&format!("{redirect}?code=")).unwrap();
    let code = code.strip_suffix("&state=abc").unwrap();
    let grant = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT_ID),
        ("code", code),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
    ];
    let tokens = setup.post_form(&grant).await;
    let id_token = tokens["id_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{tokens}"));
    let exchange = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("client_id", CLIENT_ID),
        ("requested_token", "openai-api-key"),
        ("subject_token", id_token),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:id_token",
        ),
    ];
    let key = setup.post_form(&exchange).await;
    assert!(key["access_token"].as_str().unwrap().starts_with("sk-"));
    assert_eq!(setup.post_form(&grant).await["error"], "invalid_grant");
}

#[tokio::test]
async fn a_device_sign_in_waits_for_a_person() {
    let setup = Setup::new().await;
    let base = format!("{}/api/accounts/deviceauth", setup.fake.issuer_url());
    let post = |path: &str, body: Value| {
        let request = setup.client.post(format!("{base}/{path}")).json(&body);
        async { request.send().await.unwrap() }
    };
    let device = json_of(post("usercode", json!({"client_id": CLIENT_ID})).await).await;
    assert_eq!(device["interval"], "1");
    let poll = json!({
        "device_auth_id": device["device_auth_id"], "user_code": device["user_code"],
    });
    assert_eq!(
        post("token", poll.clone()).await.status(),
        StatusCode::FORBIDDEN
    );
    let user_code = device["user_code"].as_str().unwrap();
    assert!(
        setup
            .fake
            .approve_device(user_code, &Account::new("user-b", "acct-2"))
    );
    let approved = json_of(post("token", poll).await).await;
    let redirect = format!("{}/deviceauth/callback", setup.fake.issuer_url());
    let grant = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT_ID),
        ("code", approved["authorization_code"].as_str().unwrap()),
        ("redirect_uri", &redirect),
        ("code_verifier", approved["code_verifier"].as_str().unwrap()),
    ];
    let tokens = setup.post_form(&grant).await;
    assert!(tokens["refresh_token"].is_string());
}

#[tokio::test]
async fn a_lost_answer_has_spent_the_token_and_a_500_has_not() {
    let setup = Setup::new().await;
    let token = setup.login.refresh_token.clone();
    setup.fake.fault(Fault::refresh_status(500));
    assert_eq!(setup.refresh(&token).await.unwrap().status(), 500);
    assert!(setup.fake.refreshes().is_empty());
    setup.fake.fault(Fault::refresh_lost());
    assert!(setup.refresh(&token).await.is_err());
    assert_eq!(setup.fake.refreshes()[0].outcome, RefreshOutcome::Rotated);
    let reused = json_of(setup.refresh(&token).await.unwrap()).await;
    assert_eq!(reused["error"]["code"], "refresh_token_reused");
    let newest = setup.fake.refreshes()[0]
        .issued
        .clone()
        .unwrap()
        .refresh_token;
    let invalidated = json_of(setup.refresh(&newest).await.unwrap()).await;
    assert_eq!(invalidated["error"]["code"], "refresh_token_invalidated");
    assert_eq!(
        (setup.fake.reuse_count(), setup.fake.times_posted(&token)),
        (1, 2)
    );
    assert_eq!(
        setup.say("hi").send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}
