//! Whether OpenAI can be reached, and if not, what stands in the way.

use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

use codex_auth::Backend;
use codex_profiles::doctor::{Check, Finding};
use futures_util::future::join3;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use reqwest::Url;

use super::{Examination, Facts, clock};
use crate::upstream::OUR_USER_AGENT;

/// Whoever answers within this time is no hindrance.
const LIMIT: Duration = Duration::from_secs(5);

/// A server that everything depends on.
struct Server {
    check: Check,
    what: &'static str,
    url: Url,
    /// Whether a login of this home is served there.
    is_needed: bool,
}

/// An answer, whatever it says: without a login, most servers say no.
pub(super) struct Answered {
    status: StatusCode,
    is_challenge: bool,
    took: Duration,
    /// The server's clock, and ours halfway between the question and the answer.
    pub(super) clocks: Option<(Timestamp, Timestamp)>,
}

/// What stands in the way.
struct Hindrance {
    what: String,
    remedy: &'static str,
}

impl Examination {
    /// The findings on all three, and on the clock.
    pub(super) async fn reach(&self, facts: &Facts) -> Vec<Finding> {
        let Some(client) = &self.client else {
            let message = "OpenAI was not asked: no HTTPS client can be made of the certificates.";
            let remedy = "see what is said of the certificates";
            return vec![Finding::problem(Check::Issuer, message, remedy)];
        };
        let [issuer, chatgpt, openai] = self.servers(facts);
        let ask = async |server: Option<Server>| match server {
            Some(server) => {
                let answer = ask(client, &server.url).await;
                (Some(server), Some(answer))
            }
            None => (None, None),
        };
        let answers = join3(ask(issuer), ask(chatgpt), ask(openai)).await;
        let answers = [answers.0, answers.1, answers.2];
        let clocks = answers.iter().filter_map(|(_, answer)| {
            let answered = answer.as_ref()?.as_ref().ok()?;
            answered.clocks
        });
        let clock = clock::finding(clocks);
        let found = answers
            .iter()
            .filter_map(|(server, answer)| Some(self.told(server.as_ref()?, answer.as_ref()?)));
        let found = std::iter::once(clock).chain(found);
        found.chain(self.no_targets()).collect()
    }

    fn no_targets(&self) -> Option<Finding> {
        if self.targets.is_some() {
            return None;
        }
        let message = "CODEX_ROUTER_CHATGPT_BASE_URL or CODEX_ROUTER_OPENAI_BASE_URL is not an http \
                       or https address: the router does not start.";
        let remedy = "`unset CODEX_ROUTER_CHATGPT_BASE_URL CODEX_ROUTER_OPENAI_BASE_URL`";
        Some(Finding::problem(Check::ChatGpt, message, remedy))
    }

    /// Those that there is an address for.
    fn servers(&self, facts: &Facts) -> [Option<Server>; 3] {
        let has = |backend| facts.backends.contains(&backend);
        // Asked by everybody who signs in, and never with a token.
        let issuer = Url::parse(&self.issuer.token_url(None)).ok();
        let issuer = issuer.and_then(|url| url.join("/.well-known/openid-configuration").ok());
        let server = |check, what, url: Option<Url>, is_needed| {
            let url = url?;
            Some(Server {
                check,
                what,
                url,
                is_needed,
            })
        };
        let models = |backend| self.targets.as_ref()?.models(backend);
        [
            server(Check::Issuer, "The issuer", issuer, has(Backend::ChatGpt)),
            server(
                Check::ChatGpt,
                "The ChatGPT backend",
                models(Backend::ChatGpt),
                has(Backend::ChatGpt),
            ),
            server(
                Check::OpenAiApi,
                "The OpenAI API",
                models(Backend::OpenAi),
                has(Backend::OpenAi),
            ),
        ]
    }

    fn told(&self, server: &Server, answer: &Result<Answered, Hindrance>) -> Finding {
        let host = host(&server.url).unwrap_or_default();
        let who = format!("{} ({host})", server.what);
        match answer {
            Ok(answered) => answered.finding(server.check, &who),
            Err(hindrance) => {
                let over = if self.variables.names_a_proxy() {
                    " over the proxy"
                } else {
                    ""
                };
                let message = format!("{who} cannot be reached{over}: {}.", hindrance.what);
                if server.is_needed {
                    return Finding::problem(server.check, message, hindrance.remedy);
                }
                let message = format!("{message} No login here needs it.");
                Finding::warning(server.check, message, hindrance.remedy)
            }
        }
    }
}

impl Answered {
    fn finding(&self, check: Check, who: &str) -> Finding {
        let status = self.status.as_u16();
        if self.is_challenge {
            let message =
                format!("{who} answers with a challenge of Cloudflare (status {status}).");
            let remedy = "open https://chatgpt.com in a browser of this machine; without a VPN, \
                          where there is one";
            return Finding::warning(check, message, remedy);
        }
        if self.status.is_server_error() {
            let message = format!("{who} is reached, and fails with status {status}.");
            let remedy = "try again later; https://status.openai.com says whether it is known";
            return Finding::warning(check, message, remedy);
        }
        let took = self.took.as_millis();
        let message = format!("{who} answers within {took} ms, with status {status}.");
        Finding::ok(check, message)
    }
}

async fn ask(client: &reqwest::Client, url: &Url) -> Result<Answered, Hindrance> {
    let (began, asked_at) = (Instant::now(), Timestamp::now());
    let request = client.get(url.clone()).timeout(LIMIT);
    let request = request.header(header::USER_AGENT, OUR_USER_AGENT);
    let answer = request.send().await.map_err(|error| hindrance(&error))?;
    let took = began.elapsed();
    // A duration of seconds is always in the range of timestamps.
    let halfway = asked_at.checked_add(took / 2).unwrap_or(asked_at);
    Ok(Answered {
        status: answer.status(),
        is_challenge: answer.headers().contains_key("cf-mitigated"),
        took,
        clocks: date(answer.headers()).map(|theirs| (theirs, halfway)),
    })
}

/// RFC 9110, 6.6.1.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .ok()?;
    Some(parsed)
}

/// The name and the port: the rest of an address may hold anything.
pub(super) fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// In words, from all that the client tells of it.
fn hindrance(error: &reqwest::Error) -> Hindrance {
    const LINE: &str = "look at the network connection; in a network with a proxy, set HTTPS_PROXY";
    const TRUST: &str = "where a program of your network reads the traffic: `export CODEX_CA_CERTIFICATE=/path/to/its.pem`";
    let told = causes(error);
    let says = |word: &str| told.iter().any(|cause| cause.to_lowercase().contains(word));
    let kind = io_kind(error);
    let (what, remedy) = if says("dns") || says("lookup") {
        ("its name is not known (DNS)".to_owned(), LINE)
    } else if says("certificate") {
        ("its certificate is not trusted (TLS)".to_owned(), TRUST)
    } else if error.is_timeout() {
        (format!("no answer within {} s", LIMIT.as_secs()), LINE)
    } else if kind == Some(io::ErrorKind::ConnectionRefused) {
        ("the connection is refused".to_owned(), LINE)
    } else if error.is_connect() {
        ("no connection came about".to_owned(), LINE)
    } else {
        ("the connection was cut before an answer".to_owned(), LINE)
    };
    Hindrance { what, remedy }
}

fn causes(error: &reqwest::Error) -> Vec<String> {
    sources(error).map(ToString::to_string).collect()
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    sources(error).find_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()))
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}
