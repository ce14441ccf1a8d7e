//! The router as a service of the person who is logged in: whatever the system has for that.
//!
//! What is written ([`Definition`] and the text that each system's file makes of it) is apart from
//! what is called, so that all of it is looked at on any machine.

pub(crate) mod environment;
#[cfg(any(target_os = "macos", all(test, unix)))]
#[cfg_attr(
    not(target_os = "macos"),
    expect(dead_code, reason = "elsewhere only the text is looked at")
)]
mod launchd;
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
mod none;
#[cfg(any(target_os = "linux", all(test, unix)))]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "elsewhere only the text is looked at")
)]
mod systemd;
#[cfg(any(windows, test))]
mod task;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

#[cfg(target_os = "macos")]
use launchd as system;
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
use none as system;
#[cfg(target_os = "linux")]
use systemd as system;
#[cfg(windows)]
use task as system;

/// What the system is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    program: String,
    home: Option<String>,
    environment: Vec<(String, String)>,
    /// The address that systemd holds for it.
    socket: Option<String>,
}

/// Why there is no service, or still is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// Call it in another way.
    #[error("{0}")]
    Usage(String),
    /// A path that cannot be written into a text.
    #[error("{} cannot be written into a service: it is not UTF-8, or holds control characters", .0.display())]
    Path(PathBuf),
    /// There is no such program.
    #[error("this system has no `{0}`, which services of a person are made with")]
    NoTool(&'static str),
    /// A program of the system refused.
    #[error("`{call}` failed: {told}")]
    Refused { call: String, told: String },
    /// Something about a file.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Where the person's files are is not known.
    #[error("no folder for it: `{0}` is not set")]
    NoFolder(&'static str),
    /// The path of this very program.
    #[error("where this program lies is not known: {0}")]
    Program(io::Error),
}

impl ServiceError {
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::Path(_))
    }
}

/// How it stands with the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// The file that says so.
    pub(crate) installed: Option<PathBuf>,
    /// Whether it starts when the person logs in.
    pub(crate) enabled: bool,
    pub(crate) running: bool,
}

impl Status {
    /// In plain words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Some(path) = &self.installed else {
            return vec!["The service is not installed.".to_owned()];
        };
        let no = |is: bool| if is { "" } else { "not " };
        vec![
            format!("The service is installed: {}", path.display()),
            format!("It is {}running.", no(self.running)),
            format!("It does {}start when you log in.", no(self.enabled)),
        ]
    }

    /// What to do, unless all is well.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self {
                installed: None, ..
            } => Some("`codex-router service install` makes it"),
            Self { running: false, .. } => Some(system::LOOK),
            Self { enabled: false, .. } => {
                Some("`codex-router service install` has it start again when you log in")
            }
            _ => None,
        }
    }
}

impl Definition {
    /// This program as it lies now, on a home other than the usual one if that is given.
    pub(crate) fn new(
        home: Option<&Path>,
        environment: Vec<(String, String)>,
    ) -> Result<Self, ServiceError> {
        // What is mounted for one run is not there at the next one.
        let image = std::env::var_os("APPIMAGE").map(PathBuf::from);
        let program = image.map_or_else(std::env::current_exe, Ok);
        Ok(Self {
            program: text_of(&program.map_err(ServiceError::Program)?)?,
            home: home.map(text_of).transpose()?,
            environment,
            socket: None,
        })
    }

    /// With an address that is held for it.
    pub(crate) fn with_socket(self, listen: &str) -> Result<Self, ServiceError> {
        if !cfg!(target_os = "linux") {
            let told = "an address is held by systemd alone: leave `--socket` out here";
            return Err(ServiceError::Usage(told.to_owned()));
        }
        let socket = Some(plain(listen)?.to_owned());
        Ok(Self { socket, ..self })
    }

    /// The value of a variable that it is given.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it says which home it works on.
    pub(crate) fn names_home(&self) -> bool {
        self.home.is_some()
    }

    /// What follows the program.
    fn arguments(&self) -> impl Iterator<Item = &str> {
        let home = self.home.as_deref().map(|home| ["--codex-home", home]);
        home.into_iter().flatten().chain(["serve"])
    }
}

/// Makes the service, or makes it anew, and starts it. What was done, in lines.
pub(crate) fn install(definition: &Definition) -> Result<Vec<String>, ServiceError> {
    system::install(definition)
}

/// Ends the service and takes it away. What was done, in lines.
pub(crate) fn uninstall() -> Result<Vec<String>, ServiceError> {
    system::uninstall()
}

/// How it stands.
pub(crate) fn status() -> Result<Status, ServiceError> {
    system::status()
}

/// Whether the desktop's own entry starts a router at login, too.
pub(crate) fn desktop_starts_at_login() -> bool {
    cfg!(target_os = "linux")
        && configuration_folder()
            .is_ok_and(|folder| folder.join("autostart/codex-router.desktop").exists())
}

/// Whether systemd is told to hold the address.
pub(crate) fn holds_address() -> bool {
    #[cfg(target_os = "linux")]
    return systemd::holds_address();
    #[cfg(not(target_os = "linux"))]
    false
}

/// `XDG_CONFIG_HOME`, else `~/.config`.
fn configuration_folder() -> Result<PathBuf, ServiceError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    match set("XDG_CONFIG_HOME") {
        Some(folder) => Ok(folder.into()),
        None => Ok(home_folder()?.join(".config")),
    }
}

fn home_folder() -> Result<PathBuf, ServiceError> {
    let home = std::env::var_os("HOME").filter(|value| !value.is_empty());
    home.map(PathBuf::from)
        .ok_or(ServiceError::NoFolder("HOME"))
}

fn text_of(path: &Path) -> Result<String, ServiceError> {
    let text = path.to_str().and_then(|text| plain(text).ok());
    text.map(str::to_owned)
        .ok_or_else(|| ServiceError::Path(path.to_owned()))
}

/// A text that no file of a service can take apart.
fn plain(text: &str) -> Result<&str, ServiceError> {
    if text.chars().any(char::is_control) {
        let told = "a service cannot be given control characters".to_owned();
        return Err(ServiceError::Usage(told));
    }
    Ok(text)
}

/// Writes a file unless it holds this already; whether it was written.
fn put(path: &Path, content: &[u8]) -> Result<bool, ServiceError> {
    if fs::read(path).is_ok_and(|before| before == content) {
        return Ok(false);
    }
    let written = codex_profiles::fs::atomic::write(path, content);
    written.map(|()| true).map_err(|source| {
        let path = path.to_owned();
        ServiceError::File { path, source }
    })
}

/// Removes a file, if it is there; whether it was.
fn remove(path: &Path) -> Result<bool, ServiceError> {
    let was_there = path.exists();
    let removed = codex_profiles::fs::atomic::remove(path);
    removed.map(|()| was_there).map_err(|source| {
        let path = path.to_owned();
        ServiceError::File { path, source }
    })
}

/// Runs a program of the system to its end.
fn run(tool: &'static str, arguments: &[&str]) -> Result<Output, ServiceError> {
    let mut command = Command::new(tool);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ServiceError::NoTool(tool),
        _ => refused(tool, arguments, error.to_string()),
    })
}

/// The same, where all but success is a failure.
fn done(tool: &'static str, arguments: &[&str]) -> Result<(), ServiceError> {
    let output = run(tool, arguments)?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let status = output.status.to_string();
    Err(refused(
        tool,
        arguments,
        if told.is_empty() { status } else { told },
    ))
}

fn refused(tool: &str, arguments: &[&str], told: String) -> ServiceError {
    let call = format!("{tool} {}", arguments.join(" "));
    ServiceError::Refused { call, told }
}

#[cfg(test)]
fn sample() -> Definition {
    Definition {
        program: "/opt/my $tools/100%/codex-router".to_owned(),
        home: Some(r#"/home/ann/a "b" <c> & \d"#.to_owned()),
        environment: vec![
            ("CODEX_ROUTER_LOG".to_owned(), "info,x=\"y\"".to_owned()),
            ("NO_PROXY".to_owned(), "$HOME,100%,a&b".to_owned()),
        ],
        socket: None,
    }
}
