//! Every path of ours, computed in one place.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use crate::profile::ProfileName;

/// The folder that Codex and this program share, `~/.codex` by default.
///
/// ```
/// use codex_profiles::{CodexHome, ProfileName};
///
/// let home = CodexHome::at("/home/ada/.codex");
/// let work = ProfileName::parse("work")?;
/// assert!(home.auth_json_of(&work).ends_with("profiles/work/auth.json"));
/// # Ok::<(), codex_profiles::ProfileNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodexHome {
    root: PathBuf,
}

impl CodexHome {
    /// `CODEX_HOME` of the environment, else `.codex` in the person's home folder, as Codex has it.
    /// This and [`usual`](Self::usual) are the only places of this crate that read the environment.
    ///
    /// # Errors
    /// `NotFound` when neither is set.
    pub fn discover() -> io::Result<Self> {
        let set = env::var_os("CODEX_HOME").filter(|path| !path.is_empty());
        match set.map(Self::at).or_else(Self::usual) {
            Some(home) => Ok(home),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "neither CODEX_HOME nor a home folder is set",
            )),
        }
    }

    /// `.codex` in the person's home folder; `None` when that is not set.
    #[must_use]
    pub fn usual() -> Option<Self> {
        default_root().map(Self::at)
    }

    /// A home at this path; it need not exist yet.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The live login, shared with Codex.
    #[must_use]
    pub fn auth_json(&self) -> PathBuf {
        self.root.join("auth.json")
    }

    /// Codex's settings, which say where it keeps its login.
    #[must_use]
    pub fn config_toml(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The saved logins, one folder each.
    #[must_use]
    pub fn profiles(&self) -> PathBuf {
        self.root.join("profiles")
    }

    /// The folder of one saved login.
    #[must_use]
    pub fn profile(&self, name: &ProfileName) -> PathBuf {
        self.profiles().join(name.as_str())
    }

    /// The file of one saved login.
    #[must_use]
    pub fn auth_json_of(&self, name: &ProfileName) -> PathBuf {
        self.profile(name).join("auth.json")
    }

    /// Holds the name of the current profile.
    #[must_use]
    pub fn current_profile(&self) -> PathBuf {
        self.root.join(".current_profile")
    }

    /// Our own folder.
    #[must_use]
    pub fn router(&self) -> PathBuf {
        self.root.join("router")
    }

    /// Our settings and durable facts.
    #[must_use]
    pub fn state_json(&self) -> PathBuf {
        self.router().join("state.json")
    }

    /// The secret of the control API of the router that runs on this home, new at each start.
    #[must_use]
    pub fn control_token(&self) -> PathBuf {
        self.router().join("control.token")
    }

    /// Where that router serves, such as `http://127.0.0.1:9876`.
    #[must_use]
    pub fn control_address(&self) -> PathBuf {
        self.router().join("address")
    }

    /// The quota of every login, as it was read last.
    #[must_use]
    pub fn usage_json(&self) -> PathBuf {
        self.router().join("usage.json")
    }

    /// Locked by every router that serves this home, as long as it lives.
    #[must_use]
    pub fn serving(&self) -> PathBuf {
        self.router().join("serving")
    }

    /// What was done to the logins: `router/audit.log`.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.router().join("audit.log")
    }

    /// Where intents are noted before something that cannot be undone.
    pub(crate) fn journal(&self) -> PathBuf {
        self.router().join("journal")
    }

    /// What is known before and while the token of this fingerprint is spent.
    pub(crate) fn refresh_intent(&self, token: &str) -> PathBuf {
        self.journal().join(format!("{token}.json"))
    }

    /// Room on disk for the issuer's answer, taken before it is asked.
    pub(crate) fn refresh_rescue(&self, token: &str) -> PathBuf {
        self.journal().join(format!("{token}.rescue.json"))
    }

    pub(crate) fn switch_intent(&self) -> PathBuf {
        self.journal().join("switch.json")
    }

    pub(crate) fn rename_intent(&self) -> PathBuf {
        self.journal().join("rename.json")
    }

    /// Held while the token of this fingerprint is spent. Tokens come and go and lock files stay,
    /// so many tokens share one: that two of them wait for each other does no harm.
    pub(crate) fn refresh_lock(&self, token: &str) -> PathBuf {
        let bucket: String = token.chars().take(2).collect();
        self.router().join(format!("refresh-{bucket}.lock"))
    }

    /// The tokens that are spent, by their fingerprints.
    pub(crate) fn spent_tokens(&self) -> PathBuf {
        self.router().join("spent.json")
    }

    pub(crate) fn spent_lock(&self) -> PathBuf {
        self.router().join("spent.lock")
    }

    /// Held around every re-read, comparison and write of a saved login, and around a switch.
    pub(crate) fn profiles_lock(&self) -> PathBuf {
        self.router().join("profiles.lock")
    }

    pub(crate) fn state_lock(&self) -> PathBuf {
        self.router().join("state.lock")
    }

    /// How often another profile served in the place of the current one today.
    pub(crate) fn fallback_json(&self) -> PathBuf {
        self.router().join("fallback.json")
    }

    pub(crate) fn fallback_lock(&self) -> PathBuf {
        self.router().join("fallback.lock")
    }

    /// Held while Codex's settings are changed, and what is remembered of that.
    pub(crate) fn attachment_lock(&self) -> PathBuf {
        self.router().join("attachment.lock")
    }

    pub(crate) fn usage_lock(&self) -> PathBuf {
        self.router().join("usage.lock")
    }

    /// Codex's first lock; the second lies beside the real `auth.json` (wire reference 1.4).
    pub(crate) fn codex_lock(&self) -> PathBuf {
        self.root.join("auth.lock")
    }
}

fn default_root() -> Option<PathBuf> {
    env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .map(|home| home.join(".codex"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_lies_under_the_home() {
        let home = CodexHome::at("/h");
        for path in [
            home.auth_json(),
            home.config_toml(),
            home.current_profile(),
            home.state_json(),
            home.control_token(),
            home.control_address(),
            home.usage_json(),
            home.refresh_intent("f"),
            home.refresh_rescue("f"),
            home.refresh_lock("f"),
            home.switch_intent(),
            home.fallback_json(),
            home.codex_lock(),
        ] {
            assert!(path.starts_with("/h"), "{}", path.display());
        }
    }
}
