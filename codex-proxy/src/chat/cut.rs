//! Ends a text where the client wants it to end: at a stop string, or after so many tokens.

use memchr::memmem;

crate::json::never_shown!(Limits, Cutter);

/// Where a text ends before the upstream ends it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most tokens of text. Counted roughly, as the tokenizer is not known here: 4 ASCII
    /// characters are a token, and so is one character of any other script. Reasoning is not
    /// counted, and a tool call is never cut in half.
    pub max_tokens: Option<u64>,
    /// Strings before which the text ends.
    pub stop: Vec<String>,
}

/// Why a text was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Length,
    Stop,
}

/// Lets text through up to its limits. Text that may be the beginning of a stop string is held
/// back until that is known.
pub(crate) struct Cutter {
    stop: Vec<String>,
    /// What was let through last, and after it what is held back.
    text: String,
    passed_bytes: usize,
    quarters_left: Option<u64>,
}

impl Cutter {
    /// A cutter, if there is anything to cut.
    pub(crate) fn new(limits: Limits) -> Option<Self> {
        let limited = limits.max_tokens.is_some() || !limits.stop.is_empty();
        limited.then(|| Self {
            stop: limits.stop,
            text: String::new(),
            passed_bytes: 0,
            quarters_left: limits.max_tokens.map(|tokens| tokens.saturating_mul(4)),
        })
    }

    /// The text that can go on now, and whether it ends there.
    pub(crate) fn push(&mut self, text: &str) -> (&str, Option<Cut>) {
        self.forget_passed();
        self.text.push_str(text);
        let (known, stopped) = match self.first_stop() {
            Some(at) => (at, Some(Cut::Stop)),
            None => (self.text.len() - self.possible_stop_bytes(), None),
        };
        self.pass(known, stopped)
    }

    /// The text held back, once nothing can follow it.
    pub(crate) fn flush(&mut self) -> (&str, Option<Cut>) {
        self.forget_passed();
        self.pass(self.text.len(), None)
    }

    fn forget_passed(&mut self) {
        self.text.drain(..self.passed_bytes);
        self.passed_bytes = 0;
    }

    /// Where the stop string begins that is complete first, wherever the deltas end.
    fn first_stop(&self) -> Option<usize> {
        let held = self.text.as_bytes();
        let found = self.stop.iter().filter_map(|stop| {
            let at = memmem::find(held, stop.as_bytes())?;
            Some((at + stop.len(), at))
        });
        found.min().map(|(_, at)| at)
    }

    /// How much of the end may be the beginning of a stop string.
    fn possible_stop_bytes(&self) -> usize {
        let held = self.text.as_bytes();
        let possible = |stop: &String| {
            let longest = held.len().min(stop.len() - 1);
            let ends = (1..=longest).rev();
            ends.into_iter()
                .find(|n| stop.as_bytes().starts_with(&held[held.len() - n..]))
        };
        self.stop
            .iter()
            .filter_map(possible)
            .max()
            .unwrap_or_default()
    }

    /// Lets so much of the text through, as far as the tokens reach.
    fn pass(&mut self, known: usize, cut: Option<Cut>) -> (&str, Option<Cut>) {
        let affordable = self.affordable_bytes(known);
        self.passed_bytes = affordable.unwrap_or(known);
        let cut = affordable.map_or(cut, |_| Some(Cut::Length));
        (&self.text[..self.passed_bytes], cut)
    }

    /// Pays for the beginning of the text; how far the tokens reach, if not to its end.
    fn affordable_bytes(&mut self, known: usize) -> Option<usize> {
        let left = self.quarters_left.as_mut()?;
        for (at, c) in self.text[..known].char_indices() {
            let cost = if c.is_ascii() { 1 } else { 4 };
            if *left < cost {
                return Some(at);
            }
            *left -= cost;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(limits: Limits, pieces: &[&str]) -> (String, Option<Cut>) {
        let mut cutter = Cutter::new(limits).unwrap();
        let mut whole = String::new();
        for piece in pieces {
            let (text, cut) = cutter.push(piece);
            whole += text;
            if cut.is_some() {
                return (whole, cut);
            }
        }
        let (text, cut) = cutter.flush();
        (whole + text, cut)
    }

    fn stop(texts: &[&str]) -> Limits {
        Limits {
            stop: texts.iter().map(|&text| text.into()).collect(),
            max_tokens: None,
        }
    }

    #[test]
    fn a_text_ends_before_the_first_stop_string() {
        let table: &[(&[&str], &[&str], &str, bool)] = &[
            (&["END"], &["a EN", "D b"], "a ", true),
            (&["END"], &["a EN", "X"], "a ENX", false),
            (&["END"], &["a EN"], "a EN", false),
            (&["\n\n", "b"], &["a\n", "\nb"], "a", true),
            (&["aab"], &["aa", "ab"], "a", true),
            (&["abb", "b"], &["abb"], "a", true),
            (&["abb", "b"], &["ab", "b"], "a", true),
            (&["é"], &["caf", "é!"], "caf", true),
        ];
        for (texts, pieces, expected, ends) in table {
            let (text, cut) = cut(stop(texts), pieces);
            assert_eq!(
                (text.as_str(), cut.is_some()),
                (*expected, *ends),
                "{pieces:?}"
            );
        }
    }

    #[test]
    fn four_letters_or_one_ideograph_are_a_token() {
        let two = || Limits {
            max_tokens: Some(2),
            stop: Vec::new(),
        };
        assert_eq!(
            cut(two(), &["abcd", "efghi"]),
            ("abcdefgh".into(), Some(Cut::Length))
        );
        assert_eq!(cut(two(), &["你好吗"]), ("你好".into(), Some(Cut::Length)));
        assert_eq!(cut(two(), &["abcdefgh"]), ("abcdefgh".into(), None));
    }

    proptest! {
        #[test]
        fn where_deltas_end_makes_no_difference(
            pieces in prop::collection::vec("[ab]{0,4}", 0..8),
            texts in prop::collection::vec("[ab]{1,4}", 1..4),
        ) {
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
            let whole = pieces.concat();
            let (text, ended) = cut(stop(&texts), &pieces);
            let stopped = texts.iter().any(|text| whole.contains(text));
            prop_assert_eq!(ended.is_some(), stopped);
            if !stopped {
                prop_assert_eq!(&text, &whole);
            }
            prop_assert_eq!((text, ended), cut(stop(&texts), &[&whole]));
        }
    }
}
