//! `~/.config/litellm/chatgpt/auth.json`: bare tokens, without a word on whose they are. Their
//! claims must say that they are of ChatGPT.
//!
//! *Source:* `BerriAI/litellm`, `litellm/llms/chatgpt/authenticator.py` (`_build_auth_record`).

use codex_auth::secret::{AccessToken, IdToken, RefreshToken};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Entry, Format, loose::LooseTokens, source::Source};

#[derive(Deserialize)]
pub(super) struct Tokens {
    access_token: AccessToken,
    refresh_token: Option<RefreshToken>,
    id_token: Option<IdToken>,
    account_id: Option<String>,
}

impl Source for Tokens {
    const FORMAT: Format = Format::LiteLlm;

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        let tokens = LooseTokens {
            id_token: self.id_token,
            access_token: Some(self.access_token),
            refresh_token: self.refresh_token,
            account_id: self.account_id,
            last_refresh: None,
        };
        let ours = tokens.claim_to_be_chatgpt();
        let entry = || Entry {
            name: None,
            label: None,
            login: tokens.login(written_at),
        };
        ours.then(entry).into_iter().collect()
    }
}
