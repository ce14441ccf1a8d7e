//! A provider of your own: logins from wherever you keep them, here from one API key in memory.
//!
//! `cargo run --example own_provider`

use bytes::Bytes;
use codex_auth::{
    CredentialError, CredentialProvider, Credentials, LoginReason, ProfileRef, RouteHint,
    secret::ApiKey,
};
use codex_proxy::{BoxError, auth::CodexAuthLayer, upstream::Targets, upstream::Upstream};
use fake_openai::FakeOpenAi;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tower::{ServiceBuilder, ServiceExt as _};

#[derive(Clone)]
struct OneKey(ApiKey);

impl CredentialProvider for OneKey {
    async fn credentials(&self, _: &RouteHint) -> Result<Credentials, CredentialError> {
        let profile = ProfileRef::new("the key");
        Ok(Credentials::api_key(profile, &self.0).expect("the key fits into a header"))
    }

    async fn refresh(&self, stale: &Credentials) -> Result<Credentials, CredentialError> {
        let profile = stale.profile().clone();
        Err(CredentialError::LoginRequired {
            profile,
            reason: LoginReason::Refused,
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let fake = FakeOpenAi::start().await; // in place of api.openai.com
    fake.register_api_key("sk-example");
    let targets = Targets::new(&fake.chatgpt_base_url(), &fake.openai_base_url())?;

    let openai = ServiceBuilder::new()
        .layer(CodexAuthLayer::new(OneKey(ApiKey::new("sk-example"))))
        .service(Upstream::new(reqwest::Client::new()).with_targets(targets));

    let request = Request::get("/v1/models").body(Full::<Bytes>::default())?;
    let answer = openai.oneshot(request).await?;
    assert_eq!(answer.status(), 200);
    eprintln!(
        "{} bytes of models",
        answer.into_body().collect().await?.to_bytes().len()
    );
    Ok(())
}
