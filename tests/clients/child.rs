//! Programs that are run to their end, or to a limit.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::iter;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The time between the first and the last output.
    pub(crate) printing: Duration,
}

impl Outcome {
    /// Fails unless the program succeeded.
    pub(crate) fn succeeded(self, what: &str) -> Self {
        assert!(
            self.status.success(),
            "{what}: {}\n{}\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A program that sees nothing of the environment but `PATH`, and no network but loopback.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    // Nothing listens on the discard port: what is meant for the internet fails at once.
    let nowhere = "http://127.0.0.1:9";
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", path())
        .envs(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, nowhere)))
        .env("NO_PROXY", "127.0.0.1,localhost");
    command
}

/// The search path, beginning with what `scripts/setup test` has installed.
fn path() -> OsString {
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let installed = iter::once(installed(".venv/bin"));
    std::env::join_paths(installed.chain(std::env::split_paths(&usual))).unwrap()
}

/// Runs it, and fails if it has not ended in time.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Outcome {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that its children can be ended with it.
        .process_group(0);
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/setup test"));
    let stdout = reader(child.stdout.take().unwrap());
    let stderr = reader(child.stderr.take().unwrap());
    let status = wait(&mut child, limit);
    let (stdout, printing) = stdout.join().unwrap();
    let (stderr, _) = stderr.join().unwrap();
    let Some(status) = status else {
        panic!("{command:?} did not end in {limit:?}:\n{stdout}\n{stderr}");
    };
    Outcome {
        status,
        stdout,
        stderr,
        printing,
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = child.wait();
    None
}

/// Reads to the end, with the time that passed between the first and the last piece.
fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<(String, Duration)> {
    thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        let (mut first, mut last) = (None, Instant::now());
        while let Ok(read @ 1..) = from.read(&mut piece) {
            all.extend_from_slice(&piece[..read]);
            last = Instant::now();
            first.get_or_insert(last);
        }
        let printing = first.map_or(Duration::ZERO, |first| last - first);
        (String::from_utf8_lossy(&all).into_owned(), printing)
    })
}

/// A path below `tests/clients`.
pub(crate) fn installed(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(path)
}
