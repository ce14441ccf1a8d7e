//! Codex's own command.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use codex_auth::text::printable;
use codex_profiles::doctor::{Check, Finding};
use tokio::{process::Command, time::timeout};

use super::super::text;

/// A script around it may start an interpreter first.
const LIMIT: Duration = Duration::from_secs(5);
const LONGEST: usize = 80;
const INSTALL: &str = "`npm install --global @openai/codex`";

/// Which version `PATH` leads to.
pub(super) async fn look() -> Vec<Finding> {
    let Some(program) = on_path() else {
        let message = format!("Codex is not on PATH; {INSTALL} puts it there.");
        return vec![Finding::info(Check::Codex, message)];
    };
    let path = text::path(&program);
    vec![match version(&program).await {
        Ok(version) => Finding::info(Check::Codex, format!("{version} is at {path}.")),
        Err(why) => Finding::warning(
            Check::Codex,
            format!("Codex is at {path}, and does not say its version: {why}."),
            format!("`codex --version` shows what is wrong; {INSTALL} installs it anew"),
        ),
    }]
}

/// What is spawned by its name alone may be taken from the working folder, on Windows.
fn on_path() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let names: &[&str] = if cfg!(windows) {
        &["codex.exe", "codex.cmd"]
    } else {
        &["codex"]
    };
    let folders: Vec<PathBuf> = env::split_paths(&folders).collect();
    let found = folders.iter().filter(|folder| folder.is_absolute());
    let mut found = found.flat_map(|folder| names.iter().map(|name| folder.join(name)));
    found.find(|path| path.is_file())
}

async fn version(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    command.stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output())
        .await
        .map_err(|_| format!("no answer within {} s", LIMIT.as_secs()))?
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = printable(said.lines().next().unwrap_or_default().trim(), LONGEST);
    if !output.status.success() || line.is_empty() {
        return Err(format!("it ended with {}", output.status));
    }
    Ok(line)
}
