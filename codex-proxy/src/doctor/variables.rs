//! The variables that every program on the machine is told of a network by.

use std::{collections::BTreeMap, fs, path::PathBuf};

use codex_profiles::doctor::{Check, Finding};
use reqwest::Url;
use tokio::task::spawn_blocking;

const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// In the order in which Codex takes them (wire reference 10.4).
const CERTIFICATES: [&str; 2] = ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"];
/// Names of this machine that are to be reached without a proxy.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "*"];

/// What the environment says of proxies and certificates.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    /// Those that count, of an environment. This crate reads none by itself.
    ///
    /// ```
    /// use codex_proxy::doctor::Variables;
    ///
    /// let variables = Variables::of(|name| std::env::var(name).ok());
    /// # drop(variables);
    /// ```
    pub fn of(read: impl Fn(&str) -> Option<String>) -> Self {
        let names = PROXIES.iter().chain(&EXCEPTIONS).chain(&CERTIFICATES);
        let set = names.filter_map(|name| Some((*name, read(name)?)));
        Self(set.filter(|(_, value)| !value.trim().is_empty()).collect())
    }

    pub(super) async fn look(&self) -> Vec<Finding> {
        let variables = self.clone();
        // Reading files does not panic.
        let certificates = spawn_blocking(move || variables.certificates()).await;
        let mut found = self.proxies();
        found.extend(certificates.unwrap_or_default());
        found
    }

    /// Whether requests leave over a proxy.
    pub(super) fn names_a_proxy(&self) -> bool {
        PROXIES.iter().any(|name| self.0.contains_key(name))
    }

    fn proxies(&self) -> Vec<Finding> {
        let set = PROXIES.iter().filter_map(|name| self.0.get_key_value(name));
        let mut found: Vec<Finding> = set.map(|(name, value)| proxy(name, value)).collect();
        if found.is_empty() {
            let message = "No proxy is set in the environment.";
            return vec![Finding::ok(Check::Proxy, message)];
        }
        found.extend(self.without_exception());
        found
    }

    /// Clients would look for the router at the proxy.
    fn without_exception(&self) -> Option<Finding> {
        let plain = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
        let named = plain.iter().find(|name| self.0.contains_key(*name))?;
        let mut values = EXCEPTIONS.iter().filter_map(|name| self.0.get(name));
        let has_exception = values.any(|value| {
            let mut hosts = value.split(',').map(str::trim);
            hosts.any(|host| LOOPBACK.contains(&host))
        });
        (!has_exception).then(|| {
            let message = format!(
                "{named} is set, and NO_PROXY does not name this machine: some clients look for the \
                 router at the proxy."
            );
            let remedy = "`export NO_PROXY=localhost,127.0.0.1,::1`";
            Finding::warning(Check::Proxy, message, remedy)
        })
    }

    fn certificates(&self) -> Vec<Finding> {
        let set = CERTIFICATES
            .iter()
            .filter_map(|name| self.0.get_key_value(name));
        let found: Vec<Finding> = set.map(|(name, path)| certificates(name, path)).collect();
        if found.is_empty() {
            let message = "The certificates of the system are used.";
            return vec![Finding::ok(Check::Certificates, message)];
        }
        found
    }
}

impl std::fmt::Debug for Variables {
    /// There may be a password in an address of a proxy.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn proxy(name: &str, value: &str) -> Finding {
    match proxy_host(value) {
        Some(host) => Finding::info(
            Check::Proxy,
            format!("Requests go over the proxy {host}, as {name} says."),
        ),
        None => Finding::problem(
            Check::Proxy,
            format!("{name} is not the address of a proxy."),
            format!("`export {name}=http://HOST:PORT`, or `unset {name}`"),
        ),
    }
}

/// The host and the port alone: there may be a password beside them.
fn proxy_host(value: &str) -> Option<String> {
    let with_scheme = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    let url = Url::parse(&with_scheme).ok()?;
    super::reach::host(&url)
}

fn certificates(name: &str, path: &str) -> Finding {
    let path = PathBuf::from(path);
    let shown = path.display();
    let remedy =
        format!("name a PEM file: `export {name}=/path/to/certificates.pem`; or `unset {name}`");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("{name} names {shown}, which cannot be read: {error}.");
            return Finding::problem(Check::Certificates, message, remedy);
        }
    };
    match reqwest::Certificate::from_pem_bundle(&bytes) {
        Ok(found) if !found.is_empty() => Finding::ok(
            Check::Certificates,
            format!(
                "{name} names {shown}, which holds {} certificates.",
                found.len()
            ),
        ),
        _ => Finding::problem(
            Check::Certificates,
            format!("{name} names {shown}, which holds no certificate."),
            remedy,
        ),
    }
}
