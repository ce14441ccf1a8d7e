//! A command that waits for a person.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use fake_openai::FakeOpenAi;

use crate::harness::{Collected, Home, PATIENCE, Ran, program};

/// `codex-router ARGUMENTS` while it runs. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    pub(crate) fn start(home: &Home, fake: &FakeOpenAi, arguments: &[&str]) -> Self {
        Self::start_with(home, fake, arguments, &[])
    }

    /// Starts it with more or other variables in its environment.
    pub(crate) fn start_with(
        home: &Home,
        fake: &FakeOpenAi,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = program();
        command.envs(fake.environment());
        command.env("CODEX_HOME", home.path(""));
        // Should it look for a browser all the same, it finds this one.
        command.env("BROWSER", "true");
        command.envs(environment.iter().copied()).args(arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
        Self {
            stdin: child.stdin.take(),
            stdout: Collected::from(child.stdout.take().unwrap()),
            stderr: Collected::from(child.stderr.take().unwrap()),
            child,
        }
    }

    /// The first thing it prints that `find` finds something in.
    pub(crate) async fn says<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = find(&self.stdout.text()) {
                return found;
            }
            let (said, told) = (self.stdout.text(), self.stderr.text());
            assert!(
                begun.elapsed() < PATIENCE,
                "no {what} in {said:?}, {told:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The address that it asks a person to open.
    pub(crate) async fn url(&self) -> String {
        self.says("address", |said| {
            let mut lines = said.lines().map(str::trim);
            let url = lines.find(|line| line.contains("/oauth/authorize?"))?;
            Some(url.to_owned())
        })
        .await
    }

    /// What it has printed on standard error so far.
    pub(crate) fn complaints(&self) -> String {
        self.stderr.text()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        let mut stdin = self.stdin.as_ref().expect("open");
        writeln!(stdin, "{line}").unwrap();
    }

    pub(crate) fn end_of_input(&mut self) {
        self.stdin = None;
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end; other tasks and threads of the test go on meanwhile.
    pub(crate) async fn ended(mut self) -> Ran {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it goes on: {}",
                self.complaints()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        Ran {
            code: status.code(),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
