//! A `config.toml` as text, with the place of each setting in it. Changes are cut into the text, so
//! that every byte beside them stays.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A text that Codex would read, too.
#[derive(Debug)]
pub(super) struct Config<'a> {
    text: &'a str,
    /// Where the document begins: behind the byte order mark, if there is one.
    start: usize,
    document: Document<&'a str>,
}

/// Why Codex would not read a text: the message alone, without the lines that it is about, since
/// there may be a key in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Where a setting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its lines, with the end of the last one.
    pub(super) lines: Range<usize>,
    /// What is on the right of the equals sign.
    pub(super) value: Range<usize>,
}

impl<'a> Config<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Broken> {
        let document = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Ok(Self {
            text,
            start: text.len() - document.len(),
            document: Document::parse(document).map_err(|error| Broken::of(document, &error))?,
        })
    }

    /// The text at this path of keys, if there is one.
    pub(super) fn string(&self, path: &[&str]) -> Option<&str> {
        self.item(path)?.as_str()
    }

    /// Whether anything at all is at this path.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.item(path).is_some()
    }

    /// The keys of the table at this path.
    pub(super) fn keys(&self, path: &[&str]) -> Vec<String> {
        let table = self.item(path).and_then(Item::as_table_like);
        let keys = table.into_iter().flat_map(|table| table.iter());
        keys.map(|(key, _)| key.to_owned()).collect()
    }

    /// Where the value at this path is, unless it is a table with lines of its own.
    pub(super) fn place(&self, path: &[&str]) -> Option<Place> {
        let (name, above) = path.split_last()?;
        let (key, item) = self.table(above)?.get_key_value(name)?;
        let value = self.moved(item.as_value()?.span()?);
        let key = self.moved(key.span()?);
        let lines = self.line_of(key.start).start..self.line_of(value.end).end;
        Some(Place { lines, value })
    }

    /// Where a new setting belongs: behind the last one that is in no table, or else in front of
    /// everything; and the text to put there.
    pub(super) fn addition(&self, line: &str) -> (usize, String) {
        let last = end_of_values(self.document.as_table());
        let at = last.map_or(self.start, |end| self.line_of(self.start + end).end);
        let end_of_line = self.end_of_line();
        if at == self.text.len() && last.is_some() && !self.text.ends_with('\n') {
            return (at, format!("{end_of_line}{line}"));
        }
        (at, format!("{line}{end_of_line}"))
    }

    /// The same for a table, which goes behind everything.
    pub(super) fn appendix(&self, lines: &[String]) -> (usize, String) {
        let end_of_line = self.end_of_line();
        let table = lines.join(end_of_line) + end_of_line;
        let text = &self.text[self.start..];
        let between = match text {
            "" => "",
            _ if text.ends_with('\n') => end_of_line,
            _ => &end_of_line.repeat(2),
        };
        (self.text.len(), format!("{between}{table}"))
    }

    fn item(&self, path: &[&str]) -> Option<&Item> {
        let (name, above) = path.split_last()?;
        self.table(above)?.get(name)
    }

    fn table(&self, path: &[&str]) -> Option<&dyn TableLike> {
        let top: &dyn TableLike = self.document.as_table();
        path.iter()
            .try_fold(top, |table, key| table.get(key)?.as_table_like())
    }

    fn moved(&self, span: Range<usize>) -> Range<usize> {
        self.start + span.start..self.start + span.end
    }

    fn line_of(&self, at: usize) -> Range<usize> {
        let before = self.text[self.start..at].rfind('\n');
        let behind = self.text[at..].find('\n');
        before.map_or(self.start, |end| self.start + end + 1)
            ..behind.map_or(self.text.len(), |end| at + end + 1)
    }

    /// As the first line ends.
    fn end_of_line(&self) -> &'static str {
        match self.text.split_once('\n') {
            Some((line, _)) if line.ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }
}

/// Where the last value ends that belongs to no table with a header.
fn end_of_values(table: &dyn TableLike) -> Option<usize> {
    let ends = table.iter().filter_map(|(_, item)| match item {
        Item::Value(value) => Some(value.span()?.end),
        Item::Table(table) if table.is_dotted() => end_of_values(table),
        _ => None,
    });
    ends.max()
}

impl Broken {
    fn of(text: &str, error: &toml_edit::TomlError) -> Self {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            message: error.message().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> String {
        let (at, line) = Config::parse(text).unwrap().addition("x = 1");
        format!("{}{line}{}", &text[..at], &text[at..])
    }

    #[test]
    fn a_new_setting_goes_behind_the_last_that_is_in_no_table() {
        for (text, expected) in [
            ("", "x = 1\n"),
            ("\u{feff}", "\u{feff}x = 1\n"),
            ("a = 1 # why", "a = 1 # why\nx = 1"),
            ("a = 1\r\n[t]\r\n", "a = 1\r\nx = 1\r\n[t]\r\n"),
            ("# mine\n[t]\nb = 2\n", "x = 1\n# mine\n[t]\nb = 2\n"),
            (
                "a = '''\n[t]\n'''\n\n[t]\n",
                "a = '''\n[t]\n'''\nx = 1\n\n[t]\n",
            ),
            ("a.b = 1\n[a.c]\nd = 1\n", "a.b = 1\nx = 1\n[a.c]\nd = 1\n"),
            ("a = [\n1,\n]\n[[t]]\n", "a = [\n1,\n]\nx = 1\n[[t]]\n"),
            (
                "t = {a = 1, b.c = 2}\n[u]",
                "t = {a = 1, b.c = 2}\nx = 1\n[u]",
            ),
        ] {
            assert_eq!(added(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_place_is_the_value_and_its_lines() {
        let text = "\u{feff}a = 1\n \"b\" = 'ü' # c\nd = 1\n";
        let config = Config::parse(text).unwrap();
        let place = config.place(&["b"]).unwrap();
        assert_eq!(&text[place.value], "'ü'");
        assert_eq!(&text[place.lines], " \"b\" = 'ü' # c\n");
        assert_eq!(config.string(&["b"]), Some("ü"));
        assert_eq!(config.place(&["missing"]), None);
    }

    #[test]
    fn a_table_is_no_place_but_a_value_in_it_is() {
        let text = "[t]\nurl = \"u\"\n[t.deep]\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.place(&["t"]), None);
        assert_eq!(config.keys(&["t"]), ["url", "deep"]);
        let place = config.place(&["t", "url"]).unwrap();
        assert_eq!(&text[place.value], "\"u\"");
    }

    #[test]
    fn a_broken_text_is_told_of_by_line_and_column_and_nothing_of_it_is_shown() {
        let broken = Config::parse("a = 1\nkey = sk-planted\n").unwrap_err();
        assert_eq!((broken.line, broken.column), (2, 7));
        assert!(!broken.message.contains("planted"), "{broken:?}");
    }
}
