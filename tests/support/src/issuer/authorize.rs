//! `GET /oauth/authorize`: where a browser would show a page, the fake redirects at once.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;

use super::pending::Grant;
use super::token::Fields;
use crate::accounts::Account;
use crate::answers::{answer, set};
use crate::shared::Shared;

/// *Source:* wire reference, section 4.1.
pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Fields>,
) -> Response {
    if let Some(problem) = problem(&query) {
        return answer(
            StatusCode::BAD_REQUEST,
            &serde_json::json!({"error": problem}),
        );
    }
    let (redirect_uri, state) = (&query["redirect_uri"], &query["state"]);
    let mut ledger = shared.ledger();
    if ledger.pending().take_denial() {
        return redirect(&format!("{redirect_uri}?error=access_denied&state={state}"));
    }
    let account = ledger
        .pending()
        .browser_user()
        .or_else(|| ledger.last_account());
    let code = ledger.pending().grant(Grant {
        account: account.unwrap_or_else(browser_user),
        code_challenge: query["code_challenge"].clone(),
        redirect_uri: redirect_uri.clone(),
    });
    redirect(&format!("{redirect_uri}?code={code}&state={state}"))
}

/// The account that signs in when no test has named one.
pub(super) fn browser_user() -> Account {
    Account::new("user-browser", "acct-browser")
}

/// What the real page would refuse; the values are those of the Codex CLI.
fn problem(query: &Fields) -> Option<String> {
    let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let fixed = [
        ("response_type", "code"),
        ("client_id", crate::CLIENT_ID),
        ("code_challenge_method", "S256"),
    ];
    let wrong = fixed.iter().find(|(name, value)| field(name) != *value);
    if let Some((name, value)) = wrong {
        return Some(format!("{name} must be {value}"));
    }
    let state = field("state");
    let safe = state
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let scopes: Vec<_> = field("scope").split(' ').collect();
    match () {
        () if state.is_empty() || !safe => Some("state must be base64url".to_owned()),
        () if field("code_challenge").len() != 43 => {
            Some("code_challenge is no SHA-256".to_owned())
        }
        () if !scopes.contains(&"openid") || !scopes.contains(&"offline_access") => {
            Some("scope must have openid and offline_access".to_owned())
        }
        () if !loopback(field("redirect_uri")) => Some("redirect_uri is not registered".to_owned()),
        () => None,
    }
}

/// `http://127.0.0.1:PORT/auth/callback`, or the same at localhost.
fn loopback(redirect_uri: &str) -> bool {
    let rest = ["http://127.0.0.1:", "http://localhost:"]
        .iter()
        .find_map(|start| redirect_uri.strip_prefix(start));
    let port = rest.and_then(|rest| rest.strip_suffix("/auth/callback"));
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

fn redirect(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    set(&mut response, "location", location);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_callback_of_a_loopback_address_is_registered() {
        assert!(loopback("http://127.0.0.1:1455/auth/callback"));
        assert!(loopback("http://localhost:1457/auth/callback"));
        assert!(!loopback("http://localhost:1457/elsewhere"));
        assert!(!loopback("https://example.com/auth/callback"));
    }
}
