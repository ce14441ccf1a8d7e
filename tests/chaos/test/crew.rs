//! The processes of one round.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{ledger::Cut, world::World};

/// A debug build on a busy machine takes a while.
const PATIENCE: Duration = Duration::from_secs(90);
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
/// Files of 16 KiB at most; a write beyond it fails instead of ending the process.
const SMALL_FILES: &str = r#"trap '' XFSZ; ulimit -f 32; exec "$0" "$1""#;

/// Processes at work on one home.
pub(crate) struct Crew {
    orders: Value,
    seed: u64,
    small_files: bool,
    children: Vec<Child>,
}

impl Crew {
    pub(crate) fn of(world: &World, round: u64) -> Self {
        let orders = json!({"home": world.home.root(), "issuer": world.fake.issuer_url(),
            "profiles": world.names()});
        Self {
            orders,
            seed: round * 1000,
            small_files: false,
            children: Vec::new(),
        }
    }

    pub(crate) fn with_small_files(mut self) -> Self {
        self.small_files = true;
        self
    }

    pub(crate) fn add(&mut self, role: &str, acts: u32) {
        self.add_failing(role, acts, "abort_at", Value::Null);
    }

    pub(crate) fn add_failing(&mut self, role: &str, acts: u32, what: &str, at: Value) {
        self.seed += 1;
        let mut orders = self.orders.clone();
        orders["role"] = role.into();
        orders["acts"] = acts.into();
        orders["seed"] = self.seed.into();
        orders[what] = at;
        let mut command = self.command();
        command.arg(orders.to_string());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.children.push(command.spawn().unwrap());
    }

    fn command(&self) -> Command {
        let actor = env!("CARGO_BIN_EXE_chaos-actor");
        if !self.small_files {
            return Command::new(actor);
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", SMALL_FILES, actor]);
        shell
    }

    /// Kills so many of the last ones, one after the other. Says when.
    pub(crate) fn kill_at_random(&mut self, kills: usize) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for (number, child) in self.children.iter_mut().rev().take(kills).enumerate() {
            let number = u64::try_from(number).unwrap();
            // Any moment of the first half second or so, the same for the same seed.
            let pause = (self.seed * 7919 + number * 104_729) % 160;
            thread::sleep(Duration::from_millis(40 + pause));
            child.kill().unwrap();
            cuts.push(Cut::at(Timestamp::now()));
        }
        cuts
    }

    /// Waits for all of them. None but those that were killed may fail.
    pub(crate) fn join(self) {
        assert_eq!(self.join_with_deaths(), 0, "processes died on their own");
    }

    /// The same, where some may have aborted: says how many.
    pub(crate) fn join_with_deaths(self) -> usize {
        let ended: Vec<Output> = self.children.into_iter().map(end_of).collect();
        for output in &ended {
            assert!(is_expected(output.status), "{output:?}");
        }
        let aborted = |output: &&Output| output.status.signal() == Some(SIGABRT);
        ended.iter().filter(aborted).count()
    }

    /// What the only one prints.
    pub(crate) fn said(mut self) -> String {
        let output = end_of(self.children.remove(0));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn is_expected(status: ExitStatus) -> bool {
    status.success() || matches!(status.signal(), Some(SIGKILL | SIGABRT))
}

fn end_of(mut child: Child) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("a process hangs: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}
