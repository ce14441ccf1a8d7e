//! One case under Valgrind.

use std::{
    io::ErrorKind,
    process::{Command, Stdio},
};

use crate::{Failure, TIMES, cases::Case};

/// Instructions that one unit of a case takes.
pub(crate) fn instructions(case: &Case) -> Result<u64, Failure> {
    let once = total(case, case.times)?;
    let twice = total(case, 2 * case.times)?;
    Ok(twice.saturating_sub(once) / case.times as u64)
}

/// Instructions of a process that does the work of a case so many times.
fn total(case: &Case, times: usize) -> Result<u64, Failure> {
    let peer = case.peer.map(|peer| peer(times)).transpose()?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg(case.name)
        .env(TIMES, times.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(peer) = &peer {
        command.envs(peer.environment());
    }
    let ran = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => "valgrind is not installed, and nothing else counts here".to_owned(),
        _ => format!("valgrind: {error}"),
    })?;
    let told = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() {
        return Err(format!("{}: {told}", case.name).into());
    }
    if let Some(peer) = peer {
        peer.finish()?;
    }
    collected(&told).ok_or_else(|| format!("{}: Valgrind did not count: {told}", case.name).into())
}

/// Of the line `==123== Collected : 456`.
fn collected(told: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}
