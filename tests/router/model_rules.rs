//! A model may have a profile of its own, whatever is current; who names a profile gets that one.

use codex_profiles::{CodexHome, ModelRules, ProfileStore, State};
use fake_openai::{Account, Fault};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{Answer, MODEL, World, fake, read_json, worker};

const BODY: &str = include_str!("../data/codex-request.json");

impl World {
    /// Sets it as the program itself does, under its lock: it may be writing too.
    pub(crate) async fn rule(&self, rules: Value) {
        let rules: ModelRules = serde_json::from_value(rules).unwrap();
        let store = ProfileStore::open(CodexHome::at(self.home.path(""))).unwrap();
        let set = move |state: &mut State| state.set_model_rules(&rules);
        store.update_state(set).await.unwrap();
    }
}

fn by_rule() -> Value {
    json!([{"model": "gpt-5*", "profile": "other"}])
}

fn responses(world: &World, model: &str) -> RequestBuilder {
    let body = json!({"input": "hello", "model": model});
    world.router.post("/v1/responses", &body)
}

/// As Codex sends it: packed.
fn codex(world: &World, encoding: &str, packed: Vec<u8>) -> RequestBuilder {
    let client = &world.router.client;
    client
        .post(world.router.url("/v1/responses"))
        .header("originator", "codex_exec")
        .header("content-type", "application/json")
        .header("content-encoding", encoding)
        .body(packed)
}

async fn served(request: RequestBuilder) -> (String, String) {
    let answer = Answer::to(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (profile, reason) = answer.served_by();
    (profile.to_owned(), reason.to_owned())
}

fn pair(profile: &str, reason: &str) -> (String, String) {
    (profile.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn every_kind_of_request_is_served_by_the_profile_of_its_model() {
    let world = World::two_accounts();
    world.rule(by_rule()).await;
    let legacy = json!({"model": MODEL, "prompt": "hello"});
    let named: Value = serde_json::from_str(BODY).unwrap();
    let body = json!({"model": MODEL, "input": named["input"], "stream": true, "store": false,
        "instructions": "x"})
    .to_string();
    let zstd = zstd::encode_all(body.as_bytes(), 3).unwrap();
    for request in [
        world.router.say("hello"),
        world.router.say_streaming("hello"),
        responses(&world, MODEL),
        world.router.post("/v1/completions", &legacy),
        codex(&world, "zstd", zstd.clone()),
    ] {
        world.fake.forget_requests();
        assert_eq!(served(request).await, pair("other", "model-rule"));
        let calls = world.fake.model_calls();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].account.as_deref(), Some("acct-other"));
    }
    let last = world.fake.model_calls().pop().unwrap();
    assert_eq!(last.header("content-encoding"), Some("zstd"), "as it came");
}

#[tokio::test]
async fn rules_count_from_the_next_request_on_and_the_first_that_fits() {
    let world = World::two_accounts();
    let ask = || served(responses(&world, MODEL));
    assert_eq!(ask().await, pair("work", "current"));
    world.rule(by_rule()).await;
    assert_eq!(ask().await, pair("other", "model-rule"));
    world
        .rule(json!([{"model": MODEL, "profile": "work"}, {"model": "gpt-5*", "profile": "other"}]))
        .await;
    assert_eq!(ask().await, pair("work", "model-rule"));
    world
        .rule(json!([{"model": "gpt-6*", "profile": "other"}]))
        .await;
    assert_eq!(ask().await, pair("work", "current"));
}

#[tokio::test]
async fn who_names_a_profile_gets_that_one() {
    let world = World::two_accounts();
    world.rule(by_rule()).await;
    let ask = || responses(&world, MODEL);
    let header = ask().header("x-codex-profile", "work");
    assert_eq!(served(header).await, pair("work", "header"));
    let key = ask().header("authorization", "Bearer profile:work");
    assert_eq!(served(key).await, pair("work", "key"));
}

#[tokio::test]
async fn a_rule_for_a_profile_that_is_not_there_fails_and_is_named() {
    let world = World::two_accounts();
    world
        .rule(json!([{"model": "gpt-5*", "profile": "gone"}]))
        .await;
    let answer = Answer::to(responses(&world, MODEL)).await;
    assert_eq!(answer.error(404), "profile_unavailable");
    let told = answer.text();
    assert!(told.contains("`gpt-5*` → `gone`"), "{told}");
    assert_eq!(world.fake.model_calls().len(), 0);
}

#[tokio::test]
async fn what_a_rule_binds_never_falls_back() {
    let fake = fake();
    let other = Account::new("user-other", "acct-other");
    let profiles = [
        ("work", fake.auth_json(&worker())),
        ("key", fake.api_key_auth_json("sk-key-of-the-test")),
        ("other", fake.auth_json(&other)),
    ];
    let world = World::with(fake, &profiles);
    world.rule(by_rule()).await;
    world.fallback_to("key").await;
    let limit = Fault::usage_limit_reached("plus", 3600);
    world.fake.fault(limit.account("acct-other").always());
    let answer = Answer::to(responses(&world, MODEL)).await;
    answer.error(429);
    assert_eq!(answer.served_by(), ("other", "model-rule"));
    assert_eq!(world.fake.model_calls().len(), 1);
}

#[tokio::test]
async fn a_rule_follows_its_profile_to_a_new_name_and_is_not_undone_with_it() {
    let world = World::two_accounts();
    world.rule(by_rule()).await;
    let renamed = world.home.run(&["rename", "other", "home"]);
    assert_eq!(renamed.code, Some(0), "{}", renamed.stderr);
    let rules = &read_json(&world.home.path("router/state.json"))["model_rules"];
    assert_eq!(rules[0], json!({"model": "gpt-5*", "profile": "home"}));
    assert_eq!(
        served(responses(&world, MODEL)).await,
        pair("home", "model-rule")
    );
    assert_eq!(world.home.run(&["remove", "home"]).code, Some(0));
    let answer = Answer::to(responses(&world, MODEL)).await;
    assert_eq!(answer.error(404), "profile_unavailable");
}
