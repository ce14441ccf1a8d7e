//! `~/.cli-proxy-api/codex-*.json`.
//!
//! *Source:* `router-for-me/CLIProxyAPI`, `internal/auth/codex/token.go` (`CodexTokenStorage`). Its
//! logins of other makers have the same fields and another `type`.

use codex_auth::secret::{AccessToken, IdToken, RefreshToken};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Entry, Format, loose::LooseTokens, source::Source};

#[derive(Deserialize)]
pub(super) struct Login {
    #[serde(rename = "type")]
    _kind: Kind,
    id_token: Option<IdToken>,
    access_token: Option<AccessToken>,
    refresh_token: Option<RefreshToken>,
    account_id: Option<String>,
    last_refresh: Option<String>,
}

#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "codex")]
    Codex,
}

impl Source for Login {
    const FORMAT: Format = Format::CliProxyApi;

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        let tokens = LooseTokens {
            id_token: self.id_token,
            access_token: self.access_token,
            refresh_token: self.refresh_token,
            account_id: self.account_id,
            last_refresh: self.last_refresh.and_then(|time| time.parse().ok()),
        };
        vec![Entry {
            name: None,
            label: None,
            login: tokens.login(written_at),
        }]
    }
}
