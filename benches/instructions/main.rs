//! How many instructions the hot paths take: figures that hold on a busy machine too, so that a
//! regression shows without noise.
//!
//! ```text
//! cargo bench -p codex-router-benches --bench instructions              compares with instructions.txt
//! cargo bench -p codex-router-benches --bench instructions -- --record  writes instructions.txt anew
//! cargo bench -p codex-router-benches --bench instructions -- sse       only the cases with this in their name
//! ```
//!
//! Valgrind counts them: each case runs twice in a process of its own, the second time with twice
//! the work, and the difference is what the work took. What starts and ends a process is not in it.
//! The kernel's own instructions are not counted, and the figures hold for one processor, one
//! compiler and one set of dependencies: they are compared on the machine that recorded them.

mod cases;
mod count;
mod record;
mod router;

use std::process::ExitCode;

use cases::Case;
use record::Record;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// In the environment of the process that is counted: how often it does its work.
const TIMES: &str = "CODEX_ROUTER_BENCH_TIMES";

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if let Ok(times) = std::env::var(TIMES) {
        let name = arguments.first().ok_or("no case")?;
        Case::named(name)
            .ok_or("no such case")?
            .run(times.parse()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Only `cargo bench` passes `--bench`; `cargo test --benches` wants to know that it builds.
    if has("--test") || !has("--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    let words: Vec<&String> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wanted = |case: &&Case| words.is_empty() || words.iter().any(|it| case.name.contains(*it));
    let mut record = Record::read()?;
    let mut is_worse = false;
    for case in Case::ALL.iter().filter(wanted) {
        let instructions = count::instructions(case)?;
        is_worse |= record.compare(case.name, instructions);
    }
    if has("--record") {
        record.write()?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if is_worse {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
