//! Settings of `router/state.json` that are about the program itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::state::State;

/// Fields that nobody sets, and nobody takes back, as a setting.
const FACTS: [&str; 6] = [
    "version",
    "client_keys",
    "profiles",
    "attached",
    "live_identity",
    "shared_token",
];

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum LogLevel {
    /// What went wrong for good.
    Error,
    /// What a person should look at, too.
    Warn,
    /// What was done, too.
    Info,
    /// How, too.
    Debug,
    /// Everything but secrets.
    Trace,
}

impl LogLevel {
    /// The word that settings and filters have for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    /// How much is logged, where the environment does not say it.
    #[must_use]
    pub fn log_level(&self) -> Option<LogLevel> {
        self.fields.read("log_level")
    }

    /// Sets how much is logged, or leaves it to the program.
    pub fn set_log_level(&mut self, level: Option<LogLevel>) {
        match level {
            Some(level) => self.fields.set("log_level", &level),
            None => drop(self.fields.remove("log_level")),
        }
    }

    /// Sets the names, besides those of loopback, that requests may be addressed to, from the
    /// server's next start on.
    pub fn set_allowed_hosts(&mut self, hosts: &[String]) {
        self.fields.set("allowed_hosts", hosts);
    }

    /// Whether a field of this name is there, and not null.
    #[must_use]
    pub fn is_set(&self, setting: &str) -> bool {
        let set: Option<&RawValue> = self.fields.raw(setting);
        set.is_some_and(|value| value.get() != "null")
    }

    /// Takes the field of this name out, so that its default counts. What is no setting but a fact,
    /// such as keys, profiles and an attachment, stays.
    pub fn unset(&mut self, setting: &str) {
        if !FACTS.contains(&setting) {
            self.fields.remove(setting);
        }
    }

    /// The language of the page and the tray: a word for these, if one is set.
    #[must_use]
    pub fn language(&self) -> Option<String> {
        self.fields.read("language")
    }

    /// Sets the language of the page and the tray.
    pub fn set_language(&mut self, language: &str) {
        self.fields.set("language", language);
    }
}

#[cfg(test)]
mod tests {
    use crate::home::CodexHome;

    use super::*;

    #[test]
    fn what_is_set_is_read_back_and_a_strange_word_counts_as_not_set() {
        let folder = tempfile::tempdir().unwrap();
        let home = CodexHome::at(folder.path());
        assert_eq!(State::load(&home).unwrap().log_level(), None);
        let set = |state: &mut State| {
            state.set_log_level(Some(LogLevel::Debug));
            state.set_language("zh-CN");
        };
        State::update(&home, set).unwrap();
        let state = State::load(&home).unwrap();
        assert_eq!(state.log_level(), Some(LogLevel::Debug));
        assert_eq!(state.language().as_deref(), Some("zh-CN"));
        State::update(&home, |state| state.fields.set("log_level", "loud")).unwrap();
        assert_eq!(State::load(&home).unwrap().log_level(), None);
    }

    #[test]
    fn a_setting_is_taken_back_and_a_fact_is_not() {
        let mut state =
            State::parse(br#"{"listen":"x","log_level":null,"client_keys":[]}"#).unwrap();
        let set = ["listen", "log_level", "client_keys", "language"].map(|it| state.is_set(it));
        assert_eq!(set, [true, false, true, false]);
        state.unset("listen");
        state.unset("client_keys");
        assert!(!state.is_set("listen") && state.is_set("client_keys"));
    }
}
