//! A display, a session bus and a panel, with the program in the middle.

use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use fake_openai::{Account, FakeOpenAi};
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::harness::{Collected, Home, Ran, chat, client, fake, until, worker, write};

/// How soon a change is shown, whoever made it.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(1);
/// A web view takes its time for the first picture, on a machine that does other things too.
const LONG: Duration = Duration::from_secs(30);

/// What the desktop is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Desk {
    /// `watcher`, `xfce` or `none`.
    pub(crate) panel: &'static str,
    pub(crate) dark: bool,
    pub(crate) locale: &'static str,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            panel: "watcher",
            dark: false,
            locale: "C.UTF-8",
        }
    }
}

/// The program on a desktop of its own. Dropping it ends both.
pub(crate) struct Session {
    pub(crate) home: Home,
    pub(crate) fake: FakeOpenAi,
    pub(crate) client: reqwest::Client,
    address: SocketAddr,
    name: String,
    probe: Child,
    stdout: Collected,
    stderr: Collected,
}

impl Session {
    /// With the profiles `work` (current) and `other`.
    pub(crate) async fn of_two_accounts() -> Self {
        Self::with(fake(), Desk::default()).await
    }

    pub(crate) async fn with(fake: FakeOpenAi, desk: Desk) -> Self {
        let home = two_accounts(&fake);
        Self::start(home, fake, desk).await
    }

    pub(crate) async fn start(home: Home, fake: FakeOpenAi, desk: Desk) -> Self {
        Self::of(&desktop_binary(), home, fake, desk).await
    }

    /// Of a program that need not be where it was built.
    pub(crate) async fn of(program: &Path, home: Home, fake: FakeOpenAi, desk: Desk) -> Self {
        static SESSIONS: AtomicUsize = AtomicUsize::new(0);
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let name = format!("desktop-{}-{number}", std::process::id());
        let mut probe = probe();
        probe
            .args(["run", "--name", &name, "--panel", desk.panel])
            .args(["--timeout", "170", "--screen", "1180x860"])
            .args(desk.dark.then_some("--dark"))
            .arg("--")
            .arg(program)
            .env("LANG", desk.locale)
            .envs(environment(&home, &fake));
        let mut probe = probe.spawn().unwrap();
        let stdout = Collected::from(probe.stdout.take().unwrap());
        let stderr = Collected::from(probe.stderr.take().unwrap());
        let address = || {
            let text = stdout.text();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("listening on http://"));
            line.and_then(|address| address.parse().ok())
        };
        until("the program", || {
            address().is_some() || probe_failed(&stderr)
        })
        .await;
        let address = address().unwrap_or_else(|| panic!("not started: {}", stderr.text()));
        Self {
            home,
            fake,
            client: client(),
            address,
            name,
            probe,
            stdout,
            stderr,
        }
    }

    /// An address of the router.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn say(&self, said: &str) -> RequestBuilder {
        let url = self.url("/v1/chat/completions");
        self.client.post(url).json(&chat(said))
    }

    pub(crate) fn say_streaming(&self, said: &str) -> RequestBuilder {
        let mut body = chat(said);
        body["stream"] = true.into();
        let url = self.url("/v1/chat/completions");
        self.client.post(url).json(&body)
    }

    /// The program once more, on the same desktop, to its end.
    pub(crate) fn start_again(&self) -> Ran {
        let state = self.state();
        let mut again = Command::new(desktop_binary());
        again.env_clear().envs(environment(&self.home, &self.fake));
        let session = state["env"].as_object().unwrap().iter();
        again.envs(session.map(|(name, value)| (name, value.as_str().unwrap())));
        Ran::to_its_end(again)
    }

    /// What the menu says, line by line.
    #[track_caller]
    pub(crate) fn menu(&self) -> Vec<String> {
        let menu = self.ask(&["menu", "--flat"]);
        menu.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    pub(crate) fn click(&self, label: &str) {
        self.ask(&["click", label]);
    }

    /// Fails unless an entry is there at once, in that state.
    #[track_caller]
    pub(crate) fn shows(&self, label: &str, state: &[&str]) {
        let patience = AT_ONCE.as_secs_f32().to_string();
        self.ask(&[&["expect", label, "--wait", &patience], state].concat());
    }

    /// Fails unless a window is there soon.
    #[track_caller]
    pub(crate) fn has_window(&self) {
        let patience = LONG.as_secs().to_string();
        self.ask(&["windows", "Codex Router", "--wait", &patience]);
    }

    #[track_caller]
    pub(crate) fn has_no_window(&self) {
        self.ask(&["windows", "Codex Router", "--gone"]);
    }

    #[track_caller]
    pub(crate) fn close_window(&self) {
        self.ask(&["close-window", "Codex Router"]);
        self.has_no_window();
    }

    /// The notification with this in its title, which comes soon.
    #[track_caller]
    pub(crate) fn notification(&self, title: &str) -> Value {
        let notes: Value = serde_json::from_str(&self.ask(&["notes", title])).unwrap();
        notes[0].clone()
    }

    /// The exit code, once the program has ended.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.probe.wait().unwrap().code()
    }

    /// The process of the program.
    pub(crate) fn pid(&self) -> String {
        self.state()["app"]["pid"].to_string()
    }

    /// What it holds in memory once it is the only process, in kibibytes; what is shared counts in
    /// part.
    pub(crate) async fn memory_alone(&self) -> u64 {
        let memory = || -> Value { serde_json::from_str(&self.ask(&["rss"])).unwrap() };
        let is_alone = || memory()["processes"].as_array().unwrap().len() == 1;
        until("the processes of the window to end", is_alone).await;
        memory()["total_pss"].as_u64().unwrap()
    }

    /// The process of the window, if there is one.
    pub(crate) fn window_process(&self) -> Option<String> {
        let memory: Value = serde_json::from_str(&self.ask(&["rss"])).unwrap();
        let processes = memory["processes"].as_array().unwrap();
        // The system cuts names off after fifteen bytes.
        let window = processes.iter().find(|it| it["name"] == "codex-router-wi");
        window.map(|window| window["pid"].to_string())
    }

    /// What the browser was opened at, line by line.
    pub(crate) fn opened_in_browser(&self) -> Vec<String> {
        let opened = fs::read_to_string(self.home.path("person/opened"));
        let opened = opened.unwrap_or_default();
        opened.lines().map(str::to_owned).collect()
    }

    /// All that was printed so far.
    pub(crate) fn printed(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// A subcommand of the probe, which must succeed.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let mut probe = probe();
        let (command, rest) = arguments.split_first().unwrap();
        probe.args([command, "--name", &self.name]).args(rest);
        let asked = probe.spawn().unwrap().wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&asked.stderr);
        assert!(
            asked.status.success(),
            "{arguments:?}: {error}\n{}",
            self.printed()
        );
        String::from_utf8(asked.stdout).unwrap()
    }

    fn state(&self) -> Value {
        let folder = std::env::temp_dir();
        let owner = Command::new("id").arg("-u").output().unwrap().stdout;
        let owner = String::from_utf8(owner).unwrap();
        let sessions = folder.join(format!("tray-probe-{}", owner.trim()));
        let state = fs::read(sessions.join(&self.name).join("state.json")).unwrap();
        serde_json::from_slice(&state).unwrap()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The program said:\n{}", self.printed());
        }
        // It takes down all that it started; it may have ended by itself.
        let pid = self.probe.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.probe.wait();
    }
}

/// The profiles `work`, current, and `other`, of which nothing is refreshed without being asked for.
pub(crate) fn two_accounts(fake: &FakeOpenAi) -> Home {
    let other = Account::new("user-other", "acct-other");
    let home = Home::with(&[
        ("work", fake.auth_json(&worker())),
        ("other", fake.auth_json(&other)),
    ]);
    home.keep_nothing_alive();
    home
}

/// The variables of the program, besides those of the desktop.
pub(crate) fn environment(home: &Home, fake: &FakeOpenAi) -> Vec<(String, PathBuf)> {
    let person = home.path("person");
    fs::create_dir_all(&person).unwrap();
    let browser = person.join("browser");
    if !browser.exists() {
        write(&browser, "#!/bin/sh\necho \"$1\" >>\"$HOME/opened\"\n");
        fs::set_permissions(&browser, Permissions::from_mode(0o755)).unwrap();
    }
    let fake = fake.environment().into_iter();
    let fake = fake.map(|(name, value)| (name.to_owned(), value.into()));
    let own = [
        ("CODEX_HOME", home.path("")),
        ("CODEX_ROUTER_LISTEN", "127.0.0.1:0".into()),
        ("HOME", person),
        ("BROWSER", browser),
    ];
    fake.chain(own.map(|(name, value)| (name.to_owned(), value)))
        .collect()
}

/// The program with its desktop parts, which nextest's set-up script builds.
pub(crate) fn desktop_binary() -> PathBuf {
    let binary = std::env::var_os("CODEX_ROUTER_DESKTOP_BIN");
    binary
        .expect("scripts/build-desktop-for-tests tells where the program is")
        .into()
}

fn probe() -> Command {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("desktop/tray_probe.py");
    let mut probe = Command::new("/usr/bin/python3");
    probe
        .arg(program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    probe
}

fn probe_failed(stderr: &Collected) -> bool {
    stderr.text().contains("tray_probe:")
}
