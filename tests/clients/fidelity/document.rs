//! The document: text with one table under each of some headings.

use std::fmt;

use super::claims::{Claims, Column};

const NOTES: &str = "notes";

/// Everything is kept as it is but the cells.
#[derive(Debug)]
pub(super) struct Document {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Line(String),
    Table(Table),
}

/// A table below the heading of its name.
#[derive(Debug)]
struct Table {
    name: String,
    clients: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    feature: String,
    /// One for each client; empty where a suite says nothing of it.
    cells: Vec<String>,
    note: String,
}

impl Document {
    pub(super) fn parse(text: &str) -> Self {
        let mut document = Self { parts: Vec::new() };
        let mut heading = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("## ") {
                name.clone_into(&mut heading);
            }
            document.line(line, &heading);
        }
        document
    }

    fn line(&mut self, line: &str, heading: &str) {
        let Some(cells) = cells(line) else {
            self.parts.push(Part::Line(line.to_owned()));
            return;
        };
        match self.parts.last_mut() {
            Some(Part::Table(_)) if cells[0] == "---" => {}
            Some(Part::Table(table)) => table.rows.push(Row::of(cells)),
            _ => self.parts.push(Part::Table(Table::of(heading, &cells))),
        }
    }

    /// Where this document and what was found differ.
    pub(super) fn problems(&self, claims: &Claims) -> Vec<String> {
        let of_column = |column: &Column| match self.table(&column.table) {
            Some(table) => table.problems(column),
            None => vec![format!("there is no table {:?}", column.table)],
        };
        claims.columns.iter().flat_map(of_column).collect()
    }

    /// Writes what was found into it.
    pub(super) fn put(&mut self, claims: &Claims) {
        for column in &claims.columns {
            if self.table(&column.table).is_none() {
                self.append(&column.table);
            }
            let tables = self.parts.iter_mut().filter_map(Part::as_table_mut);
            for table in tables.filter(|table| table.name == column.table) {
                table.put(column);
            }
        }
    }

    fn append(&mut self, name: &str) {
        let lines = ["", &format!("## {name}"), ""].map(|line| Part::Line(line.to_owned()));
        self.parts.extend(lines);
        let head = ["feature", NOTES].map(str::to_owned);
        self.parts.push(Part::Table(Table::of(name, &head)));
    }

    fn table(&self, name: &str) -> Option<&Table> {
        let mut tables = self.parts.iter().filter_map(|part| match part {
            Part::Table(table) => Some(table),
            Part::Line(_) => None,
        });
        tables.find(|table| table.name == name)
    }
}

impl Part {
    fn as_table_mut(&mut self) -> Option<&mut Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::Line(_) => None,
        }
    }
}

impl Table {
    fn of(name: &str, head: &[String]) -> Self {
        let clients = head[1..head.len() - 1].to_vec();
        let (name, rows) = (name.to_owned(), Vec::new());
        Self {
            name,
            clients,
            rows,
        }
    }

    fn problems(&self, column: &Column) -> Vec<String> {
        let Some(at) = self.clients.iter().position(|one| *one == column.client) else {
            return vec![format!("{:?} has no column {:?}", self.name, column.client)];
        };
        let shown: Vec<_> = self
            .rows
            .iter()
            .filter(|row| !row.cells[at].is_empty())
            .collect();
        let differs = |row: &&&Row| {
            let found = column
                .cells
                .iter()
                .find(|(feature, _)| *feature == row.feature);
            found.is_none_or(|(_, cell)| *cell != row.cells[at])
        };
        let of_shown = |row: &&Row| format!("not so: {}: {}", row.feature, row.cells[at]);
        let missing = column.cells.iter().filter(|(feature, cell)| {
            !shown
                .iter()
                .any(|row| row.feature == *feature && row.cells[at] == *cell)
        });
        let unexplained = shown.iter().filter(|row| {
            row.note.is_empty() && row.cells[at].chars().any(|mark| mark != ' ' && mark != '✓')
        });
        (shown.iter().filter(differs).map(of_shown))
            .chain(missing.map(|(feature, cell)| format!("found: {feature}: {cell}")))
            .chain(unexplained.map(|row| format!("needs a note: {}", row.feature)))
            .collect()
    }

    fn put(&mut self, column: &Column) {
        let at = self.client(&column.client);
        self.rows.iter_mut().for_each(|row| row.cells[at].clear());
        for (feature, cell) in &column.cells {
            let row = self.row(feature);
            row.cells[at].clone_from(cell);
        }
        let empty = |row: &Row| row.cells.iter().all(String::is_empty);
        self.rows.retain(|row| !empty(row));
    }

    fn client(&mut self, client: &str) -> usize {
        let known = self.clients.iter().position(|one| one == client);
        known.unwrap_or_else(|| {
            self.clients.push(client.to_owned());
            self.rows
                .iter_mut()
                .for_each(|row| row.cells.push(String::new()));
            self.clients.len() - 1
        })
    }

    fn row(&mut self, feature: &str) -> &mut Row {
        let known = self.rows.iter().position(|row| row.feature == feature);
        let at = known.unwrap_or_else(|| {
            self.rows.push(Row {
                feature: feature.to_owned(),
                cells: vec![String::new(); self.clients.len()],
                note: String::new(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }
}

impl Row {
    fn of(mut cells: Vec<String>) -> Self {
        let feature = cells.remove(0);
        let note = cells.pop().unwrap_or_default();
        Self {
            feature,
            cells,
            note,
        }
    }
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(
        inside
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect(),
    )
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Line(line) => writeln!(f, "{line}"),
            Part::Table(table) => table.fmt(f),
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| feature | {} | {NOTES} |", self.clients.join(" | "))?;
        writeln!(f, "|---|{}---|", "---|".repeat(self.clients.len()))?;
        for Row {
            feature,
            cells,
            note,
        } in &self.rows
        {
            writeln!(f, "| {feature} | {} | {note} |", cells.join(" | "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Words.\n\n## Tools\n\n| feature | ours | notes |\n|---|---|---|\n\
                        | a | ✓ | |\n| b | ○ | why |\n\nMore words.\n";

    fn found(lines: &str) -> Claims {
        Claims::of(&[&format!("table: Tools | {lines}")])
    }

    fn problems(lines: &str) -> Vec<String> {
        Document::parse(TEXT).problems(&found(lines))
    }

    #[test]
    fn what_differs_is_named() {
        let same = "ours\nfeature: a: ok\nfeature: b: dropped";
        assert_eq!(problems(same), Vec::<String>::new());
        let other = problems("ours\nfeature: a: refused\nfeature: c: ok");
        let expected = ["not so: a: ✓", "not so: b: ○", "found: a: ✗", "found: c: ✓"];
        assert_eq!(other, expected);
        assert_eq!(problems("theirs"), [r#""Tools" has no column "theirs""#]);
    }

    #[test]
    fn what_does_not_work_needs_a_note() {
        let text = TEXT.replace("why", "");
        let claims = found("ours\nfeature: a: ok\nfeature: b: dropped");
        assert_eq!(
            Document::parse(&text).problems(&claims),
            ["needs a note: b"]
        );
    }

    #[test]
    fn what_is_found_is_written_and_the_rest_kept() {
        let mut document = Document::parse(TEXT);
        document.put(&found("theirs\nfeature: b: ok\nfeature: c: ok"));
        document.put(&found("ours\nfeature: b: dropped"));
        let expected = "Words.\n\n## Tools\n\n| feature | ours | theirs | notes |\n\
                        |---|---|---|---|\n| b | ○ | ✓ | why |\n| c |  | ✓ |  |\n\nMore words.\n";
        assert_eq!(document.to_string(), expected);
    }
}
