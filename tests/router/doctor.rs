//! `doctor` says of every promise whether it holds on this machine, and what helps where it does
//! not; it changes nothing and gives nothing away.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use codex_auth::AuthDotJson;
use codex_profiles::doctor::secret_shape;
use fake_openai::{FakeOpenAi, Fault};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    harness::{Home, Ran, Router, access_token, fake, read_json, refresh_token, worker, write},
    signing_in::certificate::https,
};

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

#[tokio::test]
async fn logins_that_others_can_read_are_a_problem_with_the_command_that_helps() {
    let patient = Patient::healthy();
    let live = patient.home.live();
    fs::set_permissions(&live, fs::Permissions::from_mode(0o644)).unwrap();
    let (message, remedy) = patient.look().only_problem("permissions");
    assert!(message.contains("can read") && message.contains("auth.json"));
    assert_eq!(remedy, format!("`chmod 600 {}`", live.display()));

    fs::set_permissions(&live, fs::Permissions::from_mode(0o600)).unwrap();
    let profiles = patient.home.path("profiles");
    fs::set_permissions(&profiles, fs::Permissions::from_mode(0o777)).unwrap();
    let looked = patient.look();
    let (message, remedy) = looked.says("permissions", "problem");
    assert!(message.contains("can change"), "{message}");
    assert_eq!(remedy, format!("`chmod go-w {}`", profiles.display()));
    looked.says("permissions", "warning");

    // In a group there may be nobody else.
    fs::set_permissions(&profiles, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&live, fs::Permissions::from_mode(0o640)).unwrap();
    let (message, _) = patient.look().only_warning("permissions");
    assert!(message.contains("your group can read"), "{message}");
}

#[tokio::test]
async fn a_choice_of_a_profile_that_is_gone_is_a_problem() {
    let patient = Patient::healthy();
    patient.put(".current_profile", "gone");
    let (message, remedy) = patient.look().only_problem("current_profile");
    assert!(message.contains("`gone`"), "{message}");
    assert_eq!(remedy, "`codex-router use work`");
}

#[tokio::test]
async fn a_broken_profile_and_one_that_must_sign_in_again_are_named() {
    let patient = Patient::healthy();
    patient.put("profiles/torn/auth.json", "{\"tokens\": ");
    let (message, remedy) = patient.look().only_problem("profile");
    assert!(
        message.contains("`torn`") && message.contains("half written"),
        "{message}"
    );
    assert!(remedy.contains("`codex-router login torn`"), "{remedy}");

    fs::remove_dir_all(patient.home.path("profiles/torn")).unwrap();
    let login = AuthDotJson::parse(patient.login.to_string().as_bytes()).unwrap();
    let token = login.refresh_token().unwrap().fingerprint();
    let fact = json!({"reason": "revoked", "token_fingerprint": token, "at": Timestamp::now()});
    let state = json!({"version": 1, "profiles": {"work": {"needs_login": fact}}});
    patient.put("router/state.json", &state.to_string());
    let looked = patient.look();
    let (message, remedy) = looked.says("profile", "problem");
    assert!(message.contains("`work` must sign in again"), "{message}");
    assert_eq!(remedy, "`codex-router login work`");
    assert_eq!(looked.ran.code, Some(1));
    assert!(!looked.ran.stdout.contains(&token));
}

#[tokio::test]
async fn an_attachment_that_leads_to_nobody_is_a_problem_and_anothers_is_left_alone() {
    let patient = Patient::healthy();
    let nobody = closed().to_string();
    let listen = [("CODEX_ROUTER_LISTEN", nobody.as_str())];
    assert_eq!(patient.run(&["attach"], &listen).code, Some(0));
    let (message, remedy) = patient.look_with(&listen).only_problem("attachment");
    assert!(message.contains("nobody answers"), "{message}");
    assert!(remedy.contains("`codex-router detach`"), "{remedy}");
    // The router would be somewhere else by now.
    let (_, remedy) = patient.look().only_problem("attachment");
    assert!(remedy.contains("`codex-router attach`"), "{remedy}");

    let foreign = format!("openai_base_url = \"http://ada:sk-planted@{nobody}/v1?key=sk-planted\"");
    let config = patient.put("config.toml", &foreign);
    let looked = patient.look();
    let (message, _) = looked.only_problem("attachment");
    assert!(message.contains("another program has left"), "{message}");
    assert!(!looked.ran.stdout.contains("planted"));
    assert_eq!(fs::read_to_string(config).unwrap(), foreign);
}

#[tokio::test]
async fn who_has_taken_the_port_is_named() {
    let patient = Patient::healthy();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (message, remedy) = looked.only_problem("listen");
    assert!(message.contains(&address), "{message}");
    if cfg!(target_os = "linux") {
        let pid = std::process::id();
        assert!(message.contains(&format!("(process {pid})")), "{message}");
        assert!(remedy.contains(&format!("`kill {pid}`")), "{remedy}");
    }
}

#[tokio::test]
async fn an_address_of_the_network_needs_a_client_key() {
    let patient = Patient::healthy();
    let open = [("CODEX_ROUTER_LISTEN", "0.0.0.0:0")];
    let (_, remedy) = patient.look_with(&open).only_problem("listen");
    assert!(
        remedy.contains("`codex-router key create NAME`"),
        "{remedy}"
    );
    assert_eq!(patient.run(&["key", "create", "laptop"], &[]).code, Some(0));
    assert!(patient.look_with(&open).states("problem").is_empty());
    let nothing = [("CODEX_ROUTER_LISTEN", "sk-planted-1")];
    let looked = patient.look_with(&nothing);
    looked.only_problem("listen");
    assert!(!looked.ran.stdout.contains("planted"));
}

#[tokio::test]
async fn the_router_that_runs_is_known_with_its_version() {
    let patient = Patient::healthy();
    let mut router = Router::start(&patient.home, &patient.fake);
    let address = router.address().to_string();
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (running, _) = looked.says("running_router", "ok");
    assert!(running.contains(&address), "{running}");
    assert!(running.contains(env!("CARGO_PKG_VERSION")), "{running}");
    looked.says("listen", "ok");

    // To another home it is somebody else's.
    let other = Patient::healthy();
    let looked = other.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (message, remedy) = looked.only_warning("listen");
    assert!(message.contains("a router of another home"), "{message}");
    assert!(!remedy.contains("kill"), "{remedy}");

    router.kill();
    let (message, _) = patient.look().says("running_router", "info");
    assert!(message.contains("ended without saying so"), "{message}");
}

#[tokio::test]
async fn a_router_that_listens_everywhere_is_that_of_this_home() {
    let patient = Patient::healthy();
    assert_eq!(patient.run(&["key", "create", "laptop"], &[]).code, Some(0));
    let serve = ["serve", "--listen", "0.0.0.0:0"];
    let router = Router::start_as(&serve, &patient.home, &patient.fake, &[]);
    let listen = format!("0.0.0.0:{}", router.address().port());
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &listen)]);
    looked.says("listen", "ok");
    assert!(looked.states("problem").is_empty());
}

/// A router by another name stands for whoever holds the address.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_systemd_holds_is_left_alone() {
    let (patient, other) = (Patient::healthy(), Patient::healthy());
    let systemd = other.home.path("systemd");
    std::os::unix::fs::symlink(crate::harness::program().get_program(), &systemd).unwrap();
    let mut command = std::process::Command::new(systemd);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env_clear().env("CODEX_HOME", other.home.path(""));
    let router = Router::start_command(command);
    let address = router.address().to_string();
    let looked = patient.look_with(&[("CODEX_ROUTER_LISTEN", &address)]);
    let (message, remedy) = looked.says("listen", "info");
    assert!(message.contains("held for the router"), "{message}");
    assert_eq!(remedy, "");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_connects_to_a_socket_that_is_held_for_the_router() {
    let patient = Patient::healthy();
    let unit = patient.put("config/systemd/user/codex-router.socket", "[Socket]\n");
    let socket = patient.home.path("r.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listen = format!("unix:{}", socket.display());
    let configuration = patient.home.path("config");
    let environment = [
        ("CODEX_ROUTER_LISTEN", listen.as_str()),
        ("XDG_CONFIG_HOME", configuration.to_str().unwrap()),
    ];
    patient.look_with(&environment).says("listen", "info");
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    // Without the unit it is somebody else's.
    fs::remove_file(unit).unwrap();
    patient.look_with(&environment).says("listen", "problem");
    listener.accept().unwrap();
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_problem_for_those_who_need_it() {
    let patient = Patient::healthy();
    let base = format!("{NOBODY}/backend-api");
    let down = [("CODEX_ROUTER_CHATGPT_BASE_URL", base.as_str())];
    let (message, _) = patient.look_with(&down).only_problem("chatgpt");
    assert!(message.contains("refused"), "{message}");

    let base = format!("{NOBODY}/v1");
    let down = [("CODEX_ROUTER_OPENAI_BASE_URL", base.as_str())];
    let (message, _) = patient.look_with(&down).only_warning("openai_api");
    assert!(message.contains("No login here needs it"), "{message}");

    patient
        .fake
        .fault(Fault::cloudflare().path("/models").always());
    let looked = patient.look();
    let (message, _) = looked.says("chatgpt", "warning");
    assert!(message.contains("Cloudflare"), "{message}");
    patient.fake.clear_faults();
    let fault = Fault::status(503).path("/openid-configuration");
    patient.fake.fault(fault.always());
    let (message, _) = patient.look().only_warning("issuer");
    assert!(message.contains("503"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_told_from_other_hindrances() {
    let patient = Patient::healthy();
    let (address, authority) = https(patient.fake.address()).await;
    let issuer = format!("https://{address}");
    let company = patient.put("company.pem", &authority);
    let environment = [
        ("CODEX_ROUTER_AUTH_ISSUER", issuer.as_str()),
        ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", ""),
        ("CODEX_CA_CERTIFICATE", company.to_str().unwrap()),
    ];
    let (message, remedy) = patient.look_with(&environment[..2]).only_problem("issuer");
    assert!(message.contains("(TLS)"), "{message}");
    assert!(remedy.contains("CODEX_CA_CERTIFICATE"), "{remedy}");
    let looked = patient.look_with(&environment);
    assert!(looked.states("problem").is_empty(), "{:#}", looked.report);
    looked.says("certificates", "ok");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_by_the_dates_of_the_servers() {
    let patient = Patient::healthy();
    for (minutes, id) in [(3, "warning"), (-90, "problem")] {
        let theirs = Timestamp::now() - SignedDuration::from_mins(minutes);
        let date = theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let fault = Fault::status(404).header("date", &date).path("");
        patient.fake.fault(fault.always());
        let looked = patient.look();
        let (message, remedy) = looked.says("clock", id);
        let direction = if minutes > 0 { "ahead" } else { "behind" };
        assert!(message.contains(direction), "{message}");
        assert!(!remedy.is_empty());
        patient.fake.clear_faults();
    }
}

#[tokio::test]
async fn settings_that_cannot_be_understood_are_a_problem() {
    let patient = Patient::healthy();
    let state = patient.put("router/state.json", "{\"label\": sk-planted-1");
    let looked = patient.look();
    let (message, remedy) = looked.only_problem("state_file");
    assert!(message.contains("state.json"), "{message}");
    assert!(
        remedy.contains(&format!("`rm {}`", state.display())),
        "{remedy}"
    );
    assert!(!looked.ran.stdout.contains("planted"));
    // To remove it would open the door.
    patient.put("router/state.json", "{\"client_keys\": [torn");
    let (_, remedy) = patient.look().only_problem("state_file");
    assert!(!remedy.contains("rm "), "{remedy}");
}

#[tokio::test]
async fn a_switch_that_was_cut_short_is_told_of_with_what_becomes_of_it() {
    let patient = Patient::healthy();
    let login = patient.fake.auth_json(&patient.fake.account("b", "acct-b"));
    patient.put("profiles/other/auth.json", &login.to_string());
    for (to, course) in [("other", "undoes it"), ("work", "finishes it")] {
        let intent = json!({"from": null, "to": to, "at": Timestamp::now(), "pid": 1});
        patient.put("router/journal/switch.json", &intent.to_string());
        let (message, remedy) = patient.look().only_warning("journal");
        assert!(message.contains(&format!("`{to}`")), "{message}");
        assert!(message.contains(course), "{message}");
        assert_eq!(remedy, "`codex-router list` settles it");
    }
    assert_eq!(patient.run(&["list"], &[]).code, Some(0));
    assert!(patient.look().states("warning").is_empty());
}

#[tokio::test]
async fn a_key_a_fallback_and_a_rule_of_a_profile_that_is_gone_are_named() {
    let patient = Patient::healthy();
    let login = patient.fake.auth_json(&patient.fake.account("b", "acct-b"));
    patient.put("profiles/other/auth.json", &login.to_string());
    let created = patient.run(&["key", "create", "laptop", "--profile", "other"], &[]);
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    let path = patient.home.path("router/state.json");
    let mut state = read_json(&path);
    state["fallback"] = json!({"profiles": ["other"]});
    state["model_rules"] = json!([{"model": "gpt-*", "profile": "other"}]);
    patient.put("router/state.json", &state.to_string());
    assert!(patient.look().states("problem").is_empty());

    fs::remove_dir_all(patient.home.path("profiles/other")).unwrap();
    let looked = patient.look();
    let (message, remedy) = looked.only_problem("client_keys");
    assert!(message.contains("`laptop`") && message.contains("`other`"));
    assert!(
        remedy.contains("`codex-router key revoke laptop`"),
        "{remedy}"
    );
    looked.says("fallback", "warning");
    looked.says("model_rules", "warning");
    let hash = state["client_keys"][0]["sha256"].as_str().unwrap();
    assert!(!looked.ran.stdout.contains(hash));
}

#[tokio::test]
async fn a_lock_that_is_held_is_told_of_with_its_holder() {
    let patient = Patient::healthy();
    let lock = patient.put("router/profiles.lock", "");
    let held = File::open(&lock).unwrap();
    held.try_lock().unwrap();
    let (message, remedy) = patient.look().only_warning("locks");
    assert!(message.contains("profiles.lock"), "{message}");
    if cfg!(target_os = "linux") {
        let pid = std::process::id();
        assert!(message.contains(&format!("(process {pid})")), "{message}");
        assert!(remedy.contains(&format!("`kill {pid}`")), "{remedy}");
    }
    held.unlock().unwrap();
    assert!(patient.look().states("warning").is_empty());
}

#[tokio::test]
async fn copies_that_differ_and_a_login_in_no_profile_are_told_of() {
    let patient = Patient::healthy();
    let newer = patient.fake.auth_json(&worker());
    patient.put("auth.json", &newer.to_string());
    let (message, remedy) = patient.look().only_warning("copies");
    assert!(message.contains("`work`"), "{message}");
    assert_eq!(remedy, "`codex-router use work`");

    let stranger = patient.fake.auth_json(&patient.fake.account("b", "acct-b"));
    patient.put("auth.json", &stranger.to_string());
    let (message, remedy) = patient.look().only_warning("copies");
    assert!(message.contains("in no profile"), "{message}");
    assert_eq!(remedy, "`codex-router save`");
}

#[tokio::test]
async fn proxies_and_certificates_are_named_without_what_is_secret_in_them() {
    let patient = Patient::healthy();
    let proxy = [
        ("HTTP_PROXY", "http://ada:sk-planted-1@127.0.0.1:1"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let looked = patient.look_with(&proxy);
    let (message, _) = looked.says("proxy", "info");
    assert!(message.contains("127.0.0.1:1"), "{message}");
    assert!(looked.states("problem").is_empty(), "{:#}", looked.report);
    let looked = patient.look_with(&proxy[..1]);
    assert!(looked.says("proxy", "warning").1.contains("NO_PROXY"));
    assert!(!looked.ran.stdout.contains("planted"));

    let file = patient.put("certificates.pem", "none");
    let file = file.to_str().unwrap();
    let looked = patient.look_with(&[("CODEX_CA_CERTIFICATE", file)]);
    let (message, _) = looked.says("certificates", "problem");
    assert!(message.contains("no certificate"), "{message}");
}

#[tokio::test]
async fn the_codex_on_the_path_says_its_version_or_is_told_to_be_broken() {
    let patient = Patient::healthy();
    let folder = patient.home.path("bin");
    let codex = patient.put("bin/codex", "#!/bin/sh\necho codex-cli 0.169.0\n");
    let path = [("PATH", folder.to_str().unwrap())];
    fs::set_permissions(&codex, fs::Permissions::from_mode(0o700)).unwrap();
    let (message, _) = patient.look_with(&path).says("codex", "info");
    assert!(message.starts_with("codex-cli 0.169.0 is at"), "{message}");

    patient.put("bin/codex", "#!/bin/sh\nexit 3\n");
    fs::set_permissions(&codex, fs::Permissions::from_mode(0o700)).unwrap();
    let (message, remedy) = patient.look_with(&path).only_warning("codex");
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(remedy.contains("`codex --version`"), "{remedy}");
}

#[tokio::test]
async fn an_address_of_an_upstream_that_is_none_is_a_problem_and_no_end() {
    let patient = Patient::healthy();
    let wrong = [("CODEX_ROUTER_CHATGPT_BASE_URL", "hunter2")];
    let looked = patient.look_with(&wrong);
    let (message, _) = looked.only_problem("chatgpt");
    assert!(
        message.contains("CODEX_ROUTER_CHATGPT_BASE_URL"),
        "{message}"
    );
    assert!(!looked.ran.stdout.contains("hunter2"));
    looked.says("issuer", "ok");
}

#[tokio::test]
async fn a_bundle_is_one_private_file_with_nothing_in_it_that_is_secret() {
    let patient = Patient::healthy();
    patient.put("router/usage.json", "{}");
    let created = patient.run(&["key", "create", "laptop"], &[]);
    let label = ["label", "work", "planted label"];
    assert_eq!(patient.run(&label, &[]).code, Some(0));
    let path = patient.home.path("bundle.json");
    let arguments = ["doctor", "--bundle", path.to_str().unwrap()];
    let ran = patient.run(&arguments, &[]);
    assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);

    let mode = fs::metadata(&path).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let bundle = read_json(&path);
    assert_eq!(bundle["state"]["client_keys"], 1);
    assert!(bundle["report"]["checks"].as_array().unwrap().len() > 20);
    let mut files = bundle["files"].as_array().unwrap().iter();
    let state = files.find(|file| file["path"] == "router/state.json");
    assert_eq!(state.unwrap()["mode"], "600");
    for secret in [
        access_token(&patient.login),
        refresh_token(&patient.login),
        created.stdout.trim(),
        "planted",
    ] {
        assert!(!text.contains(secret), "{text}");
        assert!(!ran.stdout.contains(secret), "{}", ran.stdout);
    }
    assert_eq!(secret_shape(&text), None);

    // A login that is named by mistake is not replaced.
    let before = fs::read(patient.home.live()).unwrap();
    let live = patient.home.live();
    let again = patient.run(&["doctor", "--bundle", live.to_str().unwrap()], &[]);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.contains("cannot be written"),
        "{}",
        again.stderr
    );
    assert_eq!(fs::read(live).unwrap(), before);
}

#[tokio::test]
async fn secrets_in_every_field_of_every_file_stay_there() {
    let patient = Patient::healthy();
    let secret = "sk-planted-0123456789";
    let address = "ada@planted.example";
    let mut login = patient.login.clone();
    login["novel"] = json!(secret);
    login["OPENAI_API_KEY"] = json!(secret);
    patient.put("auth.json", &login.to_string());
    patient.put(&format!("profiles/{address}/auth.json"), &login.to_string());
    patient.put(".current_profile", secret);
    let config = format!(
        "cli_auth_credentials_store = \"{secret}\"\nmodel_provider = \"{secret}\"\n\
         [model_providers.{secret}]\nbase_url = \"http://{secret}:{secret}@127.0.0.1:1/{secret}\"\n\
         [profiles.{secret}]\nmodel_provider = \"{secret}\"\n"
    );
    patient.put("config.toml", &config);
    let state = json!({
        "listen": secret, "client_keys": [
            {"name": secret, "sha256": secret, "profile": address},
            {"name": address, "sha256": secret, "profile": "work", "identity": secret}, secret],
        "model_rules": [{"model": secret, "profile": secret}],
        "fallback": {"profiles": [secret, address]}, "allowed_hosts": [secret],
        "profiles": {"work": {"label": secret, "color": address}}, secret: address,
    });
    patient.put("router/state.json", &state.to_string());
    let intent = json!({"from": secret, "to": secret, "at": Timestamp::now(), "pid": 1});
    patient.put("router/journal/switch.json", &intent.to_string());
    let intent = json!({"profile": address, "token_fingerprint": secret, "attempts": 1,
        "at": Timestamp::now(), "pid": 1});
    let token = "0123abcd".repeat(8);
    patient.put(&format!("router/journal/{token}.json"), &intent.to_string());
    for file in [
        "control.token",
        "address",
        "usage.json",
        "spent.json",
        secret,
    ] {
        patient.put(&format!("router/{file}"), secret);
    }
    let bundle = patient.home.path("bundle.json");
    let environment = [("CODEX_ROUTER_LISTEN", ""), ("HTTPS_PROXY", secret)];
    let text = patient.run(&["doctor"], &environment);
    let json = patient.run(
        &["doctor", "--json", "--bundle", bundle.to_str().unwrap()],
        &environment,
    );
    let written = fs::read_to_string(&bundle).unwrap();
    for shown in [text.stdout, text.stderr, json.stdout, json.stderr, written] {
        for planted in ["planted", token.as_str()] {
            assert!(!shown.contains(planted), "{shown}");
        }
        for login in [access_token(&login), refresh_token(&login)] {
            assert!(!shown.contains(login));
        }
    }
}
