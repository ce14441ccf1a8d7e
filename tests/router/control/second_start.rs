use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
};

use serde_json::json;

use super::Script;
use crate::harness::{Answer, Home, Ran, World, fake, worker, write};

#[tokio::test]
async fn open_prints_a_link_that_works_once() {
    let world = World::two_accounts();
    for arguments in [&["open", "--print"][..], &["open"]] {
        let ran = world.home.run(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let link = ran.stdout.trim().strip_prefix(&world.router.url("/#link="));
        let open = world.router.post("/api/session", &json!({"link": link}));
        assert_eq!(Answer::to(open).await.status, 200, "{}", ran.stdout);
    }
}

#[tokio::test]
async fn without_a_router_open_says_how_to_start_one() {
    let world = World::two_accounts();
    let (home, mut router) = (&world.home, world.router);
    let script_token = Script::at(home, &router).token;
    router.kill();
    // A crash leaves the files.
    assert!(home.path("router/control.token").exists() && !script_token.is_empty());
    let ran = home.run(&["open", "--print"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.is_empty() && ran.stderr.contains("codex-router serve"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_second_start_shows_the_first_ones_page_and_ends() {
    let world = World::two_accounts();
    let ran = world.home.run(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("runs already"), "{}", ran.stdout);
    let (_, link) = ran.stdout.trim().split_once("#link=").unwrap();
    let open = world.router.post("/api/session", &json!({"link": link}));
    assert_eq!(Answer::to(open).await.status, 200);
    // The first one goes on, with its own secret.
    assert_eq!(Script::of(&world).get("/api/overview").await.status, 200);
}

#[test]
fn a_port_that_another_program_has_is_named() {
    let fake = fake();
    let home = Home::with(&[("work", fake.auth_json(&worker()))]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    write(
        &home.path("router/state.json"),
        json!({"version": 1, "listen": address}).to_string(),
    );
    for arguments in [&["serve"][..], &[]] {
        let mut command = home.command(arguments);
        command.envs(fake.environment());
        let ran = Ran::to_its_end(command);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(&address), "{}", ran.stderr);
        assert!(!home.path("router/control.token").exists());
    }
}

/// Answers everything with the same, like a program that took a router's port.
fn answer(stream: &TcpStream, body: &str) {
    let mut lines = BufReader::new(stream).lines();
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    );
    let _ = (&*stream).write_all(answer.as_bytes());
}

#[test]
fn an_address_that_is_no_link_of_a_router_is_neither_opened_nor_printed() {
    let home = Home::with(&[("work", fake().auth_json(&worker()))]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    write(&home.path("router/address"), &address);
    write(&home.path("router/control.token"), "a-token");
    let body = json!({"url": "https://evil.example/#link=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"});
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(&stream, &body.to_string());
        }
    });
    let ran = home.run(&["open", "--print"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("no router of ours"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("evil"), "{}", ran.stderr);
}
