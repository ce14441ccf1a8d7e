//! Two replicas of a service, which share the logins of one database: a hundred requests at both
//! refresh an expired login once.
//!
//! `cargo run --example postgres_replicas --features codex-router-examples/postgres`

use codex_auth::{
    AuthDotJson, CredentialProvider as _, Issuer, ProfileRef, RouteHint, refresh::TokenEndpoint,
};
use codex_profiles::postgres::PostgresSettings;
use codex_proxy::BoxError;
use codex_router_tests::cluster::Cluster;
use fake_openai::FakeOpenAi;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let fake = FakeOpenAi::start().await; // in place of OpenAI
    let database = Cluster::start()?.ok_or("PostgreSQL is not installed")?; // in place of yours
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(fake.issuer_url()));
    let work = ProfileRef::new("work");
    let settings = PostgresSettings::parse(&database.address())?.with_default_profile(work.clone());

    let one = settings.clone().connect(endpoint.clone()).await?;
    one.migrate().await?;
    let login = fake.auth_json_expired(&fake.account("user-1", "acct-1"));
    one.put(&work, &AuthDotJson::parse(login.to_string().as_bytes())?)
        .await?;
    let two = settings.connect(endpoint).await?;

    let mut requests = JoinSet::new();
    for replica in [one, two].into_iter().cycle().take(100) {
        // Each is a provider: `CodexAuthLayer::new(replica)` puts it into a stack.
        requests.spawn(async move { replica.credentials(&RouteHint::default()).await });
    }
    let served: Result<Vec<_>, _> = requests.join_all().await.into_iter().collect();
    eprintln!(
        "{} requests, {} refresh",
        served?.len(),
        fake.refreshes().len()
    );
    assert_eq!(fake.refreshes().len(), 1);
    Ok(())
}
