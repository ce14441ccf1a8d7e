//! The model that a request names, found without reading further than its name.

/// The longest name of a field, and of a model, that is looked at.
const LONGEST_TEXT_BYTES: usize = 256;

/// Looks for the field `model` of a JSON object that comes in pieces. Only the object's own fields
/// count: a tool may name a model too. Of a field given twice, the first counts.
#[derive(Debug)]
pub(super) struct Finder {
    place: Place,
    /// The text under way, its quotes left out and its escapes left in.
    text: Vec<u8>,
    escaped: bool,
}

/// What a piece tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing yet.
    GoOn,
    /// There is nothing more to look for: this model, or none.
    Model(Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeObject,
    BeforeName,
    InName,
    /// Behind a name; whether it was `model`.
    BehindName {
        is_model: bool,
    },
    BeforeValue {
        is_model: bool,
    },
    InModel,
    /// In a value of no interest, so many brackets deep.
    InOther {
        depth: u32,
    },
    /// In a text of such a value.
    InText {
        depth: u32,
    },
}

impl Finder {
    pub(super) fn new() -> Self {
        Self {
            place: Place::BeforeObject,
            text: Vec::new(),
            escaped: false,
        }
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Told {
        loop {
            if let Place::InText { .. } = self.place
                && !self.escaped
            {
                piece = &piece[memchr::memchr2(b'"', b'\\', piece).unwrap_or(piece.len())..];
            }
            let Some((byte, rest)) = piece.split_first() else {
                return Told::GoOn;
            };
            match self.step(*byte) {
                Ok(place) => self.place = place,
                Err(model) => return Told::Model(model),
            }
            piece = rest;
        }
    }

    /// Where a byte leads, or else what is known for good.
    fn step(&mut self, byte: u8) -> Result<Place, Option<String>> {
        Ok(match (self.place, byte) {
            (place @ (Place::InName | Place::InModel | Place::InText { .. }), _) => {
                if !self.ends_text(byte) {
                    return Ok(place);
                }
                self.behind_text(place)?
            }
            (place, _) if byte.is_ascii_whitespace() => place,
            (Place::BeforeObject, b'{')
            | (Place::BeforeName | Place::InOther { depth: 0 }, b',') => Place::BeforeName,
            (Place::BeforeName, b'"') => Place::InName,
            (Place::BehindName { is_model }, b':') => Place::BeforeValue { is_model },
            (Place::BeforeValue { is_model: true }, b'"') => Place::InModel,
            (Place::BeforeValue { is_model: false }, _) => in_other(0, byte),
            // No object, its end, or a model that is no text.
            (Place::InOther { depth: 0 }, b'}' | b']') => return Err(None),
            (Place::InOther { depth }, _) => in_other(depth, byte),
            _ => return Err(None),
        })
    }

    fn behind_text(&mut self, place: Place) -> Result<Place, Option<String>> {
        match place {
            Place::InModel => Err(self.take_text()),
            Place::InText { depth } => Ok(Place::InOther { depth }),
            _ => Ok(Place::BehindName {
                is_model: self.take_text().as_deref() == Some("model"),
            }),
        }
    }

    /// Whether this byte ends the text under way.
    fn ends_text(&mut self, byte: u8) -> bool {
        let escaped = self.escaped;
        self.escaped = byte == b'\\' && !escaped;
        if byte == b'"' && !escaped {
            return true;
        }
        let wanted = matches!(self.place, Place::InName | Place::InModel);
        if wanted && self.text.len() <= LONGEST_TEXT_BYTES {
            self.text.push(byte);
        }
        false
    }

    /// The text that has ended; nothing if it is too long, or no text after all.
    fn take_text(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.text);
        if text.len() > LONGEST_TEXT_BYTES {
            return None;
        }
        let quoted = [b"\"", &*text, b"\""].concat();
        serde_json::from_slice(&quoted).ok()
    }
}

/// Where a byte of a value leads.
fn in_other(depth: u32, byte: u8) -> Place {
    match byte {
        b'"' => Place::InText { depth },
        b'{' | b'[' => Place::InOther {
            depth: depth.saturating_add(1),
        },
        b'}' | b']' => Place::InOther {
            depth: depth.saturating_sub(1),
        },
        _ => Place::InOther { depth },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn model(pieces: &[&[u8]]) -> Option<String> {
        let mut finder = Finder::new();
        for piece in pieces {
            if let Told::Model(model) = finder.push(piece) {
                return model;
            }
        }
        None
    }

    #[test]
    fn only_the_requests_own_model_counts() {
        for (body, expected) in [
            (r#"{"model":"m"}"#, Some("m")),
            (
                " {\n\"input\" : [1, {\"model\":\"no\"}] , \"model\" : \"m\" }",
                Some("m"),
            ),
            (r#"{"text":"\"model\":\"no\"","model":"m"}"#, Some("m")),
            (r#"{"a":"\\","model":"m"}"#, Some("m")),
            (r#"{"a":null,"b":-1.5e3,"c":true,"model":"m"}"#, Some("m")),
            (r#"{"mod\u0065l":"\u006d"}"#, Some("m")),
            (r#"{"model":"one","model":"two"}"#, Some("one")),
            (r#"{"tools":[{"model":"no"}]}"#, None),
            (r#"{"model":null}"#, None),
            (r#"{"model":["m"]}"#, None),
            (r#"{"models":"m"}"#, None),
            (r#"[{"model":"m"}]"#, None),
            (r#"--boundary {"model":"m"}"#, None),
            (r#"{}{"model":"m"}"#, None),
            ("", None),
        ] {
            assert_eq!(model(&[body.as_bytes()]).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn nothing_is_kept_of_what_is_long() {
        let long = "x".repeat(100 << 10);
        let mut finder = Finder::new();
        let body = json!({"a": long, long.clone(): 1, "model": long}).to_string();
        for piece in body.as_bytes().chunks(1000) {
            finder.push(piece);
            assert!(finder.text.len() <= LONGEST_TEXT_BYTES + 1);
        }
        assert_eq!(model(&[body.as_bytes()]), None);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a\"\\\\{}:,\u{e9}\n]{0,9}".prop_map(Value::from),
            Just(json!({"model": "inner"})),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|it| json!(it)),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_cutting_finds_what_a_parser_finds(
            before in prop::collection::vec(value(), 0..4), name in ".{0,12}",
            after in prop::collection::vec(value(), 0..3), is_last in any::<bool>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let field = |(n, value): (usize, &Value)| format!("{}:{value}", json!(format!("f{n}")));
            let mut fields: Vec<_> = before.iter().enumerate().map(field).collect();
            fields.push(format!("\"model\" : {}", json!(name)));
            if !is_last {
                fields.extend(after.iter().enumerate().map(field));
            }
            let whole = format!(" {{{}}}", fields.join(" ,"));
            let whole = whole.as_bytes();
            let mut borders: Vec<_> = cuts.iter().map(|it| it.index(whole.len() + 1)).collect();
            borders.extend([0, whole.len()]);
            borders.sort_unstable();
            let pieces: Vec<_> = borders.windows(2).map(|it| &whole[it[0]..it[1]]).collect();
            prop_assert_eq!(model(&pieces), Some(name));
        }

        #[test]
        fn any_bytes_are_no_panic(pieces in prop::collection::vec("(\"model\":|[\"\\\\{}:\\[\\],]|.){0,9}", 0..9)) {
            let pieces: Vec<_> = pieces.iter().map(String::as_bytes).collect();
            let _ = model(&pieces);
        }
    }
}
