use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Form, plan::Splice};
use crate::keys::hex;

/// What `state.json` keeps of an attachment, so that it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// How Codex was told.
    pub(super) form: Form,
    /// The base address that was written.
    pub(super) url: String,
    /// When.
    pub(super) at: Timestamp,
    /// Whether there was no `config.toml`.
    pub(super) created: bool,
    /// The file before and after, as hashes: nothing else changed it if they are met again.
    pub(super) before: String,
    pub(super) after: String,
    /// What was cut in, in order.
    pub(super) edits: Vec<Splice>,
}

/// SHA-256, in hexadecimal.
pub(super) fn fingerprint(text: &str) -> String {
    hex(&Sha256::digest(text))
}
