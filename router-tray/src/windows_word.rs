//! Command lines of Windows, which are one text there.

/// One word of a command line as programs on Windows take it apart.
///
/// *Source:* the rules of `CommandLineToArgvW`.
pub(crate) fn quoted(word: &str) -> String {
    let mut quoted = String::from('"');
    let mut backslashes = 0;
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => quoted.push_str(&"\\".repeat(std::mem::take(&mut backslashes) + 1)),
            _ => backslashes = 0,
        }
        quoted.push(c);
    }
    // The quote at the end would be part of the word otherwise.
    quoted.push_str(&"\\".repeat(backslashes));
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_is_one_word_on_windows() {
        for (word, quoted) in [
            (r"C:\Program Files\a.exe", r#""C:\Program Files\a.exe""#),
            ("--codex-home", r#""--codex-home""#),
            (r"D:\my home\", r#""D:\my home\\""#),
            (r#"a\"b"#, r#""a\\\"b""#),
            ("", "\"\""),
        ] {
            assert_eq!(self::quoted(word), quoted);
        }
    }
}
