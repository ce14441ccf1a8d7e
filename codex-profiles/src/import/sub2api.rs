//! The data export of sub2api: accounts of many makers, those of OpenAI's sign-in among them.
//!
//! *Source:* `Wei-Shaw/sub2api`, `backend/internal/handler/admin/account_data.go` (`DataAccount`).

use codex_auth::secret::{AccessToken, IdToken, RefreshToken};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Entry, Format,
    loose::LooseTokens,
    source::{self, Maybe, Source},
};

#[derive(Deserialize)]
pub(super) struct Data {
    accounts: Vec<Maybe<Account>>,
}

#[derive(Deserialize)]
struct Account {
    name: Option<String>,
    #[serde(rename = "platform")]
    _platform: Platform,
    #[serde(rename = "type")]
    _kind: Kind,
    credentials: Credentials,
}

#[derive(Deserialize)]
enum Platform {
    #[serde(rename = "openai")]
    OpenAi,
}

#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "oauth")]
    Oauth,
}

#[derive(Deserialize)]
struct Credentials {
    id_token: Option<IdToken>,
    access_token: Option<AccessToken>,
    refresh_token: Option<RefreshToken>,
    chatgpt_account_id: Option<String>,
}

impl Source for Data {
    const FORMAT: Format = Format::Sub2Api;

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        let accounts = self.accounts.into_iter().filter_map(Maybe::known);
        accounts.map(|account| account.entry(written_at)).collect()
    }
}

impl Account {
    fn entry(self, written_at: Timestamp) -> Entry {
        let tokens = LooseTokens {
            id_token: self.credentials.id_token,
            access_token: self.credentials.access_token,
            refresh_token: self.credentials.refresh_token,
            account_id: self.credentials.chatgpt_account_id,
            last_refresh: None,
        };
        Entry {
            name: source::name(self.name.as_deref()),
            label: None,
            login: tokens.login(written_at),
        }
    }
}
