//! Settings as the page shows and changes them.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use codex_auth::text::printable;
use codex_profiles::{Fallback, ListenAddress, LogLevel, ModelRules, State};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Change, Control, ControlError, Language,
    catalogue::{allowed, host_names},
};
use crate::{chat::ReasoningFormat, server::Limits};

/// Whoever asks more often is not told more.
const INTERVAL: RangeInclusive<u64> = 30..=24 * 60 * 60;
/// Fewer would hardly serve anybody; more have no descriptors.
const CONNECTIONS: RangeInclusive<usize> = 16..=65_536;
/// From a long prompt without images to what memory has room for.
const BODY_BYTES: RangeInclusive<usize> = 64 << 10..=1 << 30;

/// Sets how much the program logs, from now on; `None` is as it was at the start.
pub type SetLogLevel = Arc<dyn Fn(Option<LogLevel>) + Send + Sync>;

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Settings {
    /// The address that is bound when the settings are read again, or at the next start.
    pub listen: String,
    /// The address that is bound now.
    pub listen_now: String,
    /// How often the quota is asked for.
    pub refresh_interval_seconds: u64,
    /// Whether idle logins are kept alive, and the quota is asked for, without being told to.
    pub auto_refresh_enabled: bool,
    /// How chat completions show the reasoning of models, once the settings are read again:
    /// `reasoning_content`, `none` or `think-tags`.
    pub reasoning_format: &'static str,
    /// How much is logged; `null` leaves it to the environment.
    pub log_level: Option<LogLevel>,
    /// The language of the page and the tray.
    pub language: Language,
    /// Who serves when the current profile cannot.
    #[schema(value_type = Option<Object>)]
    pub fallback: Option<Fallback>,
    /// Which profile serves which model.
    #[schema(value_type = Vec<Object>)]
    pub model_rules: ModelRules,
    /// The names, besides those of loopback, that requests may be addressed to, once the settings are
    /// read again.
    pub allowed_hosts: Vec<String>,
    /// How many connections are open at once, from the next start on.
    pub max_connections: usize,
    /// The size of the body that a request may have, from the next start on.
    pub body_limit_bytes: usize,
}

/// What is to be set; what is missing stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsChange {
    /// See [`Settings`].
    pub listen: Option<ListenAddress>,
    /// See [`Settings`]; 30 seconds to a day.
    pub refresh_interval_seconds: Option<u64>,
    /// See [`Settings`].
    pub auto_refresh_enabled: Option<bool>,
    /// See [`Settings`].
    pub reasoning_format: Option<ReasoningFormat>,
    /// See [`Settings`].
    pub log_level: Change<LogLevel>,
    /// See [`Settings`].
    pub language: Option<Language>,
    /// See [`Settings`].
    pub fallback: Change<Fallback>,
    /// See [`Settings`].
    pub model_rules: Option<ModelRules>,
    /// See [`Settings`].
    pub allowed_hosts: Option<Vec<String>>,
    /// See [`Settings`]; 16 to 65,536.
    pub max_connections: Option<usize>,
    /// See [`Settings`]; 64 KiB to 1 GiB.
    pub body_limit_bytes: Option<usize>,
}

impl Control {
    /// The settings at this moment.
    ///
    /// # Errors
    /// A [`StoreError`](codex_profiles::StoreError) when the file cannot be read at all.
    pub async fn settings(&self) -> Result<Settings, ControlError> {
        let state = self.inner.store.state().await?;
        let listen_now = self.address().trim_start_matches("http://").to_owned();
        Ok(Settings::of(&state, listen_now))
    }

    /// Changes settings.
    ///
    /// # Errors
    /// Those of [`SettingsChange::fits`] and of writing: nothing was changed.
    pub async fn change_settings(&self, change: SettingsChange) -> Result<Settings, ControlError> {
        let log_level = change.log_level.clone().written();
        let store = &self.inner.store;
        change.fits(&store.state().await?)?;
        store.update_state(move |state| change.apply(state)).await?;
        if let (Some(level), Some(set)) = (log_level, &self.inner.set_log_level) {
            set(level);
        }
        self.changed();
        self.settings().await
    }
}

impl Settings {
    pub(super) fn of(state: &State, listen_now: String) -> Self {
        let reasoning = state.reasoning_format();
        let reasoning = reasoning.and_then(|word| word.parse::<ReasoningFormat>().ok());
        let usual = Limits::default();
        Self {
            listen: state.listen(),
            listen_now,
            refresh_interval_seconds: state.refresh_interval().as_secs(),
            auto_refresh_enabled: state.auto_refresh_enabled(),
            reasoning_format: reasoning.unwrap_or_default().as_str(),
            log_level: state.log_level(),
            language: Language::of(state),
            fallback: state.fallback(),
            model_rules: state.model_rules(),
            allowed_hosts: state.allowed_hosts(),
            max_connections: state.max_connections().unwrap_or(usual.connections),
            body_limit_bytes: state.body_limit_bytes().unwrap_or(usual.body_bytes),
        }
    }
}

impl SettingsChange {
    /// Reads the body of a request. One value that cannot be is enough to change nothing.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], which names the field.
    pub fn parse(mut fields: Map<String, Value>) -> Result<Self, ControlError> {
        let fields = &mut fields;
        let change = Self {
            listen: take(fields, "listen")?,
            auto_refresh_enabled: take(fields, "auto_refresh_enabled")?,
            reasoning_format: reasoning_format(fields)?,
            log_level: take(fields, "log_level")?.unwrap_or_default(),
            language: take(fields, "language")?,
            fallback: explained(fields, "fallback")?.unwrap_or_default(),
            model_rules: explained(fields, "model_rules")?,
            allowed_hosts: allowed_hosts(fields)?,
            max_connections: within(fields, "max_connections", CONNECTIONS)?,
            body_limit_bytes: within(fields, "body_limit_bytes", BODY_BYTES)?,
            refresh_interval_seconds: within(fields, "refresh_interval_seconds", INTERVAL)?,
        };
        if let Some(unknown) = fields.keys().next() {
            return Err(ControlError::invalid(
                printable(unknown, 40),
                "there is no such setting",
            ));
        }
        Ok(change)
    }

    /// Whether the router would start with it, beside what else is set.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for an address that others can reach while there is no client key.
    pub fn fits(&self, state: &State) -> Result<(), ControlError> {
        match &self.listen {
            Some(address) if !address.is_local() && !state.requires_client_key() => {
                let message = "others could reach it, and there is no client key yet: use a loopback \
                               address, or make one with `codex-router key create NAME`";
                Err(ControlError::invalid("listen", message))
            }
            _ => Ok(()),
        }
    }

    /// Writes it into the settings.
    pub fn apply(self, state: &mut State) {
        if let Some(address) = self.listen {
            state.set_listen(&address.to_string());
        }
        if let Some(seconds) = self.refresh_interval_seconds {
            state.set_refresh_interval(Duration::from_secs(seconds));
        }
        if let Some(enabled) = self.auto_refresh_enabled {
            state.set_auto_refresh_enabled(enabled);
        }
        if let Some(format) = self.reasoning_format {
            state.set_reasoning_format(format.as_str());
        }
        if let Some(level) = self.log_level.written() {
            state.set_log_level(level);
        }
        if let Some(language) = self.language {
            state.set_language(language.as_str());
        }
        if let Some(fallback) = self.fallback.written() {
            state.set_fallback(fallback.as_ref());
        }
        if let Some(rules) = self.model_rules {
            state.set_model_rules(&rules);
        }
        if let Some(hosts) = self.allowed_hosts {
            state.set_allowed_hosts(&hosts);
        }
        if let Some(most) = self.max_connections {
            state.set_max_connections(most);
        }
        if let Some(most) = self.body_limit_bytes {
            state.set_body_limit_bytes(most);
        }
    }
}

fn reasoning_format(
    fields: &mut Map<String, Value>,
) -> Result<Option<ReasoningFormat>, ControlError> {
    let name = "reasoning_format";
    let word: Option<String> = take(fields, name)?;
    let parse = |word: String| word.parse().map_err(|_| not_allowed(name));
    word.map(parse).transpose()
}

fn allowed_hosts(fields: &mut Map<String, Value>) -> Result<Option<Vec<String>>, ControlError> {
    let name = "allowed_hosts";
    let hosts: Option<Vec<String>> = take(fields, name)?;
    let parse = |hosts| host_names(hosts).ok_or_else(|| not_allowed(name));
    hosts.map(parse).transpose()
}

fn within<T: DeserializeOwned + PartialOrd>(
    fields: &mut Map<String, Value>,
    name: &'static str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, ControlError> {
    let number: Option<T> = take(fields, name)?;
    let fits = number.as_ref().is_none_or(|number| range.contains(number));
    if fits {
        Ok(number)
    } else {
        Err(not_allowed(name))
    }
}

/// With what is wrong about it, where that can be more than one thing.
fn explained<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<T>, ControlError> {
    let Some(value) = fields.remove(name) else {
        return Ok(None);
    };
    let told = |error: serde_json::Error| {
        let wrong = printable(&error.to_string(), 200);
        ControlError::invalid(name, format!("it is {}: {wrong}", allowed(name)))
    };
    serde_json::from_value(value).map(Some).map_err(told)
}

/// A field's value, if it is there; never a null that the type does not know.
fn take<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<T>, ControlError> {
    let Some(value) = fields.remove(name) else {
        return Ok(None);
    };
    let value = serde_json::from_value(value);
    value.map(Some).map_err(|_| not_allowed(name))
}

fn not_allowed(name: &'static str) -> ControlError {
    ControlError::invalid(name, format!("it is {}", allowed(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<SettingsChange, ControlError> {
        let Value::Object(fields) = value else {
            panic!("an object");
        };
        SettingsChange::parse(fields)
    }

    #[test]
    fn any_subset_may_be_set_and_null_is_a_value_where_it_means_something() {
        assert_eq!(parse(json!({})).unwrap(), SettingsChange::default());
        let change = parse(json!({"log_level": null, "language": "zh-CN"})).unwrap();
        assert_eq!(change.log_level, Change::Clear);
        assert_eq!(change.language, Some(Language::Chinese));
        assert_eq!(change.listen, None);
    }

    #[test]
    fn an_address_in_the_network_needs_a_client_key() {
        let change = parse(json!({"listen": "0.0.0.0:9876"})).unwrap();
        let error = change.fits(&State::default()).unwrap_err().to_string();
        assert!(error.contains("key create"), "{error}");
        let local = parse(json!({"listen": "unix:/run/router.sock"})).unwrap();
        assert!(local.fits(&State::default()).is_ok());
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        for (body, field) in [
            (json!({"listen": "here"}), "listen"),
            (json!({"max_connections": 15}), "max_connections"),
            (json!({"body_limit_bytes": "1g"}), "body_limit_bytes"),
            (json!({"listen": null}), "listen"),
            (
                json!({"refresh_interval_seconds": 0}),
                "refresh_interval_seconds",
            ),
            (
                json!({"refresh_interval_seconds": "60"}),
                "refresh_interval_seconds",
            ),
            (json!({"auto_refresh_enabled": 1}), "auto_refresh_enabled"),
            (json!({"reasoning_format": "loud"}), "reasoning_format"),
            (json!({"log_level": "loud"}), "log_level"),
            (json!({"language": "xx"}), "language"),
            (json!({"fallback": {"profiles": []}}), "fallback"),
            (json!({"fallback": {"profiles": ["../x"]}}), "fallback"),
            (
                json!({"fallback": {"profiles": ["a"], "no": 1}}),
                "fallback",
            ),
            (json!({"model_rules": null}), "model_rules"),
            (json!({"model_rules": [{"model": "m"}]}), "model_rules"),
            (json!({"allowed_hosts": "mini.lan"}), "allowed_hosts"),
            (
                json!({"allowed_hosts": ["http://mini.lan"]}),
                "allowed_hosts",
            ),
            (json!({"lsten": "127.0.0.1:1"}), "lsten"),
        ] {
            let error = parse(body.clone()).unwrap_err();
            let ControlError::Invalid { param, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(param, field, "{body}");
        }
    }
}
