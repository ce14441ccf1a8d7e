//! JSON that is looked at without being copied.
//!
//! Histories and events run to megabytes, and most of what they hold goes on as it came. So strings
//! stay as they stand in the text ([`JsonStr`], [`Escaped`]), objects are lists of raw values
//! ([`Object`]), and no tree is built.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Gives types a `Debug` that shows nothing of what was said in them.
macro_rules! never_shown {
    ($($name:ident $(<$life:lifetime>)?),+ $(,)?) => {$(
        impl$(<$life>)? std::fmt::Debug for $name$(<$life>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}
pub(crate) use never_shown;

never_shown!(JsonStr<'a>, Escaped<'a>, EscapedBuf, Object<'a>);

/// A JSON string as it stands in the text around it, quotes and escapes included.
#[derive(Clone, Copy)]
pub struct JsonStr<'a>(&'a RawValue);

impl<'a> JsonStr<'a> {
    /// The value, if it is a string.
    #[must_use]
    pub fn new(raw: &'a RawValue) -> Option<Self> {
        raw.get().starts_with('"').then_some(Self(raw))
    }

    /// What stands between the quotes.
    #[must_use]
    pub fn escaped(self) -> Escaped<'a> {
        let text = self.0.get();
        Escaped(text.get(1..text.len() - 1).unwrap_or_default())
    }

    /// The text itself.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        self.escaped().decode()
    }

    /// Whether it is `""`.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.escaped().as_str().is_empty()
    }

    /// Whether the text is exactly this one.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        self.decode() == text
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonStr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::new(raw).ok_or_else(|| D::Error::custom("not a string"))
    }
}

impl Serialize for JsonStr<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What stands between the quotes of a JSON string, escapes and all.
///
/// Pieces put one after the other are the pieces' texts put one after the other.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Escaped<'a>(&'a str);

impl<'a> Escaped<'a> {
    /// Text that needs no escapes, such as a word of ours.
    pub(crate) const fn plain(text: &'a str) -> Self {
        Self(text)
    }

    /// The escaped text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The text itself. Half of a surrogate pair has no text: such a piece stays escaped.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        if memchr::memchr(b'\\', self.0.as_bytes()).is_none() {
            return Cow::Borrowed(self.0);
        }
        let quoted = ["\"", self.0, "\""].concat();
        serde_json::from_str(&quoted).map_or(Cow::Borrowed(self.0), Cow::Owned)
    }
}

/// A text with the escapes that a JSON string needs, ready to be lent as [`Escaped`].
#[derive(Default)]
pub(crate) struct EscapedBuf(Vec<u8>);

impl EscapedBuf {
    pub(crate) fn new(text: &str) -> Self {
        let mut buf = Self::default();
        buf.set(text);
        buf
    }

    /// Another text, in the room of the last one.
    pub(crate) fn set(&mut self, text: &str) -> Escaped<'_> {
        self.0.clear();
        // A text is written to memory: nothing can fail.
        let _ = serde_json::to_writer(&mut self.0, text);
        self.as_escaped()
    }

    pub(crate) fn as_escaped(&self) -> Escaped<'_> {
        let quoted = str::from_utf8(&self.0).unwrap_or_default();
        Escaped(
            quoted
                .get(1..quoted.len().saturating_sub(1))
                .unwrap_or_default(),
        )
    }
}

/// A JSON object as a list of its fields, in order, each value as it stands in the text.
#[derive(Clone, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The value of a field, `null` being none; of a field given twice, the later.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rev().find(|(field, _)| field == name)?;
        (!is_null(value)).then_some(value)
    }

    /// Adds the fields of another object that this one lacks.
    pub(crate) fn extend_missing(&mut self, other: Self) {
        for (name, value) in other.0 {
            if self.field(&name).is_none() {
                self.0.push((name, value));
            }
        }
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether a value is `null`.
pub(crate) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Whether two texts are the same JSON value: white space between tokens says nothing.
pub(crate) fn same_json(one: &str, other: &str) -> bool {
    let value = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || (other.len() < 64 && value(one).is_some_and(|it| value(other) == Some(it)))
}

/// The value as a type, or nothing: for answers, where an unknown shape is no error.
pub(crate) fn lenient<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_their_spelling() {
        let object: Object = serde_json::from_str(r#"{"a": 1.0e5, "b\u0021":null}"#).unwrap();
        let fields: Vec<_> = object.iter().map(|(name, raw)| (name, raw.get())).collect();
        assert_eq!(fields, [("a", "1.0e5"), ("b!", "null")]);
        assert!(object.field("b!").is_none(), "null is none");
    }

    #[test]
    fn a_string_is_only_decoded_when_asked() {
        let text: JsonStr = serde_json::from_str(r#""a\nb""#).unwrap();
        assert_eq!(text.escaped().as_str(), r"a\nb");
        assert_eq!(text.decode(), "a\nb");
    }

    #[test]
    fn half_a_surrogate_pair_is_no_panic() {
        let half: JsonStr = serde_json::from_str(r#""\ud83d""#).unwrap();
        assert_eq!(half.decode(), r"\ud83d");
    }
}
