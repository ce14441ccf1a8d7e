//! Once there is a client key, nobody is served without one, and a key that is bound to a profile is
//! served by that one.

use std::process::Command;

use fake_openai::{Account, Fault};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Answer, Home, MODEL, Ran, Router, World, fake, worker, write};

/// Makes a key while the router runs, as a person does.
fn create(home: &Home, arguments: &[&str]) -> String {
    let ran = home.run(&[&["key", "create"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let key = ran.stdout.trim_end().to_owned();
    assert!(key.starts_with("crk_") && key.len() == 47, "{key}");
    assert!(!ran.stderr.contains(&key), "it is shown once");
    key
}

/// Every kind of route below `/v1`.
fn everything(world: &World) -> Vec<RequestBuilder> {
    let router = &world.router;
    let responses = json!({"model": MODEL, "input": "hello"});
    let completion = json!({"model": MODEL, "prompt": "hello"});
    let head = router
        .client
        .request(Method::HEAD, router.url("/v1/responses"));
    let upgrade = router.get("/v1/responses").header("upgrade", "websocket");
    vec![
        router.say("hello"),
        router.say_streaming("hello"),
        router.post("/v1/responses", &responses),
        router.post("/v1/responses/compact", &responses),
        router.post("/v1/completions", &completion),
        router.post("/v1/embeddings", &responses),
        router.get("/v1/models"),
        router.get("/v1/models/gpt"),
        router.get("/v1/files"),
        router.get("/v1/chat/completions"),
        router.get("/v1/responses"),
        router.client.put(router.url("/v1/chat/completions")),
        router.client.delete(router.url("/v1/models/gpt")),
        upgrade.header("connection", "upgrade"),
        head,
    ]
}

#[tokio::test]
async fn from_the_first_key_on_every_route_below_v1_wants_one() {
    let world = World::two_accounts();
    assert_eq!(Answer::to(world.router.say("hello")).await.status, 200);

    let key = create(&world.home, &["laptop"]);
    world.fake.forget_requests();
    for request in everything(&world) {
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 401);
        if !answer.bytes.is_empty() {
            assert_eq!(answer.error(401), "client_key_required");
            assert_eq!(answer.header("x-codex-router-error"), Some("client"));
        }
    }
    for wrong in ["crk_wrong", "sk-any", "profile:work", &key[..46]] {
        for request in everything(&world) {
            let answer = Answer::to(request.bearer_auth(wrong)).await;
            assert_eq!(answer.status, 401, "{wrong}");
            if !answer.bytes.is_empty() {
                assert_eq!(answer.error(401), "invalid_api_key");
            }
        }
    }
    assert!(world.fake.requests().is_empty());

    let answer = Answer::to(world.router.say("hello").bearer_auth(&key)).await;
    assert_eq!(answer.said(), "You said: hello");
    assert_eq!(answer.served_by(), ("work", "current"));
    assert_eq!(Answer::to(world.router.get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_key_that_was_revoked_is_refused_at_the_next_request() {
    let world = World::two_accounts();
    let (one, two) = (create(&world.home, &["one"]), create(&world.home, &["two"]));
    let status = async |key: &str| {
        Answer::to(world.router.say("hello").bearer_auth(key))
            .await
            .status
    };
    assert_eq!((status(&one).await, status(&two).await), (200, 200));

    assert_eq!(world.home.run(&["key", "revoke", "one"]).code, Some(0));
    assert_eq!((status(&one).await, status(&two).await), (401, 200));
    let ran = world.home.run(&["key", "revoke", "two"]);
    assert!(ran.stdout.contains("the last one"), "{ran:?}");
    assert_eq!((status(&one).await, status("any").await), (200, 200));
    assert_eq!(world.home.run(&["key", "revoke", "two"]).code, Some(1));
}

#[tokio::test]
async fn a_bound_key_is_served_by_its_profile_or_not_at_all() {
    let world = World::two_accounts();
    let bound = create(&world.home, &["editor", "--profile", "other"]);
    let free = create(&world.home, &["laptop"]);
    let ask = |key: &str| world.router.say("hello").bearer_auth(key);

    let answer = Answer::to(ask(&bound)).await;
    assert_eq!((answer.status, answer.served_by()), (200, ("other", "key")));
    let answer = Answer::to(ask(&bound).header("x-codex-profile", "other")).await;
    assert_eq!(answer.served_by(), ("other", "key"));
    let answer = Answer::to(ask(&free).header("x-codex-profile", "other")).await;
    assert_eq!(answer.served_by(), ("other", "header"));

    world.fake.forget_requests();
    let answer = Answer::to(ask(&bound).header("x-codex-profile", "work")).await;
    assert_eq!(answer.error(403), "profile_not_allowed");
    assert!(world.fake.requests().is_empty());

    // It stays bound under the profile's new name, and when there is no such profile any more.
    let renamed = world.home.run(&["rename", "other", "third"]);
    assert_eq!(renamed.code, Some(0), "{}", renamed.stderr);
    assert_eq!(Answer::to(ask(&bound)).await.served_by(), ("third", "key"));
    assert_eq!(world.home.run(&["remove", "third"]).code, Some(0));
    world.fake.forget_requests();
    assert_eq!(
        Answer::to(ask(&bound)).await.error(404),
        "profile_unavailable"
    );
    assert!(world.fake.requests().is_empty());
}

/// What a fallback would do for everybody else.
#[tokio::test]
async fn no_fallback_moves_a_bound_key() {
    let fake = fake();
    let profiles = [
        ("work", fake.auth_json(&worker())),
        ("key", fake.api_key_auth_json("sk-key-of-the-test")),
    ];
    let home = Home::with(&profiles);
    let state =
        json!({"version": 1, "auto_refresh_enabled": false, "fallback": {"profiles": ["key"]}});
    write(&home.path("router/state.json"), state.to_string());
    let bound = create(&home, &["editor", "--profile", "work"]);
    let free = create(&home, &["laptop"]);
    let limit = Fault::usage_limit_reached("plus", 3600);
    fake.fault(limit.account("acct-work").always());
    let router = Router::start(&home, &fake);

    let answer = Answer::to(router.say("hello").bearer_auth(&free)).await;
    assert_eq!(answer.served_by(), ("key", "fallback"));
    fake.forget_requests();
    let answer = Answer::to(router.say("hello").bearer_auth(&bound)).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.json()["error"]["type"], "usage_limit_reached");
    assert_eq!(answer.served_by(), ("work", "key"));
    let bearers = fake.model_calls();
    assert!(
        bearers
            .iter()
            .all(|call| call.account.as_deref() == Some("acct-work"))
    );
}

/// A 401 would make Codex spend its own refresh token.
#[tokio::test]
async fn codex_with_its_own_login_is_told_what_to_do_and_not_401() {
    let world = World::two_accounts();
    create(&world.home, &["laptop"]);
    let own = world.fake.auth_json(&worker());
    let request = world.router.say("hello");
    let request = request.header("chatgpt-account-id", "acct-work");
    let token = own["tokens"]["access_token"].as_str().unwrap();
    let answer = Answer::to(request.bearer_auth(token)).await;
    assert_eq!(answer.error(403), "client_key_required");
    assert!(
        answer.text().contains("attach --provider"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_key_goes_neither_upstream_nor_into_any_file_log_or_answer() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    home.keep_nothing_alive();
    let key = create(&home, &["laptop", "--profile", "work"]);
    let router = Router::start_with(&home, &fake, &[("CODEX_ROUTER_LOG", "trace")]);
    let refused = Answer::to(router.say("hello").bearer_auth(format!("{key}x"))).await;
    let answer = Answer::to(router.say("hello").bearer_auth(&key)).await;
    let embeddings = router.post("/v1/embeddings", &json!({"input": "x"}));
    let passed_on = Answer::to(embeddings.bearer_auth(&key)).await;

    let secret = key.strip_prefix("crk_").unwrap();
    for request in fake.requests() {
        let seen = format!("{request:?}");
        assert!(!seen.contains(secret), "{seen}");
    }
    for answer in [refused, answer, passed_on] {
        assert!(!format!("{answer:?} {}", answer.text()).contains(secret));
    }
    assert!(!router.printed().contains(secret));
    let listed = home.run(&["key", "list", "--json"]);
    assert!(!listed.stdout.contains(secret));
    assert!(
        !std::fs::read_to_string(home.path("router/state.json"))
            .unwrap()
            .contains(secret)
    );
}

#[test]
fn keys_are_listed_with_what_is_known_of_them() {
    let home = Home::empty();
    let ran = home.run(&["key", "list"]);
    assert!(ran.stdout.contains("There are no keys"), "{ran:?}");
    create(&home, &["laptop"]);
    let list: Value = serde_json::from_str(&home.run(&["key", "list", "--json"]).stdout).unwrap();
    let key = &list["keys"][0];
    assert_eq!(
        (&key["name"], &key["profile"]),
        (&json!("laptop"), &Value::Null)
    );
    assert!(key["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(key["last_used_at"], Value::Null);

    let taken = home.run(&["key", "create", "laptop"]);
    assert_eq!((taken.code, taken.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        home.run(&["key", "create", "x", "--profile", "missing"])
            .code,
        Some(4)
    );
    assert_eq!(home.run(&["key", "create", ""]).code, Some(2));
}

/// `serve` on every address of the machine.
fn serve_everywhere(home: &Home) -> Command {
    home.command(&["serve", "--listen", "0.0.0.0:0"])
}

#[tokio::test]
async fn the_network_is_served_with_a_key_and_never_without() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    home.keep_nothing_alive();
    let ran = Ran::to_its_end(serve_everywhere(&home));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("codex-router key create"), "{ran:?}");

    let key = create(&home, &["laptop"]);
    let everywhere = ["serve", "--listen", "0.0.0.0:0"];
    let router = Router::start_as(&everywhere, &home, &fake, &[]);
    let get = |path: &str, extra: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        router.raw(&format!("{head}{extra}\r\n"))
    };
    let authorized = format!("Authorization: Bearer {key}\r\n");
    assert!(get("/v1/models", "").starts_with("HTTP/1.1 401"));
    assert!(get("/v1/models", &authorized).starts_with("HTTP/1.1 200"));
    assert!(get("/readyz", "").contains(r#"{"ready":true}"#));

    // The last key is gone, and the network is not let in for that.
    assert_eq!(home.run(&["key", "revoke", "laptop"]).code, Some(0));
    assert!(get("/v1/models", "").starts_with("HTTP/1.1 401"));
    assert!(get("/v1/models", &authorized).starts_with("HTTP/1.1 401"));
}

/// A name may come to mean another login: the key was made for the first one.
#[tokio::test]
async fn a_bound_key_never_reaches_another_login_of_the_same_name() {
    let world = World::two_accounts();
    let key = create(&world.home, &["editor", "--profile", "other"]);
    let ask = || Answer::to(world.router.say("hello").bearer_auth(&key));
    let other = std::fs::read(world.home.profile("other")).unwrap();
    assert_eq!(ask().await.served_by(), ("other", "key"));

    let stranger = Account::new("user-stranger", "acct-stranger");
    world.home.add("other", &world.fake.auth_json(&stranger));
    world.fake.forget_requests();
    let refused = ask().await;
    assert_eq!(refused.status, 403);
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "key_binding_lost");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("make the key anew")
    );
    assert!(world.fake.model_calls().is_empty());

    // The same account once more, whether as it was or logged in anew.
    write(&world.home.profile("other"), other);
    assert_eq!(ask().await.status, 200);
    let renewed = Account::new("user-other", "acct-other");
    world.home.add("other", &world.fake.auth_json(&renewed));
    assert_eq!(ask().await.status, 200);
    let ran = world.home.run(&["rename", "other", "job"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ask().await.served_by(), ("job", "key"));
}
