//! The router as a service of the person's own systemd, made through a `systemctl` that notes what
//! it is asked for.
#![cfg(target_os = "linux")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use crate::harness::{Home, Ran, Router, fake, write};

/// Says no only to questions about a service that is not enabled.
const SYSTEMCTL: &str = "#!/bin/sh\necho \"$*\" >>\"$CALLS\"\ncase \"$2\" in\n\
    enable) touch \"$CALLS.on\" ;; disable) rm -f \"$CALLS.on\" ;;\n\
    is-enabled|is-active) test -e \"$CALLS.on\" ;; esac\n";

struct Systemd {
    home: Home,
}

impl Systemd {
    fn new() -> Self {
        let home = Home::empty();
        let tool = home.path("bin/systemctl");
        write(&tool, SYSTEMCTL);
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        Self { home }
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = self.home.command(arguments);
        let path = format!("{}:/usr/bin:/bin", self.home.path("bin").display());
        command
            .env("PATH", path)
            .env("CALLS", self.home.path("calls"))
            .env("XDG_CONFIG_HOME", self.home.path("my config"))
            .env("HOME", self.home.path("person"))
            .env_remove("CODEX_HOME")
            .envs(environment.iter().copied());
        Ran::to_its_end(command)
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.home.path("my config/systemd/user").join(name)
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.home.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.home.path("calls"));
        let calls = calls.lines().map(|line| line.replace("--user ", ""));
        calls.collect()
    }
}

#[test]
fn a_service_is_made_looked_at_and_gone_without_a_trace() {
    let systemd = Systemd::new();
    assert_eq!(systemd.run(&["service", "status"], &[]).code, Some(1));
    let home = systemd.home.path("a \"b\" 100% $HOME");
    let home = home.to_str().unwrap();
    let install = ["--codex-home", home, "service", "install"];
    let ran = systemd.run(&install, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let unit = fs::read_to_string(systemd.unit("codex-router.service")).unwrap();
    assert!(ran.stdout.contains("ExecStart="), "it shows what it wrote");
    assert!(unit.contains("100%% $$HOME\" \"serve\"\n"), "{unit}");
    assert_eq!(
        systemd.calls(),
        [
            "daemon-reload",
            "daemon-reload",
            "enable codex-router.service",
            "stop codex-router.service",
            "reset-failed codex-router.service",
            "start codex-router.service"
        ]
    );
    // A second time nothing is stopped.
    assert_eq!(systemd.run(&install, &[]).code, Some(0));
    assert!(!systemd.calls().iter().any(|call| call.starts_with("stop")));
    let status = systemd.run(&["service", "status"], &[]);
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    assert!(
        status.stdout.contains("It is running."),
        "{}",
        status.stdout
    );
    assert_eq!(systemd.run(&["service", "uninstall"], &[]).code, Some(0));
    assert_eq!(fs::read_dir(systemd.unit("")).unwrap().count(), 0);
    assert_eq!(systemd.run(&["service", "uninstall"], &[]).code, Some(0));
}

#[test]
fn an_address_may_be_held_and_is_let_go_again() {
    let systemd = Systemd::new();
    let ran = systemd.run(&["service", "install", "--socket"], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let socket = fs::read_to_string(systemd.unit("codex-router.socket")).unwrap();
    assert!(socket.contains("ListenStream=127.0.0.1:9876\n"), "{socket}");
    systemd.calls();
    // At another address, the old one is let go first.
    let set = ["config", "set", "listen", "127.0.0.1:9877"];
    assert_eq!(systemd.run(&set, &[]).code, Some(0));
    let ran = systemd.run(&["service", "install", "--socket"], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        systemd.calls()[5..],
        [
            "stop codex-router.socket codex-router.service",
            "reset-failed codex-router.socket codex-router.service",
            "start codex-router.socket",
            "start codex-router.service"
        ]
    );
    assert_eq!(systemd.run(&["service", "install"], &[]).code, Some(0));
    assert!(!systemd.unit("codex-router.socket").exists());
    let released = "disable --now codex-router.socket".to_owned();
    assert!(systemd.calls().contains(&released));
}

#[test]
fn only_what_is_named_is_taken_over_and_never_a_password() {
    let systemd = Systemd::new();
    let set = [
        ("NO_PROXY", "localhost"),
        ("HTTPS_PROXY", "http://ann:planted@proxy:1"),
    ];
    let install = ["service", "install", "--env", "NO_PROXY"];
    let ran = systemd.run(&install, &set);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("HTTPS_PROXY is set here"),
        "{}",
        ran.stderr
    );
    let unit = fs::read_to_string(systemd.unit("codex-router.service")).unwrap();
    assert!(
        unit.contains("Environment=\"NO_PROXY=localhost\"\n"),
        "{unit}"
    );
    let refused = systemd.run(&["service", "install", "--env", "HTTPS_PROXY"], &set);
    assert_eq!(refused.code, Some(2));
    for said in [ran.stdout, ran.stderr, refused.stdout, refused.stderr, unit] {
        assert!(!said.contains("planted"), "{said}");
    }
}

#[test]
fn a_router_that_is_in_the_way_is_told_of_although_nothing_starts() {
    let systemd = Systemd::new();
    write(
        &systemd.home.path("bin/systemctl"),
        "#!/bin/sh\ncase \"$2\" in start|is-active) exit 1 ;; esac\n",
    );
    let router = Router::start(&systemd.home, &fake());
    let home = systemd.home.path("");
    let home = home.to_str().unwrap();
    let install = ["--codex-home", home, "service", "install", "--socket"];
    let ran = systemd.run(&install, &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let told = format!("A router runs already at http://{}", router.address());
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
}

/// One that is set in this shell alone is not that of the service.
#[test]
fn the_address_is_that_of_the_home_which_the_service_works_on() {
    let systemd = Systemd::new();
    let here = systemd.home.path("here");
    write(
        &here.join("router/state.json"),
        r#"{"listen":"127.0.0.1:9911"}"#,
    );
    let set = [("CODEX_HOME", here.to_str().unwrap())];
    let install = ["service", "install", "--socket"];
    for (named, port) in [(&[][..], "9876"), (&["--env", "CODEX_HOME"], "9911")] {
        let ran = systemd.run(&[&install[..], named].concat(), &set);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let socket = fs::read_to_string(systemd.unit("codex-router.socket")).unwrap();
        let line = format!("ListenStream=127.0.0.1:{port}\n");
        assert!(socket.contains(&line), "{socket}");
    }
}

#[test]
fn without_systemd_it_is_said_and_nothing_is_written() {
    let systemd = Systemd::new();
    let ran = systemd.run(&["service", "install"], &[("PATH", "/nowhere")]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("systemctl"), "{}", ran.stderr);
    assert!(!systemd.home.path("my config").exists());
}

/// Where there is one, systemd itself is asked.
#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let systemd = Systemd::new();
    let home = systemd.home.path("a \"b\" 100% $HOME");
    let home = home.to_str().unwrap();
    let install = ["--codex-home", home, "service", "install", "--socket"];
    assert_eq!(systemd.run(&install, &[]).code, Some(0));
    let units = ["codex-router.socket", "codex-router.service"].map(|it| systemd.unit(it));
    let verify = Command::new("systemd-analyze")
        .args(["--user", "--man=no", "verify"])
        .args(units)
        .env("XDG_RUNTIME_DIR", systemd.home.path(""))
        .output();
    let Ok(verify) = verify else { return };
    let told = String::from_utf8_lossy(&verify.stderr);
    let of_ours = told.lines().find(|line| line.contains("codex-router"));
    assert_eq!(of_ours, None, "{told}");
}
