//! The address that the person opens in a browser.

use form_urlencoded::Serializer;

use super::{
    SignInOptions,
    pkce::{CodeVerifier, State},
};
use crate::{Issuer, request::ORIGINATOR};

const SCOPE: &str = "openid profile email offline_access api.connectors.read api.connectors.invoke";

/// The authorization request (RFC 6749, section 4.1.1): the parameters of Codex in their order,
/// but for the originator, which is our own: we say who we are. Nothing is known of a server that
/// wants Codex's; opencode and pi, for two, are public programs that send theirs.
///
/// *Source:* wire reference 4.1; captures `login-browser`, `login-browser-workspace`.
pub(super) fn authorize_url(
    issuer: &Issuer,
    redirect_uri: &str,
    verifier: &CodeVerifier,
    state: &State,
    options: &SignInOptions,
) -> String {
    let mut query = Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &issuer.origin().client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("code_challenge", &verifier.challenge())
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", state.expose())
        .append_pair("scope", SCOPE)
        .append_pair("id_token_add_organizations", "true")
        .append_pair("codex_cli_simplified_flow", "true")
        .append_pair("originator", ORIGINATOR);
    if !options.allowed_workspaces.is_empty() {
        query.append_pair(
            "allowed_workspace_id",
            &options.allowed_workspaces.join(","),
        );
    }
    format!("{}?{}", issuer.authorize_url(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(options: &SignInOptions) -> String {
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        let state = State::random().unwrap();
        let redirect_uri = "http://127.0.0.1:1455/auth/callback";
        let url = authorize_url(&Issuer::default(), redirect_uri, &verifier, &state, options);
        url.replace(state.expose(), "STATE")
    }

    #[test]
    fn it_is_the_address_of_codex_but_for_the_originator() {
        assert_eq!(
            url(&SignInOptions::default()),
            "https://auth.openai.com/oauth/authorize?response_type=code\
             &client_id=app_EMoamEEZ73f0CkXaXp7hrann\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
             &code_challenge_method=S256&state=STATE\
             &scope=openid+profile+email+offline_access+api.connectors.read+api.connectors.invoke\
             &id_token_add_organizations=true&codex_cli_simplified_flow=true\
             &originator=codex_router"
        );
    }

    #[test]
    fn the_workspaces_that_are_allowed_are_joined_by_commas() {
        let options = SignInOptions::default().with_allowed_workspaces(["ws-1", "ws-2"]);
        assert!(url(&options).ends_with("&allowed_workspace_id=ws-1%2Cws-2"));
    }
}
