//! A sign-in goes through the proxy that the environment names, as everything else does.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use super::redirect_of;
use crate::{
    harness::{Home, fake},
    running::Running,
};

/// A name that no resolver knows: only the proxy can lead there.
const ISSUER: &str = "http://issuer.invalid";

/// Forwards every request to `target`, whatever host it names, and tells its first line.
fn proxy(target: SocketAddr) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let line = forward(stream.unwrap(), target);
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    (address, told)
}

/// One request and its answer, over a connection that ends after it.
fn forward(client: TcpStream, target: SocketAddr) -> String {
    let mut reader = BufReader::new(client);
    let (mut first, mut head, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut server = TcpStream::connect(target).unwrap();
    let origin_form = first.replacen(ISSUER, "", 1);
    write!(server, "{origin_form}{head}connection: close\r\n\r\n").unwrap();
    server.write_all(&body).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    reader.get_mut().write_all(&answer).unwrap();
    first
}

#[tokio::test]
async fn a_sign_in_uses_the_proxy_of_the_environment() {
    let (fake, home) = (fake(), Home::empty());
    let (address, told) = proxy(fake.address());
    let proxy = format!("http://{address}");
    let environment = [
        ("CODEX_ROUTER_AUTH_ISSUER", ISSUER),
        ("HTTP_PROXY", proxy.as_str()),
    ];
    let arguments = ["login", "--paste", "work"];
    let mut running = Running::start_with(&home, &fake, &arguments, &environment);
    // The browser of the person has a proxy of its own.
    let url = running.url().await.replacen(ISSUER, &fake.issuer_url(), 1);
    let redirect = redirect_of(&url).await;
    running.type_line(&redirect);
    let ran = running.ended().await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let line = told.try_recv().unwrap();
    assert_eq!(line, "POST http://issuer.invalid/oauth/token HTTP/1.1\r\n");
    assert_eq!(home.listed("work")["state"], "ok");
}
