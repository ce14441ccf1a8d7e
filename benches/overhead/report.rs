//! Tables in Markdown, ready for the README.

/// One table: a row for each target.
pub(crate) struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(ToString::to_string).collect();
        Self {
            title: title.to_owned(),
            columns,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, name: &str, cells: &[f64]) {
        self.rows.push((name.to_owned(), cells.to_vec()));
    }

    #[expect(
        clippy::print_stdout,
        reason = "the figures are what the program is run for"
    )]
    pub(crate) fn print(&self) {
        println!("\n### {}\n", self.title);
        println!("| | {} |", self.columns.join(" | "));
        println!("|---|{}", "---:|".repeat(self.columns.len()));
        for (name, cells) in &self.rows {
            let cells: Vec<String> = cells.iter().map(|cell| figure(*cell)).collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
    }
}

/// Three significant digits, and a dash for what was not measured.
pub(crate) fn figure(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
