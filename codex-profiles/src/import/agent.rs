//! The `auth.json` of coding agents, logins by provider: `openai` in opencode
//! (`~/.local/share/opencode/auth.json`), `openai-codex` in pi (`~/.pi/agent/auth.json`). Neither
//! keeps an id token.
//!
//! *Source:* `sst/opencode`, `packages/opencode/src/auth/index.ts` (`Oauth`, `Api`);
//! `badlogic/pi-mono`, `packages/coding-agent/src/core/auth-storage.ts`;
//! `iam-brain/opencode-codex-auth`, `lib/types.ts` (`OpenAIMultiOauthAuth`).

use std::collections::BTreeMap;

use codex_auth::secret::{AccessToken, ApiKey, RefreshToken};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Entry, Format,
    loose::{self, LooseTokens},
    source::{Maybe, Source},
};

const PROVIDERS: [&str; 2] = ["openai", "openai-codex"];

#[derive(Deserialize)]
pub(super) struct Providers(BTreeMap<String, Maybe<Credential>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Credential {
    Several { accounts: Vec<Maybe<Oauth>> },
    Oauth(Oauth),
    Key { key: ApiKey },
}

/// What opencode, pi and `OpenClaw` call the tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Oauth {
    access: AccessToken,
    refresh: Option<RefreshToken>,
    account_id: Option<String>,
}

impl Source for Providers {
    const FORMAT: Format = Format::Agent;

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        self.0
            .into_iter()
            .filter(|(provider, _)| PROVIDERS.contains(&provider.as_str()))
            .filter_map(|(_, credential)| credential.known())
            .flat_map(|credential| credential.entries(written_at))
            .collect()
    }
}

impl Credential {
    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        match self {
            Self::Oauth(oauth) => vec![oauth.entry(written_at)],
            Self::Several { accounts } => accounts
                .into_iter()
                .filter_map(Maybe::known)
                .map(|oauth| oauth.entry(written_at))
                .collect(),
            Self::Key { key } => loose::api_key(&key)
                .map(|login| Entry {
                    name: None,
                    label: None,
                    login: Ok(login),
                })
                .into_iter()
                .collect(),
        }
    }
}

impl Oauth {
    pub(super) fn entry(self, written_at: Timestamp) -> Entry {
        let tokens = LooseTokens {
            access_token: Some(self.access),
            refresh_token: self.refresh,
            account_id: self.account_id,
            ..LooseTokens::default()
        };
        Entry {
            name: None,
            label: None,
            login: tokens.login(written_at),
        }
    }
}
