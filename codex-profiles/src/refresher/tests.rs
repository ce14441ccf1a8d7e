mod beside_codex;
mod disk;
mod flow;
mod other_owners;
mod refusals;
mod spent;

use codex_auth::{CredentialError, CredentialProvider as _, Credentials, LoginReason, RouteHint};
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::Value;

use crate::ProfileStore;

async fn ask(store: &ProfileStore) -> Result<Credentials, CredentialError> {
    store.credentials(&RouteHint::default()).await
}

fn bearer(credentials: &Credentials) -> String {
    let mut headers = HeaderMap::new();
    credentials.apply(&mut headers);
    headers[AUTHORIZATION].to_str().unwrap()["Bearer ".len()..].to_owned()
}

fn access(login: &Value) -> &str {
    login["tokens"]["access_token"].as_str().unwrap()
}

fn reason_of(error: &CredentialError) -> LoginReason {
    match error {
        CredentialError::LoginRequired { reason, .. } => *reason,
        other => panic!("{other}"),
    }
}
