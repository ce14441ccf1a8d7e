//! A port for the callback: only a few are registered at the issuer, and Codex uses them too.

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::SignInError;

/// As Codex does it (wire reference 4.2): whoever listens is asked to leave, and given this long.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(200);
/// How long the listener may take over that question.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// Listens on the first of these ports that can be had.
pub(super) async fn listen(ports: &[u16]) -> Result<TcpListener, SignInError> {
    for &port in ports {
        match listen_on(port).await {
            Err(error) if is_taken(&error) => {}
            done => return done.map_err(SignInError::Listen),
        }
    }
    let ports = ports.to_vec();
    Err(SignInError::PortsTaken { ports })
}

async fn listen_on(port: u16) -> io::Result<TcpListener> {
    match bind(port).await {
        Err(error) if is_taken(&error) => ask_to_leave(port).await,
        done => return done,
    }
    for _ in 1..TRIES {
        match bind(port).await {
            Err(error) if is_taken(&error) => sleep(PAUSE).await,
            done => return done,
        }
    }
    bind(port).await
}

async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Windows forbids what another program has taken for itself alone.
fn is_taken(error: &io::Error) -> bool {
    let forbidden = cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied;
    error.kind() == io::ErrorKind::AddrInUse || forbidden
}

/// An abandoned sign-in, of Codex or of ours, ends at this; anything else does not mind.
async fn ask_to_leave(port: u16) {
    let question = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let request =
            format!("GET /cancel HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.read(&mut [0; 64]).await
    };
    // Whatever it answers, or if it does not: the port tells.
    let _ = timeout(QUESTION_LIMIT, question).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_stays_makes_us_take_the_next_port() {
        let stubborn = bind(0).await.unwrap();
        let taken = stubborn.local_addr().unwrap().port();
        let listener = listen(&[taken, 0]).await.unwrap();
        assert_ne!(listener.local_addr().unwrap().port(), taken);
        let error = listen(&[taken]).await.unwrap_err();
        assert!(matches!(error, SignInError::PortsTaken { ports } if ports == [taken]));
    }

    #[tokio::test]
    async fn a_listener_that_leaves_when_asked_makes_room() {
        let polite = bind(0).await.unwrap();
        let port = polite.local_addr().unwrap().port();
        let leaves = tokio::spawn(async move {
            let (mut stream, _) = polite.accept().await.unwrap();
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let listener = listen(&[port]).await.unwrap();
        assert_eq!(listener.local_addr().unwrap().port(), port);
        assert!(
            leaves
                .await
                .unwrap()
                .starts_with("GET /cancel HTTP/1.1\r\n")
        );
    }
}
