//! Finding the value of a key in JSON that comes in pieces, without parsing the rest.

use memchr::memmem::Finder;

/// The longest value that is of use, with its key.
const LONGEST_BYTES: usize = 1 << 10;

/// Looks for one key, quotes included. Within a text a quote is escaped, so that what is found is a
/// key, or a whole string of these letters, which no colon follows.
pub(super) struct Scan {
    key: &'static Finder<'static>,
    /// A key, or a value, that was cut by the end of a piece.
    cut: Vec<u8>,
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
enum Found<'a> {
    /// The key, with this object (braces included) or string (without its quotes).
    Value(&'a [u8]),
    /// It may be the key; more must be read.
    Cut,
    /// Not the key, or of no such kind.
    Other,
}

impl Scan {
    pub(super) fn new(key: &'static Finder<'static>) -> Self {
        let cut = Vec::new();
        Self { key, cut }
    }

    /// Takes the next piece, and hands on each value of the key that it completes.
    pub(super) fn push(&mut self, piece: &[u8], mut found: impl FnMut(&[u8])) {
        if !self.cut.is_empty() {
            let room = LONGEST_BYTES.saturating_sub(self.cut.len());
            self.cut.extend_from_slice(&piece[..piece.len().min(room)]);
            match find(self.key, &self.cut) {
                Found::Cut if self.cut.len() < LONGEST_BYTES => return,
                Found::Value(value) => found(value),
                Found::Cut | Found::Other => {}
            }
            self.cut.clear();
        }
        for at in self.key.find_iter(piece) {
            let rest = &piece[at..];
            match find(self.key, &rest[..rest.len().min(LONGEST_BYTES)]) {
                Found::Value(value) => found(value),
                Found::Cut if rest.len() < LONGEST_BYTES => {
                    return self.cut.extend_from_slice(rest);
                }
                Found::Cut | Found::Other => {}
            }
        }
        self.cut.extend_from_slice(cut_key(self.key, piece));
    }
}

/// A part of the key that ends a piece.
fn cut_key<'a>(key: &Finder<'_>, piece: &'a [u8]) -> &'a [u8] {
    let key = key.needle();
    let longest = piece.len().min(key.len() - 1);
    let ends = (piece.len() - longest..piece.len()).map(|from| &piece[from..]);
    ends.into_iter()
        .find(|end| key.starts_with(end))
        .unwrap_or_default()
}

fn find<'a>(key: &Finder<'_>, text: &'a [u8]) -> Found<'a> {
    let key = key.needle();
    if text.len() < key.len() {
        let may_be = key.starts_with(text);
        return if may_be { Found::Cut } else { Found::Other };
    }
    let Some(rest) = text.strip_prefix(key) else {
        return Found::Other;
    };
    match rest.trim_ascii_start() {
        [] => Found::Cut,
        [b':', rest @ ..] => value(rest.trim_ascii_start()),
        _ => Found::Other,
    }
}

fn value(text: &[u8]) -> Found<'_> {
    match text {
        [] => Found::Cut,
        [b'"', rest @ ..] => string_end(rest).map_or(Found::Cut, |end| Found::Value(&rest[..end])),
        [b'{', ..] => object_end(text).map_or(Found::Cut, |end| Found::Value(&text[..end])),
        _ => Found::Other,
    }
}

/// Where the quote stands that ends a string.
pub(super) fn string_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
        if from > text.len() {
            return None;
        }
    }
}

/// Where an object ends that begins the text.
fn object_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at += 1 + string_end(&text[at + 1..])?,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));

    fn values(pieces: &[&[u8]]) -> Vec<String> {
        let mut scan = Scan::new(&USAGE);
        let mut values = Vec::new();
        for piece in pieces {
            scan.push(piece, |value| {
                values.push(String::from_utf8_lossy(value).into_owned());
            });
        }
        values
    }

    #[test]
    fn a_key_is_found_and_a_text_of_the_same_letters_is_not() {
        for (json, expected) in [
            (r#"{"usage":{"a":{"b":"}"}}}"#, &[r#"{"a":{"b":"}"}}"#][..]),
            (r#"{"usage" : "x\"y"}"#, &[r#"x\"y"#]),
            (r#"{"usage":null,"usage":{}}"#, &["{}"]),
            (r#"{"text":"\"usage\":{\"a\":1}"}"#, &[]),
            (r#"{"kind":"usage","x":{}}"#, &[]),
            (r#"{"usage":[{}],"usage":5}"#, &[]),
            (r#"{"usages":{}}"#, &[]),
        ] {
            assert_eq!(values(&[json.as_bytes()]), expected, "{json}");
        }
    }

    #[test]
    fn a_value_that_never_ends_is_given_up() {
        let long = format!(r#"{{"usage":{{"x":"{}"#, "y".repeat(LONGEST_BYTES));
        let after = br#"","usage":{"a":1}}"#;
        assert_eq!(values(&[long.as_bytes(), after]), [r#"{"a":1}"#]);
        let mut scan = Scan::new(&USAGE);
        for _ in 0..10_000 {
            scan.push(br#""usage":{"#, |_| ());
            assert!(scan.cut.len() <= LONGEST_BYTES);
        }
    }

    proptest! {
        #[test]
        fn any_cutting_finds_the_same(
            text in "[a-z\"\\\\{}: ]{0,20}", count in 0_u32..1000,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let usage = json!({"n": count, "text": text});
            let whole = json!({"text": text, "usage": usage, "after": text}).to_string();
            let whole = whole.as_bytes();
            let mut borders: Vec<_> = cuts.iter().map(|it| it.index(whole.len() + 1)).collect();
            borders.extend([0, whole.len()]);
            borders.sort_unstable();
            let pieces: Vec<_> = borders.windows(2).map(|it| &whole[it[0]..it[1]]).collect();
            prop_assert_eq!(values(&pieces), [usage.to_string()]);
        }

        #[test]
        fn any_bytes_are_no_panic(
            pieces in prop::collection::vec("(\"usage\":|[\"\\\\{}:]|.){0,9}", 0..9),
        ) {
            let pieces: Vec<_> = pieces.iter().map(String::as_bytes).collect();
            let _ = values(&pieces);
        }
    }
}
