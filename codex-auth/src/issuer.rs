//! The issuer's endpoints and the documented ways to point them elsewhere.

use http::Uri;

use crate::auth_json::OauthProvenance;

/// OpenAI's own issuer.
pub const DEFAULT_ISSUER: &str = "https://auth.openai.com";
/// The client id of Codex, which the logins of `auth.json` belong to.
pub const DEFAULT_CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// Where people sign in and out, and where tokens are refreshed.
///
/// *Source:* wire reference 3.1, 4 and 11; `login/src/auth/manager.rs` of Codex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    base_url: String,
    refresh_url_override: Option<String>,
    revoke_url_override: Option<String>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self::new(DEFAULT_ISSUER)
    }
}

impl Issuer {
    /// An issuer by its base address.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        let base_url = base_url.into().trim_end_matches('/').to_owned();
        Self {
            base_url,
            refresh_url_override: None,
            revoke_url_override: None,
        }
    }

    /// Reads `CODEX_ROUTER_AUTH_ISSUER`, `CODEX_REFRESH_TOKEN_URL_OVERRIDE` and
    /// `CODEX_REVOKE_TOKEN_URL_OVERRIDE`: one of the two places in the libraries that look at the
    /// environment, and only when asked.
    #[must_use]
    pub fn from_env() -> Self {
        let read = |name| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        };
        let issuer = read("CODEX_ROUTER_AUTH_ISSUER").map_or_else(Self::default, Self::new);
        Self {
            refresh_url_override: read("CODEX_REFRESH_TOKEN_URL_OVERRIDE"),
            revoke_url_override: read("CODEX_REVOKE_TOKEN_URL_OVERRIDE"),
            ..issuer
        }
    }

    /// Posts every refresh to `url`, whatever a login says of its origin.
    #[must_use]
    pub fn with_refresh_url(self, url: impl Into<String>) -> Self {
        Self {
            refresh_url_override: Some(url.into()),
            ..self
        }
    }

    /// Posts every revocation to `url`, whatever a login says of its origin.
    #[must_use]
    pub fn with_revoke_url(self, url: impl Into<String>) -> Self {
        Self {
            revoke_url_override: Some(url.into()),
            ..self
        }
    }

    /// Where a new sign-in is made; its logins keep this as their origin.
    #[must_use]
    pub fn origin(&self) -> OauthProvenance {
        OauthProvenance {
            issuer: self.base_url.clone(),
            client_id: DEFAULT_CLIENT_ID.to_owned(),
        }
    }

    /// The authorization endpoint (RFC 6749, section 3.1), without its parameters.
    #[must_use]
    pub fn authorize_url(&self) -> String {
        self.url("/oauth/authorize")
    }

    /// The token endpoint for a new sign-in: always the issuer's own. The override is for refreshes
    /// alone, as it is in Codex.
    #[must_use]
    pub fn code_url(&self) -> String {
        self.url("/oauth/token")
    }

    /// Where a device asks for the code that it shows (wire reference 4.4).
    #[must_use]
    pub fn device_code_url(&self) -> String {
        self.url("/api/accounts/deviceauth/usercode")
    }

    /// Where a device asks whether its code was entered.
    #[must_use]
    pub fn device_token_url(&self) -> String {
        self.url("/api/accounts/deviceauth/token")
    }

    /// The page on which a person enters the code of a device.
    #[must_use]
    pub fn device_page_url(&self) -> String {
        self.url("/codex/device")
    }

    /// The redirect URI that belongs to the authorization code of a device.
    #[must_use]
    pub fn device_redirect_uri(&self) -> String {
        self.url("/deviceauth/callback")
    }

    /// The revocation endpoint (RFC 7009) for a login of this origin: the override, else the place
    /// of the one for refreshes, else the issuer that made the login, else the configured one.
    #[must_use]
    pub fn revoke_url(&self, provenance: Option<&OauthProvenance>) -> String {
        let beside_refresh = || revoke_beside(self.refresh_url_override.as_deref()?);
        if let Some(url) = self.revoke_url_override.clone().or_else(beside_refresh) {
            return url;
        }
        let base = provenance.map_or(self.base_url.as_str(), |origin| origin.issuer.as_str());
        format!("{}/oauth/revoke", base.trim_end_matches('/'))
    }

    /// The token endpoint (RFC 6749, section 3.2) for a login of this origin: the override, else
    /// the issuer that made the login, else the configured one.
    #[must_use]
    pub fn token_url(&self, provenance: Option<&OauthProvenance>) -> String {
        if let Some(url) = &self.refresh_url_override {
            return url.clone();
        }
        let base = provenance.map_or(self.base_url.as_str(), |origin| origin.issuer.as_str());
        format!("{}/oauth/token", base.trim_end_matches('/'))
    }

    /// Whether a login of this origin is refreshed at another one: what comes from there is a login
    /// of that other issuer (wire reference 3.1).
    #[must_use]
    pub fn is_elsewhere(&self, provenance: &OauthProvenance) -> bool {
        let url = self.refresh_url_override.as_deref();
        url.is_some_and(|url| origin(url) != origin(&provenance.issuer))
    }

    /// The client id for a login of this origin.
    #[must_use]
    pub fn client_id<'a>(&self, provenance: Option<&'a OauthProvenance>) -> &'a str {
        provenance.map_or(DEFAULT_CLIENT_ID, |origin| origin.client_id.as_str())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}

/// The revocation endpoint on the server of another address of it.
fn revoke_beside(url: &str) -> Option<String> {
    let url: Uri = url.trim().parse().ok()?;
    let (scheme, authority) = (url.scheme_str()?, url.authority()?);
    Some(format!("{scheme}://{authority}/oauth/revoke"))
}

/// Scheme, host and port (RFC 6454), where the address has them.
fn origin(url: &str) -> Option<(String, String)> {
    let url: http::Uri = url.parse().ok()?;
    Some((url.scheme_str()?.to_owned(), url.authority()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance() -> OauthProvenance {
        OauthProvenance {
            issuer: "https://i.example/".into(),
            client_id: "app_1".into(),
        }
    }

    #[test]
    fn the_override_wins_then_the_logins_own_issuer_then_the_configured_one() {
        let issuer = Issuer::new("https://auth.example/");
        let origin = provenance();
        assert_eq!(issuer.token_url(None), "https://auth.example/oauth/token");
        assert_eq!(
            issuer.token_url(Some(&origin)),
            "https://i.example/oauth/token"
        );
        let issuer = issuer.with_refresh_url("http://127.0.0.1:1/t");
        assert_eq!(issuer.token_url(Some(&origin)), "http://127.0.0.1:1/t");
        assert!(issuer.is_elsewhere(&origin));
        let same = Issuer::default().with_refresh_url("https://i.example/other/path");
        assert!(!same.is_elsewhere(&origin) && !Issuer::default().is_elsewhere(&origin));
    }

    #[test]
    fn a_revocation_goes_to_its_override_else_beside_the_refresh_else_to_the_logins_issuer() {
        let (issuer, origin) = (Issuer::new("https://auth.example/"), provenance());
        let of = |issuer: &Issuer| issuer.revoke_url(Some(&origin));
        assert_eq!(issuer.revoke_url(None), "https://auth.example/oauth/revoke");
        assert_eq!(of(&issuer), "https://i.example/oauth/revoke");
        let issuer = issuer.with_refresh_url("http://127.0.0.1:1/some/token?x=1");
        assert_eq!(of(&issuer), "http://127.0.0.1:1/oauth/revoke");
        let issuer = issuer.with_revoke_url("http://127.0.0.1:2/r");
        assert_eq!(of(&issuer), "http://127.0.0.1:2/r");
    }

    #[test]
    fn a_sign_in_goes_to_the_issuer_whatever_the_overrides_say() {
        let issuer = Issuer::new("https://auth.example/").with_refresh_url("http://127.0.0.1:1/t");
        assert_eq!(issuer.code_url(), "https://auth.example/oauth/token");
        assert_eq!(issuer.origin().issuer, "https://auth.example");
    }

    #[test]
    fn the_client_id_is_the_one_the_login_was_made_with() {
        assert_eq!(Issuer::default().client_id(Some(&provenance())), "app_1");
        assert_eq!(Issuer::default().client_id(None), DEFAULT_CLIENT_ID);
    }
}
