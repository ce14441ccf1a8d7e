//! `auth.json` of Codex itself. Codex's homes hold it, and so do, as copies under other names, the
//! account switchers that move it about: `accounts/*.auth.json` of `Loongphy/codex-auth`
//! (`src/registry/common.zig`), `profiles/*.json` of `BigCactusLabs/codex-multipass` (`README.md`),
//! and `~/.chatgpt-local/auth.json` of `ChatMock`.

use std::collections::HashMap;

use codex_auth::AuthDotJson;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{Contents, Entry, Format};

/// What no other file of a login has at its top (wire reference 1.2).
const TELLING_FIELDS: [&str; 6] = [
    "auth_mode",
    "OPENAI_API_KEY",
    "tokens",
    "agent_identity",
    "personal_access_token",
    "bedrock_api_key",
];

pub(super) fn read(bytes: &[u8], _written_at: Timestamp) -> Option<Contents> {
    let fields: HashMap<String, &RawValue> = serde_json::from_slice(bytes).ok()?;
    let is_codex = TELLING_FIELDS.iter().any(|name| fields.contains_key(*name));
    is_codex.then(|| Contents {
        format: Format::Codex,
        entries: vec![Entry {
            name: None,
            label: None,
            login: AuthDotJson::parse(bytes).map_err(Into::into),
        }],
    })
}
