//! The login of the current profile in a client stack of your own.
//!
//! `cargo run --example tower_layer`

use bytes::Bytes;
use codex_auth::{Issuer, refresh::TokenEndpoint};
use codex_profiles::{CodexHome, ProfileStore};
use codex_proxy::{
    BoxError, auth::CodexAuthLayer, auth::ServedBy, upstream::Targets, upstream::Upstream,
};
use fake_openai::{FakeOpenAi, write_home};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tower::{ServiceBuilder, ServiceExt as _};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let fake = FakeOpenAi::start().await; // in place of OpenAI
    let home = tempfile::tempdir()?;
    let login = fake.auth_json_expired(&fake.account("user-1", "acct-1"));
    write_home(home.path(), &[("work", login)])?;
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(fake.issuer_url()));
    let targets = Targets::new(&fake.chatgpt_base_url(), &fake.openai_base_url())?;

    let profiles = ProfileStore::open(CodexHome::at(home.path()))?.with_token_endpoint(endpoint);
    let codex = ServiceBuilder::new()
        .layer(CodexAuthLayer::new(profiles))
        .service(Upstream::new(reqwest::Client::new()).with_targets(targets));

    let request =
        Request::get("/v1/models?client_version=0.169.0").body(Full::<Bytes>::default())?;
    let answer = codex.oneshot(request).await?;
    assert_eq!(
        answer.status(),
        200,
        "the expired token was refreshed on the way"
    );
    let served_by = answer.extensions().get::<ServedBy>();
    assert!(served_by.is_some_and(|profile| profile.0.as_str() == "work"));
    eprintln!(
        "{} bytes of models",
        answer.into_body().collect().await?.to_bytes().len()
    );
    Ok(())
}
