//! Text of others, such as a label in a file or the words of a server, on its way to a person.

/// As much of `text` as may be shown: without the characters that steer a terminal or turn the
/// direction of what follows, and at most `longest` characters.
///
/// ```
/// use codex_auth::text::printable;
///
/// assert_eq!(printable("团队\u{1b}[2J\u{202e}txt", 5), "团队[2J");
/// ```
#[must_use]
pub fn printable(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !steers(*c)).take(longest).collect()
}

/// Control characters, line and paragraph separators, and all of Unicode's marks, embeddings,
/// overrides and isolates of direction (UAX 9, section 2).
fn steers(c: char) -> bool {
    let is_direction = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_direction || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_or_turns_the_text_is_left() {
        let ranges = [0..=0x1f, 0x7f..=0x9f, 0x202a..=0x202e, 0x2066..=0x2069];
        for code in ranges.into_iter().flatten() {
            let text = format!("a{}b", char::from_u32(code).unwrap());
            assert_eq!(printable(&text, 9), "ab", "{code:x}");
        }
        assert_eq!(printable("Zoë 团队 👩‍💻", 99), "Zoë 团队 👩‍💻");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(printable("团队团队", 3), "团队团");
    }
}
