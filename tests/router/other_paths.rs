//! An API key has the whole public API, natively; a ChatGPT login says what it has not.

use serde_json::json;

use crate::harness::{Answer, MODEL, World, chat};

#[tokio::test]
async fn an_api_key_is_served_natively_at_both_endpoints() {
    let world = World::api_key();
    let mut body = chat("hello");
    body["temperature"] = json!(0.5);
    body["n"] = json!(2);
    let answer = Answer::to(world.router.post("/v1/chat/completions", &body)).await;
    assert_eq!(
        answer.json()["choices"].as_array().unwrap().len(),
        2,
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("x-codex-router-dropped"), None);
    assert_eq!(answer.served_by(), ("key", "current"));
    let call = world.fake.model_calls().pop().unwrap();
    assert_eq!(
        (call.path.as_str(), &call.json),
        ("/v1/chat/completions", &body)
    );
    assert_eq!(call.raw, body.to_string());
    assert_eq!(call.bearer(), Some("sk-key-of-the-test"));
    assert_eq!(call.header("chatgpt-account-id"), None);

    let body = json!({"model": MODEL, "input": "hello", "temperature": 0.5});
    let answer = Answer::to(world.router.post("/v1/responses", &body)).await;
    let id = answer.json()["id"].clone();
    assert_eq!(
        answer.json()["output"][0]["content"][0]["text"],
        "You said: hello"
    );
    assert_eq!(
        world.fake.model_calls().pop().unwrap().raw,
        body.to_string()
    );
    // The public API keeps answers, so going on from one is served there.
    let next = json!({"model": MODEL, "input": "more", "previous_response_id": id});
    assert_eq!(
        Answer::to(world.router.post("/v1/responses", &next))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_api_keys_stream_passes_as_it_is() {
    let world = World::api_key();
    let answer = Answer::to(world.router.say_streaming("count to 20")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    let chunks = answer.events();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
}

#[tokio::test]
async fn other_paths_are_passed_on_binary_and_all() {
    let world = World::api_key();
    let asked = json!({"model": "text-embedding-3-small", "input": ["a", "b"]});
    let answer = Answer::to(world.router.post("/v1/embeddings", &asked)).await;
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);

    let mut file =
        b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
            .to_vec();
    file.extend((0..=255).cycle().take(100_000));
    file.extend_from_slice(b"\r\n--x--\r\n");
    let upload = world
        .router
        .client
        .post(world.router.url("/v1/files?purpose=assistants"));
    let upload = upload
        .header("content-type", "multipart/form-data; boundary=x")
        .body(file.clone());
    let answer = Answer::to(upload).await;
    assert_eq!(answer.json()["bytes"], file.len());
    let call = world.fake.requests_to("/files").pop().unwrap();
    assert_eq!(
        (call.raw.as_ref(), call.query.as_str()),
        (file.as_slice(), "purpose=assistants")
    );
    assert_eq!(
        call.header("content-type"),
        Some("multipart/form-data; boundary=x")
    );
    assert_eq!(call.bearer(), Some("sk-key-of-the-test"));

    for method in ["GET", "DELETE", "PUT"] {
        let request = world.router.client.request(
            method.parse().unwrap(),
            world.router.url("/v1/files/file-1?a=b%20c"),
        );
        assert_eq!(Answer::to(request).await.status, 404);
        let call = world.fake.requests_to("/files/file-1").pop().unwrap();
        assert_eq!(
            (call.method.as_str(), call.query.as_str()),
            (method, "a=b%20c")
        );
    }
}

#[tokio::test]
async fn what_the_public_api_keeps_can_be_listed_and_deleted() {
    let world = World::api_key();
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/v1/models/ft:mine"),
    ] {
        let url = world.router.url(path);
        let request = world.router.client.request(method.parse().unwrap(), url);
        Answer::to(request).await;
        let call = world.fake.requests_to(path).pop().expect(path);
        assert_eq!(call.method, method);
    }
}

#[tokio::test]
async fn a_chatgpt_login_says_which_login_would_have_them() {
    let world = World::two_accounts();
    let upload = world.router.client.post(world.router.url("/v1/files"));
    let upload = upload
        .header("content-type", "multipart/form-data; boundary=x")
        .body("--x--");
    for request in [
        world
            .router
            .post("/v1/embeddings", &json!({"model": "m", "input": "x"})),
        world.router.get("/v1/chat/completions"),
        world.router.get("/v1/files"),
        world.router.get("/v1/fine_tuning/jobs"),
        upload,
    ] {
        let answer = Answer::to(request).await;
        assert_eq!(answer.error(404), "not_available_for_login");
        let message = answer.json()["error"]["message"].to_string();
        assert!(
            message.contains("API key") && message.contains("x-codex-profile"),
            "{message}"
        );
    }
    assert!(world.fake.model_calls().is_empty());
}

#[tokio::test]
async fn a_request_can_name_the_api_key_for_them() {
    let world = World::api_key();
    assert_eq!(world.home.run(&["use", "work"]).code, Some(0));
    let asked = json!({"model": "text-embedding-3-small", "input": "a"});
    let request = world
        .router
        .post("/v1/embeddings", &asked)
        .header("x-codex-profile", "key");
    let answer = Answer::to(request).await;
    assert_eq!(
        (answer.status, answer.served_by()),
        (200, ("key", "header"))
    );
}

#[tokio::test]
async fn a_refused_api_key_is_no_401_and_nothing_is_refreshed() {
    let world = World::api_key();
    let unknown = json!({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-nobody-knows-this-one"});
    world.home.add("key", &unknown);
    let answer = Answer::to(world.router.say("hello")).await;
    assert_eq!(answer.error(503), "profile_needs_login");
    assert!(!answer.text().contains("sk-nobody"), "{}", answer.text());
    assert!(world.fake.refreshes().is_empty());
}

#[tokio::test]
async fn a_key_without_a_mode_is_still_a_key() {
    let world = World::api_key();
    world
        .home
        .add("plain", &json!({"OPENAI_API_KEY": "sk-key-of-the-test"}));
    let answer = Answer::to(world.router.say("hello").header("x-codex-profile", "plain")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        world.fake.model_calls().pop().unwrap().path,
        "/v1/chat/completions"
    );
}
