//! The ChatGPT backend: what it refuses, and what its streams look like.

use super::*;

#[tokio::test]
async fn a_stream_has_the_events_of_the_real_one_in_their_order() {
    let setup = Setup::new().await;
    let events = events(setup.say("hi")).await;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds, expected);
    let last = &events[10]["response"];
    assert_eq!(last["output"], json!([]));
    assert_eq!(last["usage"]["output_tokens"], 3);
    assert!(
        events
            .iter()
            .enumerate()
            .all(|(n, event)| event["sequence_number"] == n)
    );
}

#[tokio::test]
async fn a_stream_of_the_backend_has_its_headers_and_no_content_type() {
    let setup = Setup::new().await;
    let response = setup.say("hi").send().await.unwrap();
    assert!(response.headers().get("content-type").is_none());
    for name in [
        "x-codex-turn-state",
        "x-request-id",
        "x-models-etag",
        "x-codex-primary-used-percent",
    ] {
        assert!(response.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_bearer_token_must_be_good_and_of_the_account_that_is_named() {
    let setup = Setup::new().await;
    let wrong_account = setup.say("hi").header("chatgpt-account-id", "acct-2");
    assert_eq!(
        wrong_account.send().await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    setup.fake.expire_access_token(&setup.login.access_token);
    let expired = setup.say("hi").send().await.unwrap();
    assert_eq!(expired.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(expired).await["error"]["code"], "token_expired");
    setup.fake.revoke(&setup.login.refresh_token);
    let revoked = json_of(setup.say("hi").send().await.unwrap()).await;
    assert_eq!(revoked["error"]["code"], "token_invalidated");
    let call = &setup.fake.requests()[0];
    assert_eq!(call.account.as_deref(), Some("acct-1"));
    assert_eq!(call.bearer(), Some(setup.login.access_token.as_str()));
}

#[tokio::test]
async fn two_authorization_headers_are_as_good_as_none() {
    let setup = Setup::new().await;
    let twice = setup
        .say("hi")
        .bearer_auth("a-local-key")
        .send()
        .await
        .unwrap();
    assert_eq!(twice.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_only_passed_through_is_answered_as_well() {
    let setup = Setup::new().await;
    let body = json!({"model": "text-embedding-3-small", "input": ["a", "b"]});
    let vectors = json_of(setup.api("embeddings", &body).send().await.unwrap()).await;
    assert_eq!(vectors["data"].as_array().unwrap().len(), 2);
    let file = setup
        .api("files", &json!({}))
        .body(vec![0_u8, 159, 146, 150]);
    assert_eq!(json_of(file.send().await.unwrap()).await["bytes"], 4);
}

#[tokio::test]
async fn refused_parameters_are_named() {
    let setup = Setup::new().await;
    let url = format!("{}/codex/responses", setup.fake.chatgpt_base_url());
    let body = json!({"model": "gpt-5.5", "temperature": 1});
    let request = setup
        .client
        .post(url)
        .bearer_auth(&setup.login.access_token)
        .json(&body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let expected = json!({"detail": "Unsupported parameter: temperature"});
    assert_eq!(json_of(response).await, expected);
}

#[tokio::test]
async fn a_zstd_body_is_read_and_kept_as_it_was() {
    let setup = Setup::new().await;
    let plain = setup
        .say("hi")
        .build()
        .unwrap()
        .body()
        .unwrap()
        .as_bytes()
        .unwrap()
        .to_vec();
    let packed = zstd::encode_all(plain.as_slice(), 3).unwrap();
    let request = setup
        .say("hi")
        .header("content-encoding", "zstd")
        .body(packed.clone());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    let recorded = setup.fake.model_calls().remove(0);
    assert_eq!(recorded.raw, packed);
    assert_eq!(recorded.json["model"], "gpt-6.1-sol");
}

#[tokio::test]
async fn encrypted_reasoning_cannot_move_to_another_account() {
    let mut setup = Setup::new().await;
    let events = events(setup.say("think first")).await;
    let done = events
        .iter()
        .find(|event| event["type"] == "response.output_item.done")
        .unwrap();
    let input = json!([done["item"], {"type": "message", "role": "user", "content": "go on"}]);
    assert_eq!(
        setup.codex(&input).send().await.unwrap().status(),
        StatusCode::OK
    );
    setup.login = setup.fake.sign_in(&Account::new("user-b", "acct-2"));
    let refused = json_of(setup.codex(&input).send().await.unwrap()).await;
    assert_eq!(refused["error"]["code"], "invalid_encrypted_content");
}

#[tokio::test]
async fn an_upgrade_needs_a_login_and_an_unknown_path_is_answered_404() {
    let setup = Setup::new().await;
    let get = |path: &str| {
        setup
            .client
            .get(format!("{}{path}", setup.fake.issuer_url()))
    };
    for path in ["/backend-api/codex/responses", "/v1/responses"] {
        let upgrade = get(path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        assert_eq!(
            upgrade.send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
    }
    for path in ["/backend-api/ps/mcp", "/v1/nothing", "/nothing"] {
        assert_eq!(
            get(path).send().await.unwrap().status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_catalogue_has_an_etag() {
    let setup = Setup::new().await;
    let url = format!(
        "{}/codex/models?client_version=1",
        setup.fake.chatgpt_base_url()
    );
    let get = || {
        setup
            .client
            .get(&url)
            .bearer_auth(&setup.login.access_token)
    };
    let first = get().send().await.unwrap();
    let etag = first.headers()["etag"].clone();
    assert_eq!(json_of(first).await["models"][0]["slug"], "gpt-6.1-sol");
    let again = get().header("if-none-match", etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_person_sees_their_workspaces_and_usage_and_can_switch() {
    let setup = Setup::new().await;
    setup
        .fake
        .register_account(&Account::new("user-a", "acct-team").plan("team"));
    let base = setup.fake.chatgpt_base_url();
    let get = |path: &str| {
        setup
            .client
            .get(format!("{base}/{path}"))
            .bearer_auth(&setup.login.access_token)
            .send()
    };
    let check = json_of(get("wham/accounts/check").await.unwrap()).await;
    assert_eq!(check["account_ordering"], json!(["acct-1", "acct-team"]));
    let usage = json_of(get("wham/usage").await.unwrap()).await;
    assert_eq!(
        usage["rate_limit"]["primary_window"]["limit_window_seconds"],
        18000
    );
    let url = format!("{base}/accounts/switch-workspace-token");
    let switch = setup
        .client
        .post(url)
        .bearer_auth(&setup.login.access_token);
    let switch = switch
        .json(&json!({"workspace_id": "acct-team"}))
        .send()
        .await
        .unwrap();
    assert!(json_of(switch).await["access_token"].is_string());
}
