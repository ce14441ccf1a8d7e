//! The HTTPS client of this program: the certificates and proxies that Codex would use.

use codex_auth::{Issuer, refresh::TokenEndpoint};
use codex_profiles::{CodexHome, ProfileStore, audit::Actor};
use codex_proxy::upstream::client_builder;

use super::{exit::Failure, text};

/// The logins of a home, with the issuer that the environment names.
pub(crate) fn store(home: &CodexHome) -> Result<ProfileStore, Failure> {
    let endpoint = TokenEndpoint::new(issuer_client()?, Issuer::from_env());
    let store = ProfileStore::open(home.clone())?.acting_as(Actor::Command);
    Ok(store.with_token_endpoint(endpoint))
}

/// For the issuer: what works once is sent once, whatever became of the connection.
pub(crate) fn issuer_client() -> Result<reqwest::Client, Failure> {
    built(builder()?.retry(reqwest::retry::never()))
}

/// One pooled client for all else.
pub(crate) fn http_client() -> Result<reqwest::Client, Failure> {
    built(builder()?)
}

/// One that asks for a WebSocket, which is done over HTTP/1.1.
pub(crate) fn upgrade_client() -> Result<reqwest::Client, Failure> {
    built(builder()?.http1_only())
}

/// Certificates of the system, plus those that Codex is told of.
fn builder() -> Result<reqwest::ClientBuilder, Failure> {
    let certificates = extra_certificates()?.into_iter();
    Ok(certificates.fold(
        client_builder(),
        reqwest::ClientBuilder::add_root_certificate,
    ))
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Failure> {
    let client = builder.build();
    client.map_err(|error| Failure::usage(format!("no HTTPS client: {error}")))
}

/// `CODEX_CA_CERTIFICATE`, else `SSL_CERT_FILE`, as Codex reads them (wire reference 10.4).
fn extra_certificates() -> Result<Vec<reqwest::Certificate>, Failure> {
    let path = ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"]
        .iter()
        .find_map(|name| std::env::var_os(name).filter(|path| !path.is_empty()));
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let shown = text::path(std::path::Path::new(&path));
    let bytes = std::fs::read(&path)
        .map_err(|error| Failure::usage(format!("the certificates in {shown}: {error}")))?;
    reqwest::Certificate::from_pem_bundle(&bytes)
        .map_err(|_| Failure::usage(format!("{shown} holds no PEM certificates")))
}
