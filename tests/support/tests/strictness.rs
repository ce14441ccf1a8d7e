//! The fake as its clients see it, over real connections.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use fake_openai::{Account, CLIENT_ID, FakeOpenAi, Fault, Login, RefreshOutcome};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};

/// A fake, one account signed in, and a client.
struct Setup {
    fake: FakeOpenAi,
    login: Login,
    client: Client,
}

impl Setup {
    async fn new() -> Self {
        let fake = FakeOpenAi::start().await;
        let login = fake.sign_in(&Account::new("user-a", "acct-1"));
        fake.register_api_key("sk-test");
        let client = Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            fake,
            login,
            client: client.build().unwrap(),
        }
    }

    fn codex(&self, input: &Value) -> RequestBuilder {
        let url = format!("{}/codex/responses", self.fake.chatgpt_base_url());
        let body = json!({
            "model": "gpt-6.1-sol", "instructions": "", "store": false, "stream": true,
            "include": ["reasoning.encrypted_content"], "input": input,
        });
        self.client
            .post(url)
            .bearer_auth(&self.login.access_token)
            .json(&body)
    }

    fn say(&self, said: &str) -> RequestBuilder {
        self.codex(&json!([{"type": "message", "role": "user", "content": said}]))
    }

    fn api(&self, path: &str, body: &Value) -> RequestBuilder {
        let url = format!("{}/{path}", self.fake.openai_base_url());
        self.client.post(url).bearer_auth("sk-test").json(body)
    }

    async fn refresh(&self, token: &str) -> reqwest::Result<Response> {
        let body = json!({
            "grant_type": "refresh_token", "client_id": CLIENT_ID,
            "refresh_token": token, "refresh_reason": "forced",
        });
        self.client
            .post(self.fake.token_url())
            .json(&body)
            .send()
            .await
    }

    async fn post_form(&self, fields: &[(&str, &str)]) -> Value {
        let form: Vec<_> = fields
            .iter()
            .map(|(k, v)| format!("{k}={}", escaped(v)))
            .collect();
        let request = self.client.post(self.fake.token_url()).body(form.join("&"));
        let kind = "application/x-www-form-urlencoded";
        json_of(request.header("content-type", kind).send().await.unwrap()).await
    }
}

fn escaped(text: &str) -> String {
    text.replace(':', "%3A").replace('/', "%2F")
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

async fn events(request: RequestBuilder) -> Vec<Value> {
    let text = request
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap()
        .text()
        .await
        .unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..200 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within two seconds");
}

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

#[tokio::test]
async fn a_stream_can_be_cut_stalled_and_failed() {
    let setup = Setup::new().await;
    setup.fake.fault(Fault::cut_after(3));
    let mut cut = setup.say("hi").send().await.unwrap();
    let mut seen = Vec::new();
    let error = loop {
        match cut.chunk().await {
            Ok(Some(bytes)) => seen.extend_from_slice(&bytes),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(error.is_some());
    assert_eq!(
        String::from_utf8(seen).unwrap().matches("data: ").count(),
        3
    );

    setup
        .fake
        .fault(Fault::stall_after(2, Duration::from_millis(150)));
    let started = std::time::Instant::now();
    assert_eq!(events(setup.say("hi")).await.len(), 11);
    assert!(started.elapsed() >= Duration::from_millis(150));

    setup
        .fake
        .fault(Fault::response_failed("server_is_overloaded"));
    let failed = events(setup.say("hi")).await.pop().unwrap();
    assert_eq!(failed["type"], "response.failed");
    assert_eq!(failed["response"]["error"]["code"], "server_is_overloaded");
    assert_eq!(setup.fake.cancelled_streams(), 0);
}

#[tokio::test]
async fn a_client_that_hangs_up_is_noticed() {
    let setup = Setup::new().await;
    setup
        .fake
        .fault(Fault::stall_after(2, Duration::from_mins(1)));
    let mut response = setup.say("hi").send().await.unwrap();
    response.chunk().await.unwrap();
    assert_eq!(setup.fake.open_streams(), 1);
    drop(response);
    until(|| setup.fake.cancelled_streams() == 1).await;
    assert_eq!(
        (setup.fake.open_streams(), setup.fake.connections()),
        (0, 1)
    );
}

#[tokio::test]
async fn faults_can_be_set_over_http() {
    let setup = Setup::new().await;
    let url = format!("{}/fake/faults", setup.fake.issuer_url());
    let fault =
        json!({"kind": "rate_limit_exceeded", "retry_after_seconds": 2, "account": "acct-1"});
    let posted = setup.client.post(&url).json(&fault).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::NO_CONTENT);
    let limited = setup.say("hi").send().await.unwrap();
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "2");
    let wrong = setup
        .client
        .post(&url)
        .json(&json!({"kind": "nonsense"}))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_public_api_answers_whole_and_remembers_what_it_answered() {
    let setup = Setup::new().await;
    let ask = |body: Value| {
        let request = setup.api("responses", &body);
        async { json_of(request.send().await.unwrap()).await }
    };
    let first = ask(json!({"model": "gpt-5.5", "input": "hi"})).await;
    assert_eq!(first["output"][0]["content"][0]["text"], "You said: hi");
    let next = |id: &Value| json!({"model": "gpt-5.5", "input": "x", "previous_response_id": id});
    assert_eq!(ask(next(&first["id"])).await["status"], "completed");
    let unknown = ask(next(&json!("resp_unknown"))).await;
    assert_eq!(unknown["error"]["code"], "previous_response_not_found");
    let odd = ask(json!({"model": "gpt-5.5", "input": "x", "odd": 1})).await;
    assert_eq!(odd["error"]["code"], "unknown_parameter");
    let model = ask(json!({"model": "gpt-9", "input": "x"})).await;
    assert_eq!(model["error"]["code"], "model_not_found");
    let url = format!("{}/models", setup.fake.openai_base_url());
    let key = setup
        .client
        .get(url)
        .bearer_auth("sk-other")
        .send()
        .await
        .unwrap();
    assert_eq!(key.status(), StatusCode::UNAUTHORIZED);
}

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {}}}])
}

#[tokio::test]
async fn a_chat_can_call_tools_and_use_their_outputs() {
    let setup = Setup::new().await;
    let user = json!({"role": "user", "content": r#"call get_weather {"city":"Paris"}"#});
    let body = json!({"model": "gpt-5.5", "messages": [user], "tools": weather()});
    let whole = json_of(setup.api("chat/completions", &body).send().await.unwrap()).await;
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], r#"{"city":"Paris"}"#);
    let output = json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"});
    let body = json!({"model": "gpt-5.5", "messages": [user, choice["message"], output]});
    let answer = json_of(setup.api("chat/completions", &body).send().await.unwrap()).await;
    let text = &answer["choices"][0]["message"]["content"];
    assert_eq!(text, "The tool answered: sunny");
    let orphan = json!({"model": "gpt-5.5", "messages": [user, output]});
    let refused = setup.api("chat/completions", &orphan).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_streamed_chat_has_the_chunks_of_the_real_one() {
    let setup = Setup::new().await;
    let body = json!({
        "model": "gpt-5.5", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "hi"}],
    });
    let chunks = events(setup.api("chat/completions", &body)).await;
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let texts = chunks
        .iter()
        .filter_map(|c| c["choices"][0]["delta"]["content"].as_str());
    assert_eq!(texts.collect::<String>(), "You said: hi");
    let [.., end, usage] = chunks.as_slice() else {
        panic!("{chunks:?}")
    };
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 3);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk")
    );
}

#[tokio::test]
async fn forty_thousand_events_arrive() {
    let setup = Setup::new().await;
    assert_eq!(events(setup.say("count to 40000")).await.len(), 40_008);
}

#[test]
fn it_can_run_without_a_runtime_and_ends_when_it_is_dropped() {
    let fake = FakeOpenAi::builder()
        .answer_tokens(3)
        .start_on_own_thread()
        .unwrap();
    let address = fake.address();
    assert!(std::net::TcpStream::connect(address).is_ok());
    drop(fake);
    let gone = || std::net::TcpStream::connect(address).is_err();
    assert!((0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        gone()
    }));
}

#[tokio::test]
async fn a_login_keeps_its_form_and_the_fields_that_nobody_knows() {
    let setup = Setup::new().await;
    let login = setup.fake.auth_json(&Account::new("user-a", "acct-1"));
    let tokens = &login["tokens"];
    assert_eq!(
        tokens["oauth_provenance"]["issuer"],
        setup.fake.issuer_url()
    );
    assert_eq!(tokens["login_owner_id"].as_str().unwrap().len(), 43);
    assert!(
        login.get("fake_unknown").is_some() && tokens.get("fake_unknown_token_field").is_some()
    );
    let expired = setup
        .fake
        .auth_json_expired(&Account::new("user-a", "acct-1"));
    let refresh_token = expired["tokens"]["refresh_token"].as_str().unwrap();
    assert_eq!(
        setup.refresh(refresh_token).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_response_can_be_continued_on_its_own_websocket_alone() {
    let setup = Setup::new().await;
    let (mut first, mut second) = (setup.socket().await, setup.socket().await);
    let prewarm = json!({"generate": false, "input": [user("base prompt")]});
    let warm = turn(&mut first, prewarm).await;
    assert_eq!(warm.last().unwrap()["type"], "response.completed");
    let id = warm.last().unwrap()["response"]["id"].clone();
    let next = || json!({"previous_response_id": id, "input": [user("call me")]});
    let events = turn(&mut first, next()).await;
    assert!(json!(events).to_string().contains("You said: call me"));
    let refused = turn(&mut second, next()).await;
    assert_eq!(refused[0]["error"]["code"], "previous_response_not_found");
    assert_eq!(refused[0]["status"], 400);
}

type Socket = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

impl Setup {
    async fn socket(&self) -> Socket {
        let url = self.fake.chatgpt_base_url().replace("http:", "ws:") + "/codex/responses";
        let bearer = format!("Bearer {}", self.login.access_token);
        let request = ClientRequestBuilder::new(url.parse().unwrap())
            .with_header("authorization", bearer)
            .with_header("originator", "codex_exec")
            .with_header("openai-beta", "responses_websockets=2026-02-06");
        let stream = tokio::net::TcpStream::connect(self.fake.address()).await;
        let upgraded = tokio_tungstenite::client_async(request, stream.unwrap()).await;
        upgraded.unwrap().0
    }
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

/// The events of one turn, up to its last.
async fn turn(socket: &mut Socket, mut message: Value) -> Vec<Value> {
    for (name, value) in [
        ("type", json!("response.create")),
        ("model", json!("gpt-5.5")),
        ("store", json!(false)),
        ("stream", json!(true)),
    ] {
        message[name] = value;
    }
    let message = Message::text(message.to_string());
    socket.send(message).await.unwrap();
    let mut events: Vec<Value> = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        events.push(serde_json::from_str(&text).unwrap());
        let last = ["response.completed", "error"];
        if last.contains(&events.last().unwrap()["type"].as_str().unwrap()) {
            break;
        }
    }
    events
}
