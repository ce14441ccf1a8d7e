//! What every format has in common: it is told by whether it can be read.

use jiff::Timestamp;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{Contents, Entry, Format};
use crate::profile::ProfileName;

/// A file of another program, with the fields that matter here.
pub(super) trait Source: DeserializeOwned {
    const FORMAT: Format;
    /// How the file begins.
    const BEGINS_WITH: &[u8] = b"{";

    /// Its logins; none of ours means that it is a file of another kind.
    fn entries(self, written_at: Timestamp) -> Vec<Entry>;
}

pub(super) fn read<S: Source>(bytes: &[u8], written_at: Timestamp) -> Option<Contents> {
    // A list would do for an object, its items for the fields, as serde sees it.
    let first = bytes.trim_ascii_start().first()?;
    if !S::BEGINS_WITH.contains(first) {
        return None;
    }
    let source: S = serde_json::from_slice(bytes).ok()?;
    let entries = source.entries(written_at);
    (!entries.is_empty()).then_some(Contents {
        format: S::FORMAT,
        entries,
    })
}

/// One item among others that are of other kinds, and do not matter.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Maybe<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Maybe<T> {
    pub(super) fn known(self) -> Option<T> {
        match self {
            Self::Known(item) => Some(item),
            Self::Other(_) => None,
        }
    }
}

/// The nearest profile name to what a person called an account, if anything is left of it.
pub(super) fn name(text: Option<&str>) -> Option<ProfileName> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    Some(ProfileName::suggest(text))
}
