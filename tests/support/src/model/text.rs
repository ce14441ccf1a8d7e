//! Text in tokens, made one at a time, so that a long answer needs no memory.

/// The text of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// Words; each with the space before it is one token.
    Words(String),
    /// `1 2 3 … n`.
    Count(usize),
    /// So many tokens that mean nothing.
    Filler(usize),
}

const FILLER: [&str; 8] = [
    "the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs",
];

impl Text {
    /// The tokens, in order.
    pub(crate) fn pieces(self) -> Box<dyn Iterator<Item = String> + Send> {
        let spaced = |n: usize, word: &str| match n {
            0 => word.to_owned(),
            _ => format!(" {word}"),
        };
        match self {
            Self::Words(text) => Box::new(Words { text, at: 0 }),
            Self::Count(n) => Box::new((0..n).map(move |i| spaced(i, &(i + 1).to_string()))),
            Self::Filler(n) => Box::new((0..n).map(move |i| spaced(i, FILLER[i % FILLER.len()]))),
        }
    }

    /// The whole text.
    pub(crate) fn full(&self) -> String {
        match self {
            Self::Words(text) => text.clone(),
            _ => self.clone().pieces().collect(),
        }
    }

    /// How many tokens it has.
    pub(crate) fn tokens(&self) -> usize {
        match self {
            Self::Words(_) => self.clone().pieces().count(),
            Self::Count(n) | Self::Filler(n) => *n,
        }
    }

    /// Ends it after `limit` tokens; true if it was longer.
    pub(crate) fn truncate(&mut self, limit: usize) -> bool {
        let cut = self.tokens() > limit;
        match self {
            Self::Words(_) if cut => {
                *self = Self::Words(self.clone().pieces().take(limit).collect());
            }
            Self::Count(n) | Self::Filler(n) => *n = (*n).min(limit),
            Self::Words(_) => {}
        }
        cut
    }

    /// Ends it before the first of these sequences; the sequence itself is not said.
    pub(crate) fn stop_at(&mut self, sequences: &[String]) {
        let full = self.full();
        let ends = sequences
            .iter()
            .filter(|s| !s.is_empty())
            .filter_map(|s| full.find(s));
        if let Some(end) = ends.min() {
            *self = Self::Words(full[..end].to_owned());
        }
    }
}

/// Splits before every space that follows a word.
struct Words {
    text: String,
    at: usize,
}

impl Iterator for Words {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?.len_utf8();
        let end = rest[first..]
            .find(' ')
            .map_or(rest.len(), |space| space + first);
        self.at += end;
        Some(rest[..end].to_owned())
    }
}

/// Pieces of about eight bytes, as arguments are streamed.
pub(crate) fn fragments(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(8)
        .map(|piece| piece.iter().collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_make_the_text() {
        for text in ["", "one", "You said: hi  there", " é ü ", "a\nb c"] {
            let words = Text::Words(text.to_owned());
            assert_eq!(words.clone().pieces().collect::<String>(), text);
        }
        assert_eq!(Text::Count(3).full(), "1 2 3");
        assert_eq!(Text::Words("You said: hi".to_owned()).tokens(), 3);
        assert_eq!(
            fragments("{\"city\":\"Paris\"}").concat(),
            "{\"city\":\"Paris\"}"
        );
    }

    #[test]
    fn text_ends_at_a_limit_or_a_stop_sequence() {
        let mut text = Text::Count(500);
        assert!(text.truncate(2));
        assert_eq!(text.full(), "1 2");
        text.stop_at(&["2".to_owned()]);
        assert_eq!(text.full(), "1 ");
    }
}
