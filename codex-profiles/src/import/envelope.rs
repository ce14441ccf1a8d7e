use codex_auth::AuthDotJson;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Entry, Format, source::Source};
use crate::profile::ProfileName;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// A login that leaves the machine, with what it is called here:
///
/// ```json
/// {"format": "codex-router-login", "version": 1, "name": "work", "label": null, "auth": {…}}
/// ```
///
/// where `auth` is the profile's `auth.json`. An export is this, encrypted with age.
/// `Debug` shows no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    format: Mark,
    version: Version,
    name: Option<String>,
    label: Option<String>,
    #[serde(serialize_with = "write_login", deserialize_with = "read_login")]
    auth: AuthDotJson,
}

impl Envelope {
    /// A login and what it is called.
    #[must_use]
    pub fn new(name: &ProfileName, label: Option<String>, login: AuthDotJson) -> Self {
        Self {
            format: Mark::Login,
            version: Version,
            name: Some(name.to_string()),
            label,
            auth: login,
        }
    }

    /// The envelope as a file that nobody encrypted.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts, a number and what is JSON already always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The login alone.
    #[must_use]
    pub fn login(&self) -> &AuthDotJson {
        &self.auth
    }
}

impl Source for Envelope {
    const FORMAT: Format = Format::Export;

    fn entries(self, _written_at: Timestamp) -> Vec<Entry> {
        let name = self.name.as_deref();
        vec![Entry {
            name: name.and_then(|name| ProfileName::parse(name).ok()),
            label: self.label,
            login: Ok(self.auth),
        }]
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Mark {
    #[serde(rename = "codex-router-login")]
    Login,
}

/// Reads no other version than ours: what a later one means is not known.
#[derive(Debug, Clone, Copy)]
struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            VERSION => Ok(Self),
            _ => Err(serde::de::Error::custom("another version")),
        }
    }
}

fn write_login<S: Serializer>(login: &AuthDotJson, serializer: S) -> Result<S::Ok, S::Error> {
    let text = String::from_utf8(login.to_bytes()).map_err(serde::ser::Error::custom)?;
    let raw = RawValue::from_string(text).map_err(serde::ser::Error::custom)?;
    raw.serialize(serializer)
}

fn read_login<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AuthDotJson, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    AuthDotJson::parse(raw.get().as_bytes()).map_err(serde::de::Error::custom)
}
