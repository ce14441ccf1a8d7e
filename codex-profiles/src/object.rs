//! A JSON object of which we know some fields and keep all.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

/// Fields in their order, each value as the bytes it was read from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Object(IndexMap<String, Box<RawValue>>);

impl Object {
    /// A field's value; one that is null, missing or of another type counts as not set.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str::<Option<T>>(self.0.get(name)?.get()).ok()?
    }

    /// Sets a field, in its place if it was there.
    pub(crate) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        // A value that cannot be JSON leaves the field as it was; ours all can.
        if let Ok(raw) = to_raw_value(value) {
            self.0.insert(name.to_owned(), raw);
        }
    }

    /// A field's value as it stands.
    pub(crate) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(Box::as_ref)
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        self.0.shift_remove(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
