//! Every setting there is: its name, its value, its default, and when a change counts.

use std::collections::BTreeSet;

use codex_profiles::State;
use serde::Serialize;
use serde_json::Value;

use super::{ControlError, Settings};

/// A setting that a person may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name, in `router/state.json` as everywhere.
    pub name: &'static str,
    /// What it may be, for a sentence that begins with "it is".
    pub allowed: &'static str,
    /// When a change of it counts.
    pub counts: Counts,
}

/// When a change of a setting counts for a router that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// At once, or at the next request.
    AtOnce,
    /// When the router is told to read its settings again (SIGHUP), or starts again.
    AtReload,
    /// When the router starts again.
    AtNextStart,
}

/// All of them, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        allowed: "an address such as 127.0.0.1:9876 or unix:/run/user/1000/codex-router.sock",
        counts: Counts::AtReload,
    },
    Setting {
        name: "allowed_hosts",
        allowed: "a list of the names that clients in the network call, such as [\"mini.lan\"]",
        counts: Counts::AtReload,
    },
    Setting {
        name: "refresh_interval_seconds",
        allowed: "a number of seconds, 30 to 86400",
        counts: Counts::AtOnce,
    },
    Setting {
        name: "auto_refresh_enabled",
        allowed: "true or false",
        counts: Counts::AtOnce,
    },
    Setting {
        name: "reasoning_format",
        allowed: "reasoning_content, none or think-tags",
        counts: Counts::AtReload,
    },
    Setting {
        name: "log_level",
        allowed: "null, error, warn, info, debug or trace",
        counts: Counts::AtOnce,
    },
    Setting {
        name: "language",
        allowed: "auto, en or zh-CN",
        counts: Counts::AtOnce,
    },
    Setting {
        name: "fallback",
        allowed: "null, or an object such as {\"profiles\":[\"my-key\"],\"daily_requests\":200}",
        counts: Counts::AtOnce,
    },
    Setting {
        name: "model_rules",
        allowed: "a list such as [{\"model\":\"gpt-5*\",\"profile\":\"personal\"}]",
        counts: Counts::AtOnce,
    },
    Setting {
        name: "max_connections",
        allowed: "a number of connections, 16 to 65536",
        counts: Counts::AtNextStart,
    },
    Setting {
        name: "body_limit_bytes",
        allowed: "a number of bytes, 65536 to 1073741824",
        counts: Counts::AtNextStart,
    },
];

/// A setting as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingEntry {
    /// Its name.
    pub name: &'static str,
    /// What counts.
    pub value: Value,
    /// What counts when it is not set.
    pub default: Value,
    /// Whether it is set, to the default or to anything else.
    pub is_set: bool,
    /// When a change of it counts.
    pub change_counts: Counts,
}

impl Setting {
    /// The setting of this name.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], which names those there are.
    pub fn named(name: &str) -> Result<Self, ControlError> {
        let found = SETTINGS.iter().find(|setting| setting.name == name);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
            let message = format!(
                "there is no such setting: those there are {}",
                names.join(", ")
            );
            ControlError::invalid(codex_auth::text::printable(name, 40), message)
        })
    }

    /// As it stands in these settings.
    #[must_use]
    pub fn in_state(self, state: &State) -> SettingEntry {
        let value = |state: &State| {
            let settings = serde_json::to_value(Settings::of(state, String::new()));
            settings.map_or(Value::Null, |mut it| it[self.name].take())
        };
        SettingEntry {
            name: self.name,
            value: value(state),
            default: value(&State::default()),
            is_set: state.is_set(self.name),
            change_counts: self.counts,
        }
    }

    /// Takes it back, so that its default counts.
    pub fn unset(self, state: &mut State) {
        state.unset(self.name);
    }
}

/// What `allowed` says of a setting.
pub(super) fn allowed(name: &str) -> &'static str {
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    setting.map_or("something else", |setting| setting.allowed)
}

/// The names that requests may be addressed to: none twice, and none that a `Host` cannot hold.
pub(super) fn host_names(names: Vec<String>) -> Option<Vec<String>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    let is_name = |name: &String| {
        (1..=253).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('-')
    };
    let distinct: BTreeSet<_> = names.iter().collect();
    let usable = distinct.len() == names.len() && names.len() <= 64 && names.iter().all(is_name);
    usable.then_some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_setting_that_is_shown_is_in_the_catalogue_and_none_else() {
        let shown = serde_json::to_value(Settings::of(&State::default(), String::new())).unwrap();
        let mut shown: Vec<_> = shown.as_object().unwrap().keys().cloned().collect();
        shown.retain(|name| name != "listen_now");
        shown.sort_unstable();
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        assert_eq!(shown, names);
    }

    #[test]
    fn a_setting_knows_its_default_and_goes_back_to_it() {
        let mut state = State::default();
        let setting = Setting::named("refresh_interval_seconds").unwrap();
        state.set_refresh_interval(std::time::Duration::from_mins(1));
        let entry = setting.in_state(&state);
        assert_eq!((entry.value, entry.default), (json!(60), json!(600)));
        assert!(entry.is_set);
        setting.unset(&mut state);
        let entry = setting.in_state(&state);
        assert_eq!((entry.value, entry.is_set), (json!(600), false));
        let error = Setting::named("lsten").unwrap_err().to_string();
        assert!(error.contains("listen, allowed_hosts"), "{error}");
    }

    #[test]
    fn a_host_is_a_name_and_no_address_of_a_page() {
        let usable = |name: &str| host_names(vec![name.to_owned()]).is_some();
        assert!(usable("mini.lan") && usable("[fd00::1]") && usable("10.0.0.5"));
        for name in ["", "http://mini", "a b", "a/b", "-a", &"a".repeat(254)] {
            assert!(!usable(name), "{name}");
        }
        assert_eq!(host_names(vec!["a".into(), "a".into()]), None);
    }
}
