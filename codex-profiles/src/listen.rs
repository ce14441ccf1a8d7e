//! Where a server listens, as settings, the environment and the command line write it.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{error::StoreError, fs::ReadError, fs::read, home::CodexHome, state::State};

/// What every system has room for in the address of a socket, less what is put beside it for a
/// moment while it is made (`sun_path`, unix(7): 104 bytes on macOS, 108 on Linux).
const MAX_SOCKET_PATH_BYTES: usize = 90;
/// That of Windows, less the beginning `\\.\pipe\`.
const MAX_PIPE_NAME_CHARS: usize = 247;

/// Where a server listens; by default at `127.0.0.1:9876`.
///
/// ```
/// use codex_profiles::ListenAddress;
///
/// let address: ListenAddress = "unix:/run/user/1000/codex-router.sock".parse()?;
/// assert!(matches!(address, ListenAddress::Unix(_)));
/// let address: ListenAddress = "127.0.0.1:9876".parse()?;
/// assert_eq!(address.to_string(), "127.0.0.1:9876");
/// assert_eq!(address.url(), "http://127.0.0.1:9876");
/// assert!("localhost".parse::<ListenAddress>().is_err());
/// # Ok::<(), codex_profiles::InvalidListenAddress>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum ListenAddress {
    /// An IP address and a port: `127.0.0.1:9876`; port 0 is any that is free.
    Tcp(SocketAddr),
    /// A Unix socket at an absolute path: `unix:/run/user/1000/codex-router.sock`.
    Unix(PathBuf),
    /// A named pipe of Windows, without the `\\.\pipe\` before it: `pipe:codex-router`.
    Pipe(String),
}

/// That is no address to listen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidListenAddress {
    /// It has none of the forms.
    #[error("write 127.0.0.1:9876, unix:/absolute/path or pipe:NAME")]
    Form,
    /// Where a relative path leads depends on where the program was started.
    #[error("the path of a Unix socket is absolute: unix:/run/user/1000/codex-router.sock")]
    Relative,
    /// No system has room for it.
    #[error("the path of a Unix socket has at most {MAX_SOCKET_PATH_BYTES} bytes")]
    TooLong,
    /// A pipe's name is one word.
    #[error("the name of a pipe has no slashes and at most {MAX_PIPE_NAME_CHARS} characters")]
    PipeName,
}

impl ListenAddress {
    /// The address for whoever connects: `http://` before an IP address, which must not be one that
    /// stands for all; the other forms as they are.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Unix(_) | Self::Pipe(_) => self.to_string(),
        }
    }

    /// Its IP address and port, if it has them.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Pipe(_) => None,
        }
    }

    /// Whether nobody but this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.tcp().is_none_or(|address| address.ip().is_loopback())
    }
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self::Tcp(([127, 0, 0, 1], 9876).into())
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        if let Some(name) = text.strip_prefix("pipe:") {
            return pipe_name(name).map(Self::Pipe);
        }
        let address = text.parse().map_err(|_| InvalidListenAddress::Form)?;
        Ok(Self::Tcp(address))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = InvalidListenAddress;

    fn try_from(text: String) -> Result<Self, InvalidListenAddress> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Pipe(name) => write!(f, "pipe:{name}"),
        }
    }
}

fn socket_path(text: &str) -> Result<PathBuf, InvalidListenAddress> {
    // `unix:///path` is what other programs write.
    let text = text.strip_prefix("//").unwrap_or(text);
    let is_file = !text.ends_with('/') && !text.chars().any(char::is_control);
    if !text.starts_with('/') || !is_file {
        return Err(InvalidListenAddress::Relative);
    }
    if text.len() > MAX_SOCKET_PATH_BYTES {
        return Err(InvalidListenAddress::TooLong);
    }
    Ok(Path::new(text).to_owned())
}

fn pipe_name(name: &str) -> Result<String, InvalidListenAddress> {
    let usable = !name.is_empty()
        && name.chars().count() <= MAX_PIPE_NAME_CHARS
        && !name.contains(['\\', '/'])
        && !name.chars().any(char::is_control);
    usable
        .then(|| name.to_owned())
        .ok_or(InvalidListenAddress::PipeName)
}

/// The settings that a server is started with, each one looked at: for a server that runs, and
/// would rather keep what it has than take a default in the place of what cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartSettings {
    /// Where it listens.
    pub listen: ListenAddress,
    /// The names, besides those of loopback, that requests may be addressed to.
    pub allowed_hosts: Vec<String>,
    /// How chat completions show the reasoning of models: a word for the server.
    pub reasoning_format: Option<String>,
}

/// Why settings were not taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read at all.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is no JSON object.
    #[error("state.json is no JSON object")]
    NoObject,
    /// A setting has another form than it should.
    #[error("`{name}` in state.json is not {expected}")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl StartSettings {
    /// What the file of a home says now. Blocks.
    ///
    /// # Errors
    /// [`SettingsError`], where even one of them is not as it should be.
    pub fn load(home: &CodexHome) -> Result<Self, SettingsError> {
        let path = home.state_json();
        match read::bytes(&path) {
            Ok(bytes) => Self::of(&State::parse(&bytes).ok_or(SettingsError::NoObject)?),
            Err(ReadError::Missing) => Self::of(&State::default()),
            Err(error) => Err(StoreError::unusable(&path)(error).into()),
        }
    }

    fn of(state: &State) -> Result<Self, SettingsError> {
        let listen = state.fields.read::<String>("listen");
        let listen = listen.and_then(|text| text.parse().ok());
        let hosts = state.fields.read("allowed_hosts");
        let reasoning = state.reasoning_format();
        Ok(Self {
            listen: strict(state, "listen", "an address", listen)?.unwrap_or_default(),
            allowed_hosts: strict(state, "allowed_hosts", "a list of names", hosts)?
                .unwrap_or_default(),
            reasoning_format: strict(state, "reasoning_format", "a word", reasoning)?,
        })
    }
}

impl State {
    /// How many connections may be open at once, if that is set.
    #[must_use]
    pub fn max_connections(&self) -> Option<usize> {
        self.fields.read("max_connections").filter(|most| *most > 0)
    }

    /// Sets how many connections may be open at once.
    pub fn set_max_connections(&mut self, most: usize) {
        self.fields.set("max_connections", &most);
    }

    /// The size of the body that a request may have, if that is set.
    #[must_use]
    pub fn body_limit_bytes(&self) -> Option<usize> {
        self.fields
            .read("body_limit_bytes")
            .filter(|most| *most > 0)
    }

    /// Sets the size of the body that a request may have.
    pub fn set_body_limit_bytes(&mut self, most: usize) {
        self.fields.set("body_limit_bytes", &most);
    }
}

/// A setting that is there was read; one that is not need not be.
fn strict<T>(
    state: &State,
    name: &'static str,
    expected: &'static str,
    read: Option<T>,
) -> Result<Option<T>, SettingsError> {
    if read.is_none() && state.fields.read::<Value>(name).is_some() {
        return Err(SettingsError::Invalid { name, expected });
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic;

    fn parse(text: &str) -> Result<String, InvalidListenAddress> {
        text.parse()
            .map(|address: ListenAddress| address.to_string())
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "127.0.0.1:9876",
            "[::1]:0",
            "0.0.0.0:80",
            "unix:/run/user/1000/router.sock",
            "unix:/tmp/a b/ü.sock",
            "pipe:codex-router",
        ] {
            assert_eq!(parse(text).as_deref(), Ok(text));
        }
        assert_eq!(parse("unix:///run/x").as_deref(), Ok("unix:/run/x"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        use InvalidListenAddress::{Form, PipeName, Relative, TooLong};
        let long = format!("unix:/{}", "x".repeat(90));
        for (text, error) in [
            ("", Form),
            ("localhost:1", Form),
            ("9876", Form),
            ("127.0.0.1", Form),
            ("http://127.0.0.1:1", Form),
            ("UNIX:/x", Form),
            ("unix:", Relative),
            ("unix:x.sock", Relative),
            ("unix:~/x.sock", Relative),
            ("unix://host/x.sock", Relative),
            ("unix:/run/", Relative),
            ("unix:/run/\0", Relative),
            (&long, TooLong),
            ("pipe:", PipeName),
            ("pipe:\\\\.\\pipe\\x", PipeName),
            ("pipe:a/b", PipeName),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    fn loaded(state: &str) -> Result<StartSettings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let home = CodexHome::at(folder.path());
        atomic::write(&home.state_json(), state.as_bytes()).unwrap();
        StartSettings::load(&home)
    }

    #[test]
    fn what_is_not_set_is_as_by_default() {
        let settings = loaded("{}").unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:9876");
        assert!(settings.allowed_hosts.is_empty() && settings.reasoning_format.is_none());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            StartSettings::load(&CodexHome::at(folder.path())).unwrap(),
            settings
        );
    }

    #[test]
    fn one_setting_that_cannot_be_is_enough_to_take_none() {
        for (state, name) in [
            ("{\"listen\": 9876}", "listen"),
            ("{\"listen\": \"here\"}", "listen"),
            ("{\"allowed_hosts\": \"router.test\"}", "allowed_hosts"),
            ("{\"reasoning_format\": {}}", "reasoning_format"),
            ("{\"listen\": ", "no JSON object"),
        ] {
            let error = loaded(state).unwrap_err().to_string();
            assert!(error.contains(name), "{state}: {error}");
        }
    }
}
