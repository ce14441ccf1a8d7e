//! Where a router listens: TCP, a Unix socket, a socket that a service manager hands over.

#![cfg(unix)]

use std::{
    fs,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixListener},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use reqwest::Client;
use serde_json::Value;

use crate::{
    harness::{Answer, Home, PATIENCE, Router, chat, fake, patiently, read_json, worker, write},
    running::Running,
};

fn home(fake: &fake_openai::FakeOpenAi) -> Home {
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    home.keep_nothing_alive();
    home
}

/// A client of a socket.
fn over(path: &Path) -> Client {
    let builder = Client::builder().no_proxy().timeout(PATIENCE * 2);
    builder.unix_socket(path).build().unwrap()
}

async fn says_address(running: &Running) -> String {
    let find = |said: &str| {
        let mut lines = said.lines();
        lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
    };
    running.says("address", find).await
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[tokio::test]
async fn over_a_unix_socket_clients_and_commands_are_served() {
    let (fake, path) = (fake(), PathBuf::from("run/router.sock"));
    let home = home(&fake);
    let path = home.path("").join(path);
    let router = Running::start(&home, &fake, &["serve", "--listen", &unix(&path)]);
    assert_eq!(says_address(&router).await, unix(&path));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let client = over(&path);
    let url = "http://localhost/v1/chat/completions";
    let answer = Answer::to(client.post(url).json(&chat("hello"))).await;
    assert_eq!(
        (answer.status, answer.said().as_str()),
        (200, "You said: hello")
    );
    // The rules for hosts and origins hold there too.
    let foreign = client.get("http://evil.example/healthz");
    assert_eq!(Answer::to(foreign).await.error(403), "host_not_allowed");
    let page = client
        .get("http://localhost/v1/models")
        .header("origin", "https://evil.example");
    assert_eq!(Answer::to(page).await.error(403), "origin_not_allowed");

    // Commands find it there, and say what a socket is not good for.
    let address = fs::read_to_string(home.path("router/address")).unwrap();
    assert_eq!(address.trim(), unix(&path));
    let opened = home.run(&["open", "--print"]);
    assert_eq!(opened.code, Some(1));
    assert!(
        opened.stderr.contains("a browser cannot open unix:"),
        "{}",
        opened.stderr
    );
    let attached = home.run(&["attach"]);
    assert_eq!(attached.code, Some(1));
    assert!(
        attached.stderr.contains("Codex cannot connect to unix:"),
        "{}",
        attached.stderr
    );
    let second = home.run(&["serve", "--listen", &unix(&path)]);
    assert_eq!(second.code, Some(1));
    assert!(
        second.stderr.contains("another router serves there"),
        "{}",
        second.stderr
    );

    router.interrupt();
    assert_eq!(router.ended().await.code, Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_a_router_that_was_killed_is_replaced() {
    let fake = fake();
    let home = home(&fake);
    let path = home.path("").join("r.sock");
    let router = Running::start(&home, &fake, &["serve", "--listen", &unix(&path)]);
    says_address(&router).await;
    // Dropped, it is killed.
    drop(router);
    assert!(path.exists(), "nobody has cleaned up");
    let router = Running::start(&home, &fake, &["serve", "--listen", &unix(&path)]);
    says_address(&router).await;
    let answer = Answer::to(over(&path).get("http://localhost/healthz")).await;
    assert_eq!(answer.status, 200);
}

#[test]
fn what_cannot_be_listened_at_is_said() {
    let fake = fake();
    let home = home(&fake);
    let file = home.path("file");
    write(&file, "precious");
    for (address, code, words) in [
        ("unix:relative.sock".to_owned(), 2, "absolute"),
        ("unix:/".to_owned() + &"x".repeat(120), 2, "at most"),
        ("somewhere".to_owned(), 2, "unix:/absolute/path"),
        (unix(&file), 1, "no socket"),
        ("pipe:router".to_owned(), 1, "no such addresses"),
    ] {
        let ran = home.run(&["serve", "--listen", &address]);
        assert_eq!(ran.code, Some(code), "{address}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{address}: {}", ran.stderr);
    }
    let ran = home.run_with(&["serve"], &[("CODEX_ROUTER_LISTEN", "unix:x")]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("CODEX_ROUTER_LISTEN"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
}

/// The command as a service manager starts it: with the socket as descriptor 3.
fn activated(home: &Home, fake: &fake_openai::FakeOpenAi, socket: OwnedFd, pid: &str) -> Command {
    let program = crate::harness::program();
    let mut command = Command::new("sh");
    let script = format!("exec 3<&0 0</dev/null; LISTEN_PID={pid} LISTEN_FDS=1 exec \"$0\" serve");
    command.arg("-c").arg(script).arg(program.get_program());
    command.env_clear().env("CODEX_HOME", home.path(""));
    command.envs(fake.environment());
    command
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Ends what was started, whatever becomes of the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_tcp_socket_that_is_handed_over_is_served() {
    let fake = fake();
    let home = home(&fake);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = activated(&home, &fake, listener.into(), "$$");
    let _child = Killed(command.spawn().unwrap());
    // Connections wait in the queue until it serves.
    let url = format!("http://{address}/v1/chat/completions");
    let answer = crate::harness::client().post(url).json(&chat("hello"));
    assert_eq!(Answer::to(answer).await.said(), "You said: hello");
    let announced = fs::read_to_string(home.path("router/address")).unwrap();
    assert_eq!(announced.trim(), format!("http://{address}"));
}

#[tokio::test]
async fn a_unix_socket_that_is_handed_over_is_served_and_stays() {
    let fake = fake();
    let home = home(&fake);
    let path = home.path("").join("given.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut command = activated(&home, &fake, listener.into(), "$$");
    let child = Killed(command.spawn().unwrap());
    let answer = over(&path).get("http://localhost/healthz");
    assert_eq!(Answer::to(answer).await.status, 200);
    drop(child);
    assert!(path.exists(), "it is the service manager's");
}

#[tokio::test]
async fn a_socket_that_is_meant_for_another_process_is_not_taken() {
    let fake = fake();
    let home = home(&fake);
    write(
        &home.path("router/state.json"),
        r#"{"listen":"127.0.0.1:0"}"#,
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = activated(&home, &fake, listener.into(), "1");
    let _child = Killed(command.spawn().unwrap());
    let announced = || fs::read_to_string(home.path("router/address")).ok();
    let announced = patiently(announced).expect("it serves");
    assert_ne!(announced.trim(), format!("http://{address}"));
}

#[tokio::test]
async fn the_settings_and_the_environment_take_every_form() {
    let fake = fake();
    let home = home(&fake);
    let path = home.path("").join("set.sock");
    let page = Router::start(&home, &fake);
    let token = fs::read_to_string(home.path("router/control.token")).unwrap();
    let change = serde_json::json!({"listen": unix(&path)});
    let change = page
        .client
        .patch(page.url("/api/settings"))
        .bearer_auth(token.trim())
        .json(&change);
    let settings: Value = Answer::to(change).await.json();
    assert_eq!(settings["listen"], unix(&path));
    drop(page);
    assert_eq!(
        read_json(&home.path("router/state.json"))["listen"],
        unix(&path)
    );
    let router = Running::start(&home, &fake, &["serve"]);
    assert_eq!(says_address(&router).await, unix(&path));
    let other = home.path("").join("env.sock");
    let listen = [("CODEX_ROUTER_LISTEN", &*unix(&other))];
    let second = Running::start_with(&home, &fake, &["serve"], &listen);
    assert_eq!(says_address(&second).await, unix(&other));
}
