//! The local server that the browser is sent back to (RFC 8252, section 7.3).
//!
//! It answers anybody on this machine, and any web page may try to reach it: hence only requests
//! for a loopback host count, only the right state ends the wait, and `/cancel` is not for pages.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::{HeaderMap, Method, Request, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{page::Page, pkce::State, redirect::Redirect};

/// Where the browser comes back to; registered at the issuer, for any loopback port of ours.
pub(super) const CALLBACK_PATH: &str = "/auth/callback";
/// Browsers open connections ahead of need, and leave them idle.
const MAX_CONNECTIONS: usize = 32;
/// How long a client may take over its request line and headers, and how large these may be.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
const MAX_HEADER_BYTES: usize = 32 << 10;
/// How long the last page may take to reach the browser.
const FAREWELL: Duration = Duration::from_secs(2);
/// The pause after the system could not accept, for want of file handles for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What ends the wait of a sign-in.
#[derive(Debug, Clone)]
pub(super) enum Arrival {
    Redirect(Redirect),
    Cancelled,
}

/// Listens until the verdict is there.
#[derive(Debug)]
pub(super) struct CallbackServer {
    listener: TcpListener,
    gate: Arc<Gate>,
}

/// What every connection knows.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) state: State,
    pub(super) arrivals: mpsc::Sender<Arrival>,
    /// The page that says how the sign-in ended.
    pub(super) verdict: watch::Receiver<Option<Page>>,
}

impl CallbackServer {
    pub(super) fn new(listener: TcpListener, gate: Gate) -> Self {
        let gate = Arc::new(gate);
        Self { listener, gate }
    }

    /// Answers until the verdict is there and those who wait for it were told. Everything runs in
    /// this future: dropping it frees the port and ends the connections.
    pub(super) async fn run(self) {
        let mut connections = FuturesUnordered::new();
        let mut verdict = self.gate.verdict.clone();
        loop {
            tokio::select! {
                _ = decided(&mut verdict) => break,
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => connections.push(serve(stream, self.gate.clone())),
                        Err(_) => sleep(ACCEPT_PAUSE).await,
                    }
                }
                Some(()) = connections.next() => {}
            }
        }
        drop(self.listener);
        let told = async { while connections.next().await.is_some() {} };
        // A browser that does not read its page does not hold up the sign-in.
        let _ = timeout(FAREWELL, told).await;
    }
}

async fn serve(stream: TcpStream, gate: Arc<Gate>) {
    let mut verdict = gate.verdict.clone();
    let has_asked = AtomicBool::new(false);
    let service = service_fn(|request| {
        has_asked.store(true, Ordering::Relaxed);
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(gate.answer(&request).await.into_response()) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // A client that breaks off, or never asks, is nobody's concern.
        _ = connection.as_mut() => return,
        _ = decided(&mut verdict) => {}
    }
    if has_asked.load(Ordering::Relaxed) {
        let _ = connection.await;
    }
}

/// The page that says how the sign-in ended, once it has; the sender is never dropped before.
async fn decided(verdict: &mut watch::Receiver<Option<Page>>) -> Page {
    match verdict.wait_for(Option::is_some).await {
        Ok(page) => page.clone().unwrap_or(Page::Cancelled),
        Err(_) => Page::Cancelled,
    }
}

impl Gate {
    async fn answer(&self, request: &Request<Incoming>) -> Page {
        if !is_for_loopback(request.headers()) {
            return Page::ForeignHost;
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, CALLBACK_PATH) => self.callback(request.uri().query()).await,
            (&Method::GET, "/cancel") if !is_from_a_web_page(request.headers()) => self.cancel(),
            _ => Page::NotFound,
        }
    }

    async fn callback(&self, query: Option<&str>) -> Page {
        match Redirect::read(query.unwrap_or_default(), &self.state) {
            Err(problem) => Page::NotOurs(problem),
            Ok(redirect) => {
                // A browser that asks twice, or after a paste, is told how the first one ended.
                let _ = self.arrivals.try_send(Arrival::Redirect(redirect));
                decided(&mut self.verdict.clone()).await
            }
        }
    }

    fn cancel(&self) -> Page {
        // A sign-in that has its answer can no longer be cancelled.
        match self.arrivals.try_send(Arrival::Cancelled) {
            Ok(()) => Page::Cancelled,
            Err(_) => Page::TooLate,
        }
    }
}

/// Whether the request names this machine; a name that merely resolves to it does not count.
fn is_for_loopback(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(host) = host else { return false };
    let has_port = |rest: &str| {
        rest.strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok())
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
        host.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || has_port(rest))
    })
}

/// Browsers mark what a page asks for; the programs that ask for a cancellation are no browsers.
fn is_from_a_web_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    let foreign = site.is_some_and(|site| site != "none" && site != "same-origin");
    foreign || headers.contains_key(header::ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_a_host_that_is_this_machine_is_answered() {
        for host in [
            "127.0.0.1:1455",
            "localhost:1457",
            "localhost",
            "[::1]:1455",
        ] {
            assert!(is_for_loopback(&headers(&[("host", host)])), "{host}");
        }
        for host in [
            "evil.example:1455",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1:x",
            "",
        ] {
            assert!(!is_for_loopback(&headers(&[("host", host)])), "{host}");
        }
        assert!(!is_for_loopback(&headers(&[])));
    }

    #[test]
    fn a_web_page_is_told_from_a_program_and_from_the_address_bar() {
        assert!(is_from_a_web_page(&headers(&[(
            "sec-fetch-site",
            "cross-site"
        )])));
        assert!(is_from_a_web_page(&headers(&[(
            "origin",
            "https://evil.example"
        )])));
        assert!(!is_from_a_web_page(&headers(&[("sec-fetch-site", "none")])));
        assert!(!is_from_a_web_page(&headers(&[])));
    }
}
