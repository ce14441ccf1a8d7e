//! A PostgreSQL server of one's own, in a folder that is removed with it.

use std::{
    env, fs, io,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Where Debian keeps its versions.
const DEBIAN: &str = "/usr/lib/postgresql";
const PATIENCE: Duration = Duration::from_mins(1);
/// Runs the server for as long as its input stays open, so that none outlives a killed test. The
/// signal is sent until it is heeded: while the server starts, it is ignored.
const KEEP: &str = r#"exec 3<&0; "$@" 3<&- <&- & server=$!; read -r end <&3
while kill -QUIT $server 2>/dev/null; do sleep 0.1; done; wait $server"#;

/// A running server, which only local users can reach, over a socket in its folder.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    keeper: Option<Child>,
}

impl Cluster {
    /// Makes a cluster and starts it. `None` where PostgreSQL is not installed.
    ///
    /// # Errors
    /// What the operating system or the server's own programs say.
    pub fn start() -> io::Result<Option<Self>> {
        let Some(programs) = programs() else {
            return Ok(None);
        };
        let mut cluster = Self {
            folder: tempfile::tempdir()?,
            programs,
            keeper: None,
        };
        if let Some((user, group)) = server_user() {
            chown(cluster.folder.path(), Some(user), Some(group))?;
        }
        let mut initdb = cluster.program("initdb");
        initdb.args([
            "--no-sync",
            "--no-locale",
            "--encoding=UTF8",
            "--auth=trust",
        ]);
        initdb
            .args(["--username=router", "--pgdata"])
            .arg(cluster.data());
        let made = initdb.output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr)));
        }
        cluster.resume()?;
        Ok(Some(cluster))
    }

    /// How to reach its database.
    #[must_use]
    pub fn address(&self) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} user=router dbname=postgres")
    }

    /// Stops the server as a crash would: connections break, and nothing is tidied up.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn crash(&mut self) -> io::Result<()> {
        let Some(mut keeper) = self.keeper.take() else {
            return Ok(());
        };
        drop(keeper.stdin.take());
        keeper.wait().map(drop)
    }

    /// Starts the server again, and waits until it answers.
    ///
    /// # Errors
    /// What the operating system says; `TimedOut` when it does not come up.
    pub fn resume(&mut self) -> io::Result<()> {
        let log = fs::File::create(self.folder.path().join("log"))?;
        let mut keeper = self.under_server_user("sh");
        keeper
            .args(["-c", KEEP, "sh"])
            .arg(self.programs.join("postgres"));
        // Without syncing: it is the processes that crash here, never the machine.
        keeper
            .args(["-F", "-c", "listen_addresses=", "-k"])
            .arg(self.folder.path());
        keeper.arg("-D").arg(self.data());
        keeper
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.keeper = Some(keeper.spawn()?);
        let began = Instant::now();
        while !self.is_ready()? {
            if began.elapsed() > PATIENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What a statement says, as `psql` prints it.
    ///
    /// # Errors
    /// What the operating system or the server says.
    pub fn query(&self, statement: &str) -> io::Result<String> {
        let mut psql = self.program("psql");
        psql.args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--command",
            statement,
        ]);
        let said = psql.arg(self.address()).output()?;
        if !said.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&said.stderr)));
        }
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    fn is_ready(&self) -> io::Result<bool> {
        let mut probe = self.program("pg_isready");
        probe.arg("--quiet").arg("--host").arg(self.folder.path());
        Ok(probe.status()?.success())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        self.under_server_user(self.programs.join(name))
    }

    /// The server refuses to run as the superuser.
    fn under_server_user(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some((user, group)) = server_user() {
            command.uid(user).gid(group);
        }
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.crash();
    }
}

/// The folder of the newest server's programs. What is on the path may be a link to one of them.
fn programs() -> Option<PathBuf> {
    let on_path = env::split_paths(&env::var_os("PATH")?).find_map(|folder| server_in(&folder));
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let of_debian = versions.filter_map(|version| server_in(&version.path().join("bin")));
    on_path.or(of_debian.max())
}

fn server_in(folder: &Path) -> Option<PathBuf> {
    let folder = folder
        .join("initdb")
        .canonicalize()
        .ok()?
        .parent()?
        .to_owned();
    let programs = ["postgres", "psql", "pg_isready"];
    let complete = programs
        .iter()
        .all(|program| folder.join(program).is_file());
    complete.then_some(folder)
}

/// Whom the server runs as where this program is the superuser.
fn server_user() -> Option<(u32, u32)> {
    let number = |arguments: &[&str]| {
        let said = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8_lossy(&said.stdout).trim().parse().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    Some((number(&["-u", "postgres"])?, number(&["-g", "postgres"])?))
}
