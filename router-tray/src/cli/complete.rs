//! `completions` and `man`: what shells and manuals are told of these commands.

use std::{
    io::{self, Write as _},
    path::Path,
};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{args::Cli, exit::Failure};

/// Prints what has a shell complete these commands.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "codex-router", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Prints the manual page, or writes that of each command into a folder, which is made.
pub(crate) fn man(folder: Option<&Path>) -> Result<(), Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        return Ok(io::stdout().write_all(&page)?);
    };
    std::fs::create_dir_all(folder)?;
    Ok(clap_mangen::generate_to(Cli::command(), folder)?)
}
