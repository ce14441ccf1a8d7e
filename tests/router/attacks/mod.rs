//! Requests that are refused, and why: a table, of which each row is sent over a socket of its own.
//!
//! What is refused has touched nothing: no request of a row reaches the upstream, and none has more
//! than one answer. What cannot be refused, since HTTP allows it, is in [`passing`]: there it is
//! what arrives at the upstream that is looked at.

mod control;
mod framing;
mod gate;
mod keys;
mod passing;
mod websocket;

use crate::harness::World;

/// A request, and how it is refused.
struct Attack {
    what: &'static str,
    request: String,
    refused: Refused,
}

/// What an attacker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// A status, and a code that names the reason.
    For(u16, &'static str),
    /// A status alone, since it is no HTTP and there is no knowing what is asked for.
    NoHttp(u16),
    /// Nothing: the connection is closed.
    InSilence,
}

use Refused::{For, InSilence, NoHttp};

fn attack(what: &'static str, request: impl Into<String>, refused: Refused) -> Attack {
    Attack {
        what,
        request: request.into(),
        refused,
    }
}

/// A plain request for the list of models, with these lines in its head.
fn get(headers: &str) -> String {
    format!("GET /v1/models HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

/// The same to this router, by its right name.
fn get_here(headers: &str) -> String {
    get(&format!("Host: localhost\r\n{headers}"))
}

/// A question to a model, with these lines in its head in place of the type and length of its body.
fn post_here(headers: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

/// What came back, put in the terms of the table.
fn outcome(answer: &str) -> Option<Refused> {
    let Some(status) = answer.split(' ').nth(1) else {
        return answer.is_empty().then_some(InSilence);
    };
    let status = status.parse().ok()?;
    let body = answer.split_once("\r\n\r\n")?.1;
    let Some(at) = body.find("\"code\":\"") else {
        return body.is_empty().then_some(NoHttp(status));
    };
    let code = body[at + 8..].split('"').next()?;
    Some(For(status, code.to_owned().leak()))
}

/// Sends every row, and finds each refused as it says, once, without the upstream.
fn withstands(world: &World, attacks: &[Attack]) {
    let before = world.fake.requests().len();
    let mut wrong = Vec::new();
    for Attack {
        what,
        request,
        refused,
    } in attacks
    {
        let answer = world.router.raw(request);
        let answers = answer.matches("HTTP/1.1 ").count();
        if outcome(&answer) != Some(*refused) || answers > 1 {
            wrong.push(format!("{what}: {refused:?}, but\n{answer}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let reached = world.fake.requests().split_off(before);
    assert!(reached.is_empty(), "{reached:?}");
}
