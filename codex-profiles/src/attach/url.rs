use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use reqwest::Url;

/// The longest part of an address that a sentence shows.
const MAX_SHOWN: usize = 200;

/// Where Codex finds a router: the base address of its API.
///
/// ```
/// use codex_profiles::attach::RouterUrl;
///
/// let url: RouterUrl = "http://127.0.0.1:9876".parse()?;
/// assert_eq!(url.to_string(), "http://127.0.0.1:9876/v1");
/// # Ok::<(), codex_profiles::attach::NoRouterUrl>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterUrl(SocketAddr);

/// That is no address of a router, which is `http://`, an IP address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address of a router is expected, such as `http://127.0.0.1:9876`")]
pub struct NoRouterUrl;

impl RouterUrl {
    /// Whether a base address in Codex's settings leads here, however it is written.
    #[must_use]
    pub fn is(&self, value: &str) -> bool {
        Url::parse(value).is_ok_and(|url| {
            url.scheme() == "http"
                && url.port_or_known_default() == Some(self.0.port())
                && url.path().trim_end_matches('/') == "/v1"
                && self.is_host(&url)
        })
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0
    }

    fn is_host(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => address == self.0.ip(),
            Err(_) => host == "localhost" && self.0.ip().is_loopback(),
        }
    }
}

impl From<SocketAddr> for RouterUrl {
    /// Of a router that listens on every address of the machine, the loopback one.
    fn from(mut address: SocketAddr) -> Self {
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Self(address)
    }
}

impl FromStr for RouterUrl {
    type Err = NoRouterUrl;

    fn from_str(text: &str) -> Result<Self, NoRouterUrl> {
        let address = text.strip_prefix("http://").ok_or(NoRouterUrl)?;
        let address = address.trim_end_matches("/v1").trim_end_matches('/');
        let address: SocketAddr = address.parse().map_err(|_| NoRouterUrl)?;
        Ok(address.into())
    }
}

impl fmt::Display for RouterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}/v1", self.0)
    }
}

/// An address for a sentence: without a name, a password or a query, in which there may be a key.
pub(super) fn shown(value: &str) -> String {
    let Ok(mut url) = Url::parse(value) else {
        return "something that is no address".to_owned();
    };
    url.set_query(None);
    url.set_fragment(None);
    // An address that has no room for a name has none to hide.
    let _ = (url.set_username(""), url.set_password(None));
    codex_auth::text::printable(url.as_str(), MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_known_however_its_address_is_written() {
        let router: RouterUrl = "http://127.0.0.1:9876".parse().unwrap();
        for own in [
            "http://127.0.0.1:9876/v1",
            "http://localhost:9876/v1/",
            "HTTP://LocalHost:9876/v1",
        ] {
            assert!(router.is(own), "{own}");
        }
        for other in [
            "http://127.0.0.1:9877/v1",
            "https://127.0.0.1:9876/v1",
            "http://127.0.0.1:9876",
            "http://example.com:9876/v1",
            "http://[::1]:9876/v1",
            "9876",
        ] {
            assert!(!router.is(other), "{other}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_found_on_loopback() {
        let everywhere: SocketAddr = "0.0.0.0:1".parse().unwrap();
        assert_eq!(
            RouterUrl::from(everywhere).to_string(),
            "http://127.0.0.1:1/v1"
        );
        let everywhere: SocketAddr = "[::]:1".parse().unwrap();
        assert_eq!(RouterUrl::from(everywhere).to_string(), "http://[::1]:1/v1");
    }

    #[test]
    fn a_sentence_shows_no_password() {
        let shown = shown("https://ada:sk-planted@llm.example/v1?key=sk-planted#sk-planted");
        assert_eq!(shown, "https://llm.example/v1");
    }
}
