//! Chat completions over a ChatGPT login, without any server: the translating layer around the
//! credential layer, called as a function.
//!
//! `cargo run --example sdk_over_our_stack`

use bytes::Bytes;
use codex_auth::{Issuer, refresh::TokenEndpoint};
use codex_profiles::{CodexHome, ProfileStore};
use codex_proxy::{
    BoxError, auth::CodexAuthLayer, chat::ChatCompletionsLayer, upstream::Targets,
    upstream::Upstream,
};
use fake_openai::{FakeOpenAi, write_home};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt as _};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let fake = FakeOpenAi::start().await; // in place of OpenAI
    let home = tempfile::tempdir()?;
    write_home(
        home.path(),
        &[("work", fake.auth_json(&fake.account("user-1", "acct-1")))],
    )?;
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(fake.issuer_url()));
    let profiles = ProfileStore::open(CodexHome::at(home.path()))?.with_token_endpoint(endpoint);
    let targets = Targets::new(&fake.chatgpt_base_url(), &fake.openai_base_url())?;

    let chat = ServiceBuilder::new()
        .layer(ChatCompletionsLayer::new())
        .layer(CodexAuthLayer::new(profiles))
        .service(Upstream::new(reqwest::Client::new()).with_targets(targets));

    let body = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "hello"}]});
    let request = Request::post("/v1/chat/completions").header("content-type", "application/json");
    let answer = chat
        .oneshot(request.body(Full::<Bytes>::from(body.to_string()))?)
        .await?;
    let answer: Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
    let text = &answer["choices"][0]["message"]["content"];
    assert!(
        text.as_str().is_some_and(|text| text.contains("hello")),
        "{answer}"
    );
    eprintln!("{text}");
    Ok(())
}
