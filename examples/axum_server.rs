//! The whole server, mounted in an axum program of yours beside your own routes.
//!
//! `cargo run --example axum_server`

use axum::{Router, routing::get};
use codex_auth::{Issuer, refresh::TokenEndpoint};
use codex_profiles::{CodexHome, ProfileStore};
use codex_proxy::{BoxError, server::Server, upstream::Targets};
use fake_openai::{FakeOpenAi, write_home};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let fake = FakeOpenAi::start().await; // in place of OpenAI
    let home = tempfile::tempdir()?;
    let account = fake.account("user-1", "acct-1");
    write_home(home.path(), &[("work", fake.auth_json(&account))])?;

    let issuer = Issuer::new(fake.issuer_url());
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), issuer);
    let profiles = ProfileStore::open(CodexHome::at(home.path()))?.with_token_endpoint(endpoint);
    let targets = Targets::new(&fake.chatgpt_base_url(), &fake.openai_base_url())?;
    let openai = Server::builder(profiles)
        .targets(targets)
        .build()?
        .into_router();
    let app = Router::new()
        .route("/mine", get(async || "mine"))
        .fallback_service(openai);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    assert_eq!(
        reqwest::get(format!("{url}/mine")).await?.text().await?,
        "mine"
    );
    let models = reqwest::get(format!("{url}/v1/models")).await?;
    assert_eq!(models.headers()["x-codex-router-profile"], "work");
    Ok(())
}
