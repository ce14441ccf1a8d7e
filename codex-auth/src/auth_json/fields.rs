//! JSON objects whose values keep the bytes they were read from.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use super::AuthJsonError;

/// An object's fields in their order, each value as the bytes it was read from.
pub(super) type Fields = IndexMap<String, Box<RawValue>>;

/// Whether a field has the same bytes on both sides; null counts as missing.
pub(super) fn same(one: Option<&Fields>, other: Option<&Fields>, name: &str) -> bool {
    one.and_then(|fields| value(fields, name)) == other.and_then(|fields| value(fields, name))
}

pub(super) fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let raw = fields.get(name)?.get();
    (raw != "null").then_some(raw)
}

/// Adds what `older` alone holds and `known` does not name.
pub(super) fn carry(newer: &mut Fields, older: &Fields, known: &[&str]) {
    for (name, value) in older {
        if !known.contains(&name.as_str()) && !newer.contains_key(name) {
            newer.insert(name.clone(), value.clone());
        }
    }
}

/// A field's value; null counts as missing.
pub(super) fn field<'a, T: Deserialize<'a>>(
    fields: &'a Fields,
    name: &str,
) -> Result<Option<T>, AuthJsonError> {
    let Some(raw) = fields.get(name).filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    serde_json::from_str(raw.get())
        .map(Some)
        .map_err(|_| AuthJsonError::Malformed {
            detail: format!("`{name}` is of the wrong type"),
        })
}

pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AuthJsonError> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_eof() || is_cut(bytes) {
            return AuthJsonError::Truncated;
        }
        // Position only: serde's own text may quote the content.
        let detail = format!("at line {}, column {}", error.line(), error.column());
        AuthJsonError::Malformed { detail }
    })
}

/// Whether an object was begun and not ended; serde calls a cut `null` malformed, for one.
pub(super) fn is_cut(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii();
    bytes.starts_with(b"{") && !bytes.ends_with(b"}")
}

pub(super) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    // Texts always serialize.
    to_raw_value(value).expect("a text serializes")
}
