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
    One(Box<Account>),
    Many(Vec<Maybe<Account>>),
}

#[derive(Deserialize)]
pub(super) struct Account {
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
    id_token: Option<IdToken>,
    access_token: AccessToken,
    refresh_token: Option<RefreshToken>,
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

impl Account {
    fn entry(self, written_at: Timestamp) -> Entry {
        let tokens = LooseTokens {
            id_token: self.tokens.id_token,
            access_token: Some(self.tokens.access_token),
            refresh_token: self.tokens.refresh_token,
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
