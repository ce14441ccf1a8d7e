//! What codex-lb exports of one account, with Codex's `auth.json` in it; its bundles are encrypted
//! in a way of their own.
//!
//! *Source:* `Soju06/codex-lb`, `app/modules/accounts/schemas.py` (`AccountAuthExportResponse`) and
//! `account_bundle.py` (`BUNDLE_FORMAT`).

use codex_auth::AuthDotJson;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Entry, Format, source::Source};

#[derive(Deserialize)]
pub(super) struct Export {
    #[serde(alias = "codexAuthJson")]
    codex_auth_json: Box<RawValue>,
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "format")]
    _format: Mark,
}

#[derive(Deserialize)]
enum Mark {
    #[serde(rename = "codex-lb-account-bundle")]
    Bundle,
}

impl Source for Export {
    const FORMAT: Format = Format::CodexLb;

    fn entries(self, _written_at: Timestamp) -> Vec<Entry> {
        let login = AuthDotJson::parse(self.codex_auth_json.get().as_bytes());
        vec![Entry {
            name: None,
            label: None,
            login: login.map_err(Into::into),
        }]
    }
}

pub(super) fn is_bundle(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Bundle>(bytes).is_ok()
}
