//! The whole program in a test: a home, a fake OpenAI, and the real `codex-router` between them.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use fake_openai::{Account, FakeOpenAi, write_home};
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;

/// After this long, what a test waits for will not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// After this long in the middle of an answer, the rest will not come.
const PAUSE: Duration = Duration::from_millis(200);
/// A model of the catalogue.
pub(crate) const MODEL: &str = "gpt-5.2-codex";

/// A `CODEX_HOME` that is gone after the test.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// Logins as `profiles/NAME/auth.json`; the first one is live and current too.
    pub(crate) fn with(profiles: &[(&str, Value)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_home(folder.path(), profiles).unwrap();
        Self { folder }
    }

    pub(crate) fn empty() -> Self {
        Self::with(&[])
    }

    /// A file or folder in it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.path("auth.json")
    }

    pub(crate) fn profile(&self, name: &str) -> PathBuf {
        self.path("profiles").join(name).join("auth.json")
    }

    /// Adds a profile as a person would, with a text editor.
    pub(crate) fn add(&self, name: &str, login: &Value) {
        write(&self.profile(name), login.to_string());
    }

    /// Nothing is refreshed without being asked for.
    pub(crate) fn keep_nothing_alive(&self) {
        let state = json!({"version": 1, "auto_refresh_enabled": false});
        write(&self.path("router/state.json"), state.to_string());
    }

    pub(crate) fn choose(&self, name: &str) {
        write(&self.path(".current_profile"), name);
    }

    /// `codex-router ARGUMENTS` on this home, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        Ran::to_its_end(command)
    }

    /// `codex-router ARGUMENTS` on this home, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .env("CODEX_HOME", self.folder.path())
            .args(arguments);
        command
    }

    /// The same, with something on its standard input.
    pub(crate) fn run_saying(&self, arguments: &[&str], input: &str) -> Ran {
        let said = self.path("stdin.txt");
        write(&said, input);
        let mut command = program();
        command.env("CODEX_HOME", self.folder.path());
        let ran = Ran::reading(command.args(arguments), File::open(&said).unwrap().into());
        fs::remove_file(said).unwrap();
        ran
    }

    /// `list --json`.
    pub(crate) fn list(&self) -> Value {
        let ran = self.run(&["list", "--json"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The entry of one profile in `list --json`.
    pub(crate) fn listed(&self, name: &str) -> Value {
        entry(&self.list(), name)
    }
}

/// The entry of one profile in the output of `list --json`.
pub(crate) fn entry(list: &Value, name: &str) -> Value {
    let mut profiles = list["profiles"].as_array().unwrap().iter();
    let found = profiles.find(|profile| profile["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {list}"))
        .clone()
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn to_its_end(mut command: Command) -> Self {
        Self::reading(&mut command, Stdio::null())
    }

    fn reading(command: &mut Command, stdin: Stdio) -> Self {
        let piped = command.stdin(stdin).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Collected::from(child.stdout.take().unwrap());
        let stderr = Collected::from(child.stderr.take().unwrap());
        let status = ended(&mut child, PATIENCE);
        Self {
            code: status.code(),
            stdout: stdout.whole(),
            stderr: stderr.whole(),
        }
    }
}

/// A router process with a fake behind it. Dropping it kills the process.
pub(crate) struct Router {
    child: Child,
    address: SocketAddr,
    stdout: Collected,
    stderr: Collected,
    pub(crate) client: reqwest::Client,
}

impl Router {
    pub(crate) fn start(home: &Home, fake: &FakeOpenAi) -> Self {
        Self::start_with(home, fake, &[])
    }

    /// Starts it on a free port, with more or other variables in its environment.
    pub(crate) fn start_with(home: &Home, fake: &FakeOpenAi, environment: &[(&str, &str)]) -> Self {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        Self::start_as(&serve, home, fake, environment)
    }

    /// The same with other arguments.
    pub(crate) fn start_as(
        arguments: &[&str],
        home: &Home,
        fake: &FakeOpenAi,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = program();
        command
            .envs(fake.environment())
            .env("CODEX_HOME", home.path(""));
        command.envs(environment.iter().copied());
        command.args(arguments);
        Self::start_command(command)
    }

    /// A command that says where it listens.
    pub(crate) fn start_command(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Collected::from(child.stdout.take().unwrap());
        let stderr = Collected::from(child.stderr.take().unwrap());
        let started = patiently(|| address_in(&stdout.text()));
        let address = started.unwrap_or_else(|| panic!("not started: {}", stderr.text()));
        Self {
            child,
            address,
            stdout,
            stderr,
            client: client(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).json(body)
    }

    /// A chat completion of one message.
    pub(crate) fn say(&self, said: &str) -> RequestBuilder {
        self.post("/v1/chat/completions", &chat(said))
    }

    /// The same as a stream.
    pub(crate) fn say_streaming(&self, said: &str) -> RequestBuilder {
        let mut body = chat(said);
        body["stream"] = json!(true);
        self.post("/v1/chat/completions", &body)
    }

    /// Sends bytes as they are, and gives what comes back until the end or a pause.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut read) = (Vec::new(), [0; 4096]);
        // A pause after its beginning ends the answer as well as a close: connections stay open.
        for patience in std::iter::once(PATIENCE).chain(std::iter::repeat(PAUSE)) {
            stream.set_read_timeout(Some(patience)).unwrap();
            match stream.read(&mut read) {
                Ok(length @ 1..) => answer.extend_from_slice(&read[..length]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self, patience: Duration) -> ExitStatus {
        ended(&mut self.child, patience)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How much memory it holds.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().unwrap() << 10
    }

    /// What it logged, once it has ended.
    pub(crate) fn logged(&self) -> String {
        self.stderr.whole()
    }

    /// All that it printed so far.
    pub(crate) fn printed(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fake, a home with logins, and a router that serves them.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) home: Home,
    pub(crate) fake: FakeOpenAi,
}

impl World {
    /// The profiles `work` (current) and `other`, of two accounts.
    pub(crate) fn two_accounts() -> Self {
        let fake = fake();
        let profiles = [
            ("work", fake.auth_json(&worker())),
            (
                "other",
                fake.auth_json(&Account::new("user-other", "acct-other")),
            ),
        ];
        Self::with(fake, &profiles)
    }

    /// The current profile `key`, an API key, and `work`, a ChatGPT login.
    pub(crate) fn api_key() -> Self {
        let fake = fake();
        let profiles = [
            ("key", fake.api_key_auth_json("sk-key-of-the-test")),
            ("work", fake.auth_json(&worker())),
        ];
        Self::with(fake, &profiles)
    }

    /// A router that refreshes for a request alone, so that a test decides when.
    pub(crate) fn with(fake: FakeOpenAi, profiles: &[(&str, Value)]) -> Self {
        let home = Home::with(profiles);
        home.keep_nothing_alive();
        let router = Router::start(&home, &fake);
        Self { router, home, fake }
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// Whether the body came to its end as HTTP has it.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let mut response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut bytes = Vec::new();
        let complete = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                end => break end.is_ok(),
            }
        };
        Self {
            status,
            headers,
            bytes,
            complete,
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The profile that served, and why.
    pub(crate) fn served_by(&self) -> (&str, &str) {
        let header = |name| self.header(name).unwrap_or_default();
        (
            header("x-codex-router-profile"),
            header("x-codex-router-reason"),
        )
    }

    /// The text of a chat completion that is not a stream.
    pub(crate) fn said(&self) -> String {
        let json = self.json();
        let content = json["choices"][0]["message"]["content"].as_str();
        content
            .unwrap_or_else(|| panic!("no content: {json}"))
            .to_owned()
    }

    /// The data of all events.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.text())
    }

    /// An error in the shape of OpenAI, with this status, whose code is given.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let json = self.json();
        let error = json["error"].as_object().expect("an object `error`");
        let origin = self
            .header("x-codex-router-error")
            .expect("whose error it is");
        // What the upstream wrote is kept as it is.
        for field in ["type", "param", "code"] {
            assert!(
                origin == "upstream" || error.contains_key(field),
                "no {field}: {json}"
            );
        }
        assert!(!error["message"].as_str().unwrap().is_empty());
        json["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// The data of all events of a stream that are JSON.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

pub(crate) fn fake() -> FakeOpenAi {
    FakeOpenAi::builder().start_on_own_thread().unwrap()
}

/// The account of the profile `work`.
pub(crate) fn worker() -> Account {
    Account::new("user-work", "acct-work")
}

/// The body of a chat completion of one message.
pub(crate) fn chat(said: &str) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": said}]})
}

/// The refresh token of an `auth.json`.
pub(crate) fn refresh_token(login: &Value) -> &str {
    login["tokens"]["refresh_token"].as_str().unwrap()
}

/// The access token of an `auth.json`.
pub(crate) fn access_token(login: &Value) -> &str {
    login["tokens"]["access_token"].as_str().unwrap()
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Writes a file as any program might, folders and all.
pub(crate) fn write(path: &Path, contents: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(path).unwrap();
    file.write_all(contents.as_ref()).unwrap();
}

/// A client with connections of its own, which waits for no answer longer than a test may take.
pub(crate) fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().timeout(PATIENCE * 2);
    builder.build().unwrap()
}

/// Waits until something is the case; other tasks of the test go on meanwhile.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn patiently<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return Some(found);
        }
        thread::sleep(Duration::from_millis(2));
    }
    look()
}

/// What a process prints, as it comes.
pub(crate) struct Collected {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Collected {
    pub(crate) fn from(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                sink.lock().unwrap().append(&mut line);
            }
        });
        Self {
            text,
            reader: Mutex::new(Some(reader)),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// The text once the process has ended.
    pub(crate) fn whole(&self) -> String {
        if let Some(reader) = self.reader.lock().unwrap().take() {
            reader.join().unwrap();
        }
        self.text()
    }
}

fn address_in(stdout: &str) -> Option<SocketAddr> {
    let line = stdout
        .lines()
        .find_map(|line| line.strip_prefix("listening on http://"));
    line?.parse().ok()
}

fn ended(child: &mut Child, patience: Duration) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > patience {
            let _ = child.kill();
            panic!("it did not end within {patience:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// `codex-router` with an environment that says nothing about this machine.
pub(crate) fn program() -> Command {
    let mut command = Command::new(binary());
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// `CODEX_ROUTER_BIN`, which nextest's set-up script exports; else it is built once here.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("CODEX_ROUTER_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments =
        "build --quiet -p router-tray --no-default-features --features otel --bin codex-router";
    let status = Command::new(cargo)
        .args(arguments.split(' '))
        .arg("--target-dir")
        .arg(target().parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.unwrap().success(), "codex-router could not be built");
    let name = format!("codex-router{}", std::env::consts::EXE_SUFFIX);
    target().join(name)
}

/// `target/debug`, the grandparent of this very program.
fn target() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    me.ancestors().nth(2).unwrap().to_owned()
}
