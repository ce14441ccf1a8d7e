//! The figures of before.

use std::{collections::BTreeMap, fs::File, io::Write as _, path::PathBuf};

use crate::Failure;

/// What two builds of the same code may differ by.
const TOLERANCE_PERCENT: f64 = 5.0;

const HEAD: &str = "\
# Instructions for one unit of each case of `cargo bench -p codex-router-benches --bench instructions`.
# Written by the same with `-- --record`.
";

/// The recorded figures, and those of now where there are any.
pub(crate) struct Record(BTreeMap<String, u64>);

impl Record {
    /// As it is on disk; empty where it is not.
    pub(crate) fn read() -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(path()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let figures = lines.map(|line| {
            let (count, name) = line.trim().split_once(' ').ok_or("a line without a name")?;
            Ok((name.trim().to_owned(), count.parse()?))
        });
        Ok(Self(figures.collect::<Result<_, Failure>>()?))
    }

    /// Takes a new figure and prints how it differs from the one before; says whether it is worse.
    #[expect(
        clippy::print_stdout,
        reason = "the figures are what the program is run for"
    )]
    pub(crate) fn compare(&mut self, name: &str, instructions: u64) -> bool {
        let before = self.0.insert(name.to_owned(), instructions);
        let Some(before) = before.filter(|before| *before > 0) else {
            println!("{instructions:>10}  {name} (new)");
            return false;
        };
        let percent = (instructions as f64 / before as f64 - 1.0) * 100.0;
        let is_worse = percent > TOLERANCE_PERCENT;
        let mark = if is_worse { "  WORSE" } else { "" };
        println!("{instructions:>10}  {percent:>+6.1} %  {name}{mark}");
        is_worse
    }

    pub(crate) fn write(&self) -> Result<(), Failure> {
        let mut file = File::create(path())?;
        file.write_all(HEAD.as_bytes())?;
        for (name, count) in &self.0 {
            writeln!(file, "{count:>10} {name}")?;
        }
        Ok(())
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}
