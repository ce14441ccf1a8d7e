//! The accounts file of Codex Switcher.
//!
//! *Source:* `Lampese/codex-switcher`, `src-tauri/src/types.rs` (`AccountsStore`, `AuthData`).

use codex_auth::secret::{AccessToken, ApiKey, IdToken, RefreshToken};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Entry, EntryError, Format,
    loose::{self, LooseTokens},
    source::{self, Maybe, Source},
};

#[derive(Deserialize)]
pub(super) struct Accounts {
    accounts: Vec<Maybe<Account>>,
}

#[derive(Deserialize)]
struct Account {
    name: Option<String>,
    auth_data: AuthData,
    last_refresh_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AuthData {
    Tokens {
        id_token: Option<IdToken>,
        access_token: AccessToken,
        refresh_token: Option<RefreshToken>,
        account_id: Option<String>,
    },
    Key {
        key: ApiKey,
    },
}

impl Source for Accounts {
    const FORMAT: Format = Format::CodexSwitcher;

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        let accounts = self.accounts.into_iter().filter_map(Maybe::known);
        accounts.map(|account| account.entry(written_at)).collect()
    }
}

impl Account {
    fn entry(self, written_at: Timestamp) -> Entry {
        let login = match self.auth_data {
            AuthData::Key { key } => loose::api_key(&key).ok_or(EntryError::NoAccessToken),
            AuthData::Tokens {
                id_token,
                access_token,
                refresh_token,
                account_id,
            } => LooseTokens {
                id_token,
                access_token: Some(access_token),
                refresh_token,
                account_id,
                last_refresh: self.last_refresh_at.and_then(|time| time.parse().ok()),
            }
            .login(written_at),
        };
        Entry {
            name: source::name(self.name.as_deref()),
            label: None,
            login,
        }
    }
}
