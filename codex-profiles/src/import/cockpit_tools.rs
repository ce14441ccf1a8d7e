//! An account file of Cockpit Tools, or a list of them: Codex's `tokens` under another `auth_mode`,
//! beside the address.
//!
//! *Source:* `jlcodes99/cockpit-tools`, `src-tauri/src/models/codex.rs` (`CodexAccount`).

use codex_auth::secret::{AccessToken, IdToken, RefreshToken};
use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Entry, Format,
    loose::LooseTokens,
    source::{self, Maybe, Source},
};

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Accounts {
    One(Box<Login>),
    Many(Vec<Maybe<Login>>),
}

#[derive(Deserialize)]
pub(super) struct Login {
    #[serde(rename = "id")]
    _id: IgnoredAny,
    #[serde(rename = "email")]
    _email: IgnoredAny,
    tokens: Tokens,
    account_id: Option<String>,
    account_name: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(rename = "id_token")]
    id: Option<IdToken>,
    #[serde(rename = "access_token")]
    access: AccessToken,
    #[serde(rename = "refresh_token")]
    refresh: Option<RefreshToken>,
}

impl Source for Accounts {
    const FORMAT: Format = Format::CockpitTools;
    const BEGINS_WITH: &[u8] = b"{[";

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        let accounts = match self {
            Self::One(account) => vec![*account],
            Self::Many(accounts) => accounts.into_iter().filter_map(Maybe::known).collect(),
        };
        let accounts = accounts.into_iter();
        accounts.map(|account| account.entry(written_at)).collect()
    }
}

impl Login {
    fn entry(self, written_at: Timestamp) -> Entry {
        let tokens = LooseTokens {
            id_token: self.tokens.id,
            access_token: Some(self.tokens.access),
            refresh_token: self.tokens.refresh,
            account_id: self.account_id,
            last_refresh: None,
        };
        Entry {
            name: source::name(self.account_name.as_deref()),
            label: None,
            login: tokens.login(written_at),
        }
    }
}
