use serde::Serialize;

use super::shapes::scrubbed;

/// What is looked at, by the name that scripts go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Check {
    /// The homes of Codex on this machine.
    Homes,
    /// The programs that use them now.
    Programs,
    /// Logins that are in two homes.
    SharedLogins,
    /// Who can read and change the files.
    Permissions,
    /// Locks that are held.
    Locks,
    /// What a refresh or a switch that was cut short has left.
    Journal,
    /// What a write that was cut short has left.
    TemporaryFiles,
    /// What could not be understood and was kept.
    FilesSetAside,
    /// Room for the next refresh.
    FreeSpace,
    /// The login that Codex itself uses, and where it keeps it.
    LiveLogin,
    /// The profile that serves.
    CurrentProfile,
    /// One saved login.
    Profile,
    /// Copies of one login that ought to be the same.
    Copies,
    /// `router/state.json`.
    StateFile,
    /// The keys of clients.
    ClientKeys,
    /// Who serves in the place of the current profile.
    Fallback,
    /// Which profile serves which model.
    ModelRules,
    /// Where Codex's own traffic goes.
    Attachment,
    /// The address that the router listens on.
    Listen,
    /// The router that runs.
    RunningRouter,
    /// The proxies that the environment names.
    Proxy,
    /// The certificates that the environment names.
    Certificates,
    /// The clock of this machine.
    Clock,
    /// Where people sign in, and tokens are refreshed.
    Issuer,
    /// Where ChatGPT logins are served.
    #[serde(rename = "chatgpt")]
    ChatGpt,
    /// Where API keys are served.
    #[serde(rename = "openai_api")]
    OpenAiApi,
    /// Where the icon is shown.
    TrayHost,
    /// This program.
    Version,
    /// Codex's own command.
    Codex,
    /// The operating system.
    System,
}

/// What checks are about, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Group {
    /// Folders and files.
    Files,
    /// Logins.
    Logins,
    /// What was set.
    Settings,
    /// The way of requests through this machine.
    Router,
    /// The way to OpenAI.
    Network,
    /// Versions and surroundings.
    Machine,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The promise holds.
    Ok,
    /// A fact that is good to know.
    Info,
    /// It works, and may not for long.
    Warning,
    /// It does not work.
    Problem,
}

/// One sentence on one check. Nothing in it has the shape of a secret, whatever it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(rename = "id")]
    check: Check,
    state: Severity,
    message: String,
    remedy: Option<String>,
}

/// Every finding of one look. The shape of `doctor --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    version: String,
    checks: Vec<Finding>,
}

impl Check {
    /// What it is about.
    #[must_use]
    pub fn group(self) -> Group {
        match self {
            Self::Homes
            | Self::Programs
            | Self::Permissions
            | Self::Locks
            | Self::Journal
            | Self::TemporaryFiles
            | Self::FilesSetAside
            | Self::FreeSpace => Group::Files,
            Self::SharedLogins
            | Self::LiveLogin
            | Self::CurrentProfile
            | Self::Profile
            | Self::Copies => Group::Logins,
            Self::StateFile | Self::ClientKeys | Self::Fallback | Self::ModelRules => {
                Group::Settings
            }
            Self::Attachment | Self::Listen | Self::RunningRouter => Group::Router,
            Self::Proxy
            | Self::Certificates
            | Self::Clock
            | Self::Issuer
            | Self::ChatGpt
            | Self::OpenAiApi => Group::Network,
            Self::TrayHost | Self::Version | Self::Codex | Self::System => Group::Machine,
        }
    }
}

impl Group {
    /// Its name, for a heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Files => "Files",
            Self::Logins => "Logins",
            Self::Settings => "Settings",
            Self::Router => "Router",
            Self::Network => "Network",
            Self::Machine => "Machine",
        }
    }
}

impl Finding {
    /// The promise holds.
    #[must_use]
    pub fn ok(check: Check, message: impl AsRef<str>) -> Self {
        Self::new(check, Severity::Ok, message.as_ref(), None)
    }

    /// A fact that is good to know.
    #[must_use]
    pub fn info(check: Check, message: impl AsRef<str>) -> Self {
        Self::new(check, Severity::Info, message.as_ref(), None)
    }

    /// It works, and may not for long.
    #[must_use]
    pub fn warning(check: Check, message: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        let remedy = Some(remedy.as_ref());
        Self::new(check, Severity::Warning, message.as_ref(), remedy)
    }

    /// It does not work.
    #[must_use]
    pub fn problem(check: Check, message: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        let remedy = Some(remedy.as_ref());
        Self::new(check, Severity::Problem, message.as_ref(), remedy)
    }

    fn new(check: Check, state: Severity, message: &str, remedy: Option<&str>) -> Self {
        Self {
            check,
            state,
            message: scrubbed(message),
            remedy: remedy.map(scrubbed),
        }
    }

    /// What was looked at.
    #[must_use]
    pub fn check(&self) -> Check {
        self.check
    }

    /// How bad it is.
    #[must_use]
    pub fn state(&self) -> Severity {
        self.state
    }

    /// What was found, in a sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What helps, where something is wrong: a command to type, mostly.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl Diagnosis {
    /// What was found by a program of this version, in the order of the groups.
    #[must_use]
    pub fn new(version: &str, mut checks: Vec<Finding>) -> Self {
        checks.sort_by_key(|finding| finding.check.group());
        Self {
            version: version.to_owned(),
            checks,
        }
    }

    /// The findings, by their groups.
    #[must_use]
    pub fn checks(&self) -> &[Finding] {
        &self.checks
    }

    /// How many findings are this bad.
    #[must_use]
    pub fn count(&self, state: Severity) -> usize {
        let found = self.checks.iter();
        found.filter(|finding| finding.state == state).count()
    }
}
