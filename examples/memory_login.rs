//! A login that lives in memory, for a service with a secret store of its own: it is refreshed when
//! it is due, and handed back to the store.
//!
//! `cargo run --example memory_login`

use std::sync::{Arc, Mutex};

use codex_auth::{
    AuthDotJson, CredentialProvider as _, Issuer, ProfileRef, RouteHint, memory::MemoryLogin,
    refresh::TokenEndpoint,
};
use codex_proxy::BoxError;
use fake_openai::FakeOpenAi;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let fake = FakeOpenAi::start().await; // in place of OpenAI
    let expired = fake.auth_json_expired(&fake.account("user-1", "acct-1"));
    let store = Arc::new(Mutex::new(expired.to_string())); // in place of your secret store

    let login = AuthDotJson::parse(expired.to_string().as_bytes())?;
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(fake.issuer_url()));
    let keep = {
        let store = store.clone();
        move |login: AuthDotJson| {
            let text = String::from_utf8_lossy(&login.to_bytes()).into_owned();
            *store.lock().expect("nobody panics") = text;
            async { Ok(()) }
        }
    };
    let logins = MemoryLogin::new(ProfileRef::new("work"), login, endpoint, keep);

    let credentials = logins.credentials(&RouteHint::default()).await?;
    assert_eq!(credentials.profile().as_str(), "work");
    logins.finish().await?;
    let kept = store.lock().expect("nobody panics").clone();
    assert_ne!(kept, expired.to_string(), "the store has the new tokens");
    Ok(())
}
