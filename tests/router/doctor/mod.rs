//! `doctor` says of every promise whether it holds on this machine, and what helps where it does
//! not; it changes nothing and gives nothing away.

mod bundle;
mod files;
mod network;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use fake_openai::FakeOpenAi;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Home, Ran, access_token, fake, worker, write};

/// Where nobody listens: binding it takes a privilege that tests do not need.
const NOBODY: &str = "http://127.0.0.1:1";

/// A home with the profile `work`, current and live, and a fake that it is served by.
struct Patient {
    home: Home,
    fake: FakeOpenAi,
    login: Value,
}

impl Patient {
    fn healthy() -> Self {
        let fake = fake();
        let login = fake.auth_json(&worker().email("planted.person@work.example"));
        let home = Home::with(&[("work", login.clone())]);
        fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o700)).unwrap();
        Self { home, fake, login }
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let of_fake = self.fake.environment();
        let of_fake = of_fake.iter().map(|(name, value)| (*name, value.as_str()));
        let nobody = self.home.path("nobody");
        let isolated = [
            // Any free port; nothing of the person who runs the test.
            ("CODEX_ROUTER_LISTEN", "127.0.0.1:0"),
            ("HOME", nobody.to_str().unwrap()),
            ("PATH", "/nowhere"),
        ];
        let all: Vec<(&str, &str)> = of_fake
            .chain(isolated)
            .chain(environment.iter().copied())
            .collect();
        self.home.run_with(arguments, &all)
    }

    fn look(&self) -> Looked {
        self.look_with(&[])
    }

    fn look_with(&self, environment: &[(&str, &str)]) -> Looked {
        let ran = self.run(&["doctor", "--json"], environment);
        let report: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", ran.stdout, ran.stderr));
        Looked { ran, report }
    }

    /// A file of ours, as the router would write it.
    fn put(&self, inside: &str, contents: &str) -> PathBuf {
        let path = self.home.path(inside);
        write(&path, contents);
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&path, 0o600);
        for folder in path.ancestors().skip(1) {
            if folder == self.home.path("") {
                break;
            }
            mode(folder, 0o700);
        }
        path
    }
}

/// What one look has found.
struct Looked {
    ran: Ran,
    report: Value,
}

impl Looked {
    fn all(&self, id: &str) -> Vec<&Value> {
        let checks = self.report["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["id"] == id).collect()
    }

    fn states(&self, state: &str) -> Vec<&Value> {
        let checks = self.report["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["state"] == state).collect()
    }

    /// The one finding of this kind: what it says, and what helps.
    #[track_caller]
    fn says(&self, id: &str, state: &str) -> (String, String) {
        let all = self.all(id);
        let found: Vec<_> = all.iter().filter(|check| check["state"] == state).collect();
        let [found] = found[..] else {
            panic!("not one {state} of {id}: {all:#?}");
        };
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("message"), text("remedy"))
    }

    /// One problem and no other, and the exit code that goes with it.
    #[track_caller]
    fn only_problem(&self, id: &str) -> (String, String) {
        let problems = self.states("problem");
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert_eq!(self.ran.code, Some(1));
        self.says(id, "problem")
    }

    /// One warning and no other, and no failure.
    #[track_caller]
    fn only_warning(&self, id: &str) -> (String, String) {
        let (problems, warnings) = (self.states("problem"), self.states("warning"));
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        assert_eq!(self.ran.code, Some(0));
        self.says(id, "warning")
    }
}

/// Every file with all that a change of it would show.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let bytes = fs::read(&path).unwrap_or_default();
            let modified = metadata.modified().unwrap();
            found.insert(path.clone(), (bytes, metadata.mode(), modified));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// An address where nobody listens any more.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test]
async fn a_machine_on_which_everything_works_is_told_so() {
    let patient = Patient::healthy();
    let looked = patient.look();
    assert_eq!(looked.ran.code, Some(0), "{:#}", looked.report);
    assert!(looked.states("problem").is_empty(), "{:#}", looked.report);
    assert!(looked.states("warning").is_empty(), "{:#}", looked.report);
    assert!(looked.report["version"].is_string());
    for id in [
        "homes",
        "programs",
        "shared_logins",
        "permissions",
        "locks",
        "journal",
        "temporary_files",
        "files_set_aside",
        "free_space",
        "live_login",
        "current_profile",
        "profile",
        "copies",
        "state_file",
        "client_keys",
        "fallback",
        "model_rules",
        "attachment",
        "listen",
        "running_router",
        "proxy",
        "certificates",
        "clock",
        "issuer",
        "chatgpt",
        "openai_api",
        "tray_host",
        "version",
        "codex",
        "system",
    ] {
        let found = looked.all(id);
        assert!(!found.is_empty(), "nothing on {id}");
        for finding in found {
            let fields: Vec<&String> = finding.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["id", "message", "remedy", "state"]);
        }
    }
    let text = patient.run(&["doctor"], &[]);
    assert!(text.stdout.contains("No problems, no warnings."));
    assert!(text.stdout.contains("\nLogins\n"), "{}", text.stdout);
    assert_eq!(patient.fake.refreshes().len(), 0);
}

#[tokio::test]
async fn nothing_is_changed_and_no_login_is_shown_to_anybody() {
    let patient = Patient::healthy();
    patient.put("config.toml", "cli_auth_credentials_store = \"auto\"\n");
    // What opening the logins would finish, salvage or forget.
    let stray = patient.put(".auth-AbCd12", &patient.login.to_string());
    let long_ago = SystemTime::now() - std::time::Duration::from_hours(1);
    let stray = File::options().write(true).open(stray).unwrap();
    stray.set_modified(long_ago).unwrap();
    let intent = json!({"from": null, "to": "work", "at": Timestamp::now(), "pid": 1});
    patient.put("router/journal/switch.json", &intent.to_string());
    patient.put("router/state.json", "{\"listen\": torn");
    patient.put("router/profiles.lock", "");
    let before = tree(&patient.home.path(""));

    let looked = patient.look();
    patient.run(&["doctor"], &[]);

    assert_eq!(tree(&patient.home.path("")), before);
    assert_eq!(
        looked.says("temporary_files", "warning").1,
        "`codex-router list`, or any other command, does it"
    );
    let requests = patient.fake.requests();
    assert!(requests.len() >= 3, "all three were asked");
    for request in requests {
        let sent = format!("{:?} {:?}", request.headers, request.raw);
        assert!(!request.headers.contains_key("authorization"), "{sent}");
        assert!(!sent.contains(access_token(&patient.login)));
        assert_eq!(request.method, "GET");
    }
}
