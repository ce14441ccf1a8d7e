//! With a browser, which comes back to a fixed port: one of these tests at a time on a machine.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use super::{ada, assert_hides_sign_in, files};
use crate::{
    harness::{Answer, Home, client, fake, read_json},
    running::Running,
};

const PORT: u16 = 1455;
const SECOND_PORT: u16 = 1457;

/// The right to the two ports, among all tests on this machine, however they are run.
struct Ports {
    _lock: File,
}

impl Ports {
    fn wait() -> Self {
        let path = std::env::temp_dir().join("codex-router-tests-callback-port.lock");
        let lock = File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        lock.lock().unwrap();
        Self { _lock: lock }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// A program that listens on the port, such as an abandoned sign-in; gives what it was asked.
fn occupant(port: u16, leaves: bool) -> JoinHandle<String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let asked = answer(stream.unwrap());
            if leaves || asked.starts_with("GET /done") {
                return asked;
            }
        }
        unreachable!("a listener goes on")
    })
}

fn answer(mut stream: TcpStream) -> String {
    let mut asked = [0; 1024];
    let length = stream.read(&mut asked).unwrap();
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(page).unwrap();
    String::from_utf8_lossy(&asked[..length]).into_owned()
}

/// Follows the redirects to the page at their end.
async fn browse(url: &str) -> Answer {
    Answer::to(client().get(url)).await
}

#[tokio::test]
async fn a_browser_on_this_machine_makes_a_profile() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    fake.set_browser_user(&ada());
    let running = Running::start(&home, &fake, &["login"]);
    let url = running.url().await;
    assert!(
        url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback"),
        "{url}"
    );
    assert!(url.contains("originator=codex_router"), "{url}");
    let page = browse(&url).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Signed in"), "{}", page.text());
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Saved as `ada.l`."), "{}", ran.stdout);
    assert_eq!(home.listed("ada.l")["state"], "ok");
    assert!(is_free(PORT));
}

#[tokio::test]
async fn a_wrong_state_is_refused_and_the_sign_in_goes_on() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    let running = Running::start(&home, &fake, &["login", "work"]);
    let url = running.url().await;
    let forged = "http://127.0.0.1:1455/auth/callback?code=c&state=guess";
    assert_eq!(browse(forged).await.status, 400);
    assert_eq!(browse("http://127.0.0.1:1455/elsewhere").await.status, 404);
    assert_eq!(browse(&url).await.status, 200);
    assert_eq!(running.ended().await.code, Some(0));
}

#[tokio::test]
async fn an_abandoned_sign_in_is_asked_to_leave_its_port() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    let codex = occupant(PORT, true);
    let running = Running::start(&home, &fake, &["login", "work"]);
    let url = running.url().await;
    assert!(url.contains("%3A1455%2F"), "{url}");
    assert!(
        codex
            .join()
            .unwrap()
            .starts_with("GET /cancel HTTP/1.1\r\n")
    );
    browse(&url).await;
    assert_eq!(running.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_second_sign_in_of_ours_takes_the_place_of_the_first() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    let first = Running::start(&home, &fake, &["login", "work"]);
    first.url().await;
    let second = Running::start(&home, &fake, &["login", "work"]);
    let url = second.url().await;
    let first = first.ended().await;
    assert_eq!(first.code, Some(1));
    assert!(first.stderr.contains("cancelled"), "{}", first.stderr);
    assert!(url.contains("%3A1455%2F"), "{url}");
    browse(&url).await;
    assert_eq!(second.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_program_that_stays_on_the_port_leaves_the_second_one() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    let stubborn = occupant(PORT, false);
    let running = Running::start(&home, &fake, &["login", "work"]);
    let url = running.url().await;
    assert!(
        url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A1457%2Fauth%2Fcallback"),
        "{url}"
    );
    browse(&url).await;
    assert_eq!(running.ended().await.code, Some(0));
    browse("http://127.0.0.1:1455/done").await;
    stubborn.join().unwrap();
}

#[tokio::test]
async fn without_any_port_a_device_code_is_used() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    let stubborn = [occupant(PORT, false), occupant(SECOND_PORT, false)];
    let running = Running::start(&home, &fake, &["login", "work"]);
    let code = running.says("code", |said| {
        let mut lines = said.lines().map(str::trim);
        let is_code = |line: &&str| line.len() == 10 && line.as_bytes()[4] == b'-';
        lines.find(is_code).map(str::to_owned)
    });
    assert!(fake.approve_device(&code.await, &ada()));
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("1455 and 1457"), "{}", ran.stderr);
    for (port, stubborn) in [PORT, SECOND_PORT].into_iter().zip(stubborn) {
        browse(&format!("http://127.0.0.1:{port}/done")).await;
        stubborn.join().unwrap();
    }
}

#[tokio::test]
async fn a_person_who_declines_is_told_and_nothing_is_left() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    fake.deny_next_sign_in();
    let running = Running::start(&home, &fake, &["login"]);
    let page = browse(&running.url().await).await;
    assert!(page.text().contains("Not signed in"), "{}", page.text());
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("declined"), "{}", ran.stderr);
    assert!(files(&home.path("")).is_empty());
}

#[tokio::test]
async fn ctrl_c_leaves_nothing_and_frees_the_port() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    let running = Running::start(&home, &fake, &["login"]);
    running.url().await;
    assert!(!is_free(PORT));
    running.interrupt();
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("cancelled; nothing was changed"),
        "{}",
        ran.stderr
    );
    assert!(files(&home.path("")).is_empty());
    assert!(is_free(PORT));
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn no_secret_of_a_sign_in_with_a_browser_is_printed_or_shown() {
    let _ports = Ports::wait();
    let (fake, home) = (fake(), Home::empty());
    fake.set_browser_user(&ada());
    let trace = [("CODEX_ROUTER_LOG", "trace")];
    let arguments = ["login", "work", "--with-openai-key"];
    let running = Running::start_with(&home, &fake, &arguments, &trace);
    let page = browse(&running.url().await).await.text();
    let mut ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout += &page;
    assert_hides_sign_in(&ran, &read_json(&home.profile("work")), &fake);
}
