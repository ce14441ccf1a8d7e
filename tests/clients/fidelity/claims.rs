//! What a suite says it has proved.

/// One column of one table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) table: String,
    pub(super) client: String,
    /// The features in the order in which they were told, each with its cell.
    pub(super) cells: Vec<(String, String)>,
}

/// The columns that a suite fills.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) columns: Vec<Column>,
}

impl Claims {
    /// Reads the outputs of one suite, in the order of the marks of a cell.
    pub(super) fn of(outputs: &[&str]) -> Self {
        let mut claims = Self::default();
        for (at, output) in outputs.iter().enumerate() {
            claims.read(output, at);
        }
        for column in &claims.columns {
            for (feature, cell) in &column.cells {
                let marks = cell.split(' ').count();
                let told = outputs.len();
                assert_eq!(
                    marks, told,
                    "{feature:?} was not told everywhere: {column:?}"
                );
            }
        }
        claims
    }

    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    fn read(&mut self, output: &str, at: usize) {
        let mut current = None;
        for line in output.lines() {
            if let Some(heading) = line.strip_prefix("table: ") {
                current = Some(self.column(heading));
            } else if let Some(claim) = line.strip_prefix("feature: ") {
                let column = &mut self.columns[current.expect("a table comes first")];
                let (feature, outcome) = claim.rsplit_once(": ").expect("FEATURE: OUTCOME");
                column.add(feature, mark(outcome), at);
            }
        }
    }

    fn column(&mut self, heading: &str) -> usize {
        let (table, client) = heading.split_once(" | ").expect("TABLE | CLIENT");
        let is_it = |column: &Column| column.table == table && column.client == client;
        self.columns.iter().position(is_it).unwrap_or_else(|| {
            self.columns.push(Column {
                table: table.to_owned(),
                client: client.to_owned(),
                cells: Vec::new(),
            });
            self.columns.len() - 1
        })
    }
}

impl Column {
    fn add(&mut self, feature: &str, mark: char, at: usize) {
        let known = self.cells.iter_mut().find(|(known, _)| known == feature);
        if let Some((_, cell)) = known {
            assert_eq!(cell.split(' ').count(), at, "{feature:?} was told twice");
            *cell = format!("{cell} {mark}");
        } else {
            assert_eq!(at, 0, "{feature:?} was not told of the control");
            self.cells.push((feature.to_owned(), mark.to_string()));
        }
    }
}

/// The legend of the document says what they mean.
fn mark(outcome: &str) -> char {
    match outcome {
        "ok" => '✓',
        "dropped" => '○',
        "refused" => '✗',
        "absent" => '–',
        other => panic!("{other:?} is no outcome"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_a_cell_are_in_the_order_of_the_outputs() {
        let output = |outcome| format!("noise\ntable: Tools | ours\nfeature: a: b: {outcome}\n");
        let outputs = ["ok", "dropped", "refused"].map(output);
        let claims = Claims::of(&outputs.each_ref().map(String::as_str));
        let cells = vec![("a: b".to_owned(), "✓ ○ ✗".to_owned())];
        let (table, client) = ("Tools".to_owned(), "ours".to_owned());
        assert_eq!(
            claims.columns,
            [Column {
                table,
                client,
                cells
            }]
        );
    }

    #[test]
    #[should_panic(expected = "was not told everywhere")]
    fn what_one_run_leaves_out_is_noticed() {
        Claims::of(&["table: A | b\nfeature: c: ok", "table: A | b"]);
    }
}
