//! The router that serves this home already, as another process sees it.

use std::time::Duration;

#[cfg(any(unix, windows))]
use codex_profiles::ListenAddress;
use codex_profiles::{CodexHome, fs::read};
use codex_proxy::control::{ControlError, is_nobody_serving};
use reqwest::{ClientBuilder, Method, RequestBuilder, StatusCode, Url};
use router_tray::browser;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::cli::Failure;

/// A router on this machine answers at once, or is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// A router that runs, and takes this home's control token.
#[derive(Debug)]
pub(crate) struct RunningRouter {
    /// As it was announced.
    address: String,
    /// What requests are addressed to, over whatever leads there.
    base: Url,
    token: SecretString,
    client: reqwest::Client,
}

impl RunningRouter {
    /// The router of this home; `None` when none runs, or what runs in its place is another one.
    pub(crate) async fn find(home: &CodexHome) -> Option<Self> {
        let home = home.clone();
        let announced = tokio::task::spawn_blocking(move || announced(&home)).await;
        let (address, token) = announced.ok()??;
        let (base, builder) = way_to(&address)?;
        let builder = builder
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE);
        let router = Self {
            address,
            base,
            token,
            client: builder.build().ok()?,
        };
        router.is_ours().await.then_some(router)
    }

    /// Where it serves: `http://127.0.0.1:9876`, `unix:/path` or `pipe:NAME`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it says of its version.
    pub(crate) async fn version(&self) -> Option<String> {
        let answer = self.ask(Method::GET, "api/overview").send().await.ok()?;
        let overview: Value = answer.json().await.ok()?;
        overview["version"].as_str().map(str::to_owned)
    }

    /// A new address that opens the page, once.
    pub(crate) async fn link(&self) -> Result<String, Failure> {
        if !self.address.starts_with("http://") {
            return Err(Failure::because(ControlError::NotForBrowsers(
                self.address.clone(),
            )));
        }
        let answer = self.ask(Method::POST, "api/link").send().await;
        let answer: Value = answer.map_err(lost)?.json().await.map_err(lost)?;
        let origin = self.base.origin().ascii_serialization();
        let url = answer["url"].as_str().filter(|url| is_link(&origin, url));
        url.map(str::to_owned).ok_or_else(not_ours)
    }

    /// Brings its window to the front; opens the page in a browser where it has none. Says the
    /// address where there is nothing to show it on.
    pub(crate) async fn show(&self) -> Result<Option<String>, Failure> {
        let answer = self.ask(Method::POST, "api/window").send().await;
        if answer.map_err(lost)?.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let link = self.link().await?;
        let url = link.clone();
        let opened = tokio::task::spawn_blocking(move || browser::open(&url)).await;
        Ok((!opened.unwrap_or(false)).then_some(link))
    }

    /// Changes settings, which count at once where they can.
    pub(crate) async fn change_settings(&self, change: &Value) -> Result<(), Failure> {
        let request = self.ask(Method::PATCH, "api/settings").json(change);
        let answer = request.send().await.map_err(lost)?;
        if answer.status().is_success() {
            return Ok(());
        }
        let told: Value = answer.json().await.unwrap_or_default();
        let message = told["error"]["message"].as_str();
        Err(Failure::because(message.unwrap_or(
            "the router that runs did not take the change; the settings are as they were",
        )))
    }

    async fn is_ours(&self) -> bool {
        // A token is shown to nobody who does not look like a router.
        let Ok(health) = self.client.get(self.url("healthz")).send().await else {
            return false;
        };
        let settings = self.ask(Method::GET, "api/settings");
        health.status().is_success()
            && settings
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.url(path));
        request.bearer_auth(self.token.expose_secret())
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }
}

/// What a router that ran, or runs, has left in its files. Blocks.
fn announced(home: &CodexHome) -> Option<(String, SecretString)> {
    // One that was killed took nothing back; to ask at its address could start another.
    if is_nobody_serving(home) {
        return None;
    }
    let line = |path: std::path::PathBuf| {
        let text = String::from_utf8(read::bytes(&path).ok()?).ok()?;
        Some(text.trim().to_owned())
    };
    // In this order: a router that starts meanwhile has removed the address before its token is there.
    let token = line(home.control_token())?;
    Some((line(home.control_address())?, token.into()))
}

/// What to connect to and how, if it is on this machine.
fn way_to(address: &str) -> Option<(Url, ClientBuilder)> {
    let builder = ClientBuilder::new();
    #[cfg(unix)]
    if let Ok(ListenAddress::Unix(path)) = address.parse() {
        return Some((localhost()?, builder.unix_socket(path)));
    }
    #[cfg(windows)]
    if let Ok(ListenAddress::Pipe(name)) = address.parse() {
        let pipe = format!(r"\\.\pipe\{name}");
        return Some((localhost()?, builder.windows_named_pipe(pipe)));
    }
    let address = Url::parse(address).ok()?;
    is_loopback(&address).then_some((address, builder))
}

/// The name that a router answers to, over whatever it is reached.
#[cfg(any(unix, windows))]
fn localhost() -> Option<Url> {
    Url::parse("http://localhost").ok()
}

/// The token leaves this machine for nobody.
fn is_loopback(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = host.parse::<std::net::IpAddr>();
    address.scheme() == "http" && ip.is_ok_and(|ip| ip.is_loopback())
}

/// Only what a router gives is opened or printed: anything else could lead anywhere.
fn is_link(origin: &str, url: &str) -> bool {
    let secret = url
        .strip_prefix(origin)
        .and_then(|rest| rest.strip_prefix("/#link="));
    secret.is_some_and(|secret| {
        let is_of_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (20..=64).contains(&secret.len()) && secret.bytes().all(is_of_base64)
    })
}

fn not_ours() -> Failure {
    Failure::because("what serves at the address in `router/address` is no router of ours")
}

fn lost(error: reqwest::Error) -> Failure {
    Failure::because(format!(
        "the router that runs does not answer: {}",
        error.without_url()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_is_asked() {
        let is_loopback = |text: &str| is_loopback(&Url::parse(text).unwrap());
        for address in ["http://127.0.0.1:9876", "http://[::1]:9876"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in [
            "http://10.0.0.1:9876",
            "https://127.0.0.1",
            "http://evil.example",
            "http://localhost.evil.example",
            "file:///x",
        ] {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[test]
    fn only_a_link_of_that_very_router_is_opened() {
        let origin = "http://127.0.0.1:9876";
        let secret = "aZ09-_aZ09-_aZ09-_aZ09-_";
        let is_link = |url: &str| is_link(origin, url);
        assert!(is_link(&format!("{origin}/#link={secret}")));
        for wrong in [
            String::new(),
            origin.to_owned(),
            format!("{origin}/#link="),
            format!("{origin}/#link={}", &secret[..19]),
            format!("{origin}/#link={}", secret.repeat(3)),
            format!("{origin}/#link={secret} --flag"),
            format!("{origin}/#link={secret}\u{1b}[2J"),
            format!("{origin}/x#link={secret}"),
            format!("{origin}1/#link={secret}"),
            format!("{origin}.evil.example/#link={secret}"),
            format!("https://evil.example/#link={secret}"),
            format!("file:///bin/sh#link={secret}"),
        ] {
            assert!(!is_link(&wrong), "{wrong:?}");
        }
    }
}
