//! The accounts file of opencode's plugins for several accounts; an access token is in it only
//! where one was kept.
//!
//! *Source:* `ndycode/opencode-openai-codex-auth-multiaccount`, `lib/schemas.ts`
//! (`AccountMetadataV3Schema`).

use codex_auth::secret::{AccessToken, RefreshToken};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Entry, Format,
    loose::LooseTokens,
    source::{self, Maybe, Source},
};

#[derive(Deserialize)]
pub(super) struct Accounts {
    accounts: Vec<Maybe<Login>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    account_id: Option<String>,
    account_label: Option<String>,
    refresh_token: RefreshToken,
    access_token: Option<AccessToken>,
}

impl Source for Accounts {
    const FORMAT: Format = Format::OpencodeAccounts;

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        let accounts = self.accounts.into_iter().filter_map(Maybe::known);
        accounts.map(|account| account.entry(written_at)).collect()
    }
}

impl Login {
    fn entry(self, written_at: Timestamp) -> Entry {
        let tokens = LooseTokens {
            access_token: self.access_token,
            refresh_token: Some(self.refresh_token),
            account_id: self.account_id,
            ..LooseTokens::default()
        };
        Entry {
            name: source::name(self.account_label.as_deref()),
            label: None,
            login: tokens.login(written_at),
        }
    }
}
