//! `config get`, `config set` and `config unset`.

use std::io::{self, Write as _};

use clap::Subcommand;
use codex_profiles::{CodexHome, ModelRules, ProfileName, ProfileStore, audit::Actor};
use codex_proxy::control::{ControlError, Counts, SETTINGS, Setting, SettingEntry, SettingsChange};
use serde_json::{Map, Value, json};

use super::{exit::Failure, list::columns, out, text};
use crate::running::RunningRouter;

#[cfg(unix)]
const RELOAD: &str = "A router that runs goes by it once it is told to read its settings again \
    (SIGHUP, or `systemctl --user reload codex-router`), or from its next start on.";
#[cfg(not(unix))]
const RELOAD: &str = "A router that runs goes by it from its next start on.";

/// What is to be done about settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show a setting, or all of them with their defaults
    Get {
        /// The setting's name [default: all of them]
        key: Option<String>,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Change a setting
    Set {
        /// The setting's name
        key: String,
        /// Its value: a word, a number, or JSON
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Take a setting back, so that its default counts
    Unset {
        /// The setting's name
        key: String,
    },
}

impl Config {
    pub(crate) async fn run(self, home: &CodexHome) -> Result<(), Failure> {
        let store = ProfileStore::open(home.clone())?.acting_as(Actor::Command);
        match self {
            Self::Get { key: None, json } => show_all(&store, json).await,
            Self::Get {
                key: Some(key),
                json,
            } => show(&store, &key, json).await,
            Self::Set { key, value } => set(&store, &key, &value).await,
            Self::Unset { key } => unset(&store, &key).await,
        }
    }
}

async fn show_all(store: &ProfileStore, json: bool) -> Result<(), Failure> {
    let state = store.state().await?;
    let entries = SETTINGS.iter().map(|setting| setting.in_state(&state));
    if json {
        let entries: Vec<_> = entries.collect();
        return print_json(&json!({"settings": entries}));
    }
    let rows: Vec<_> = entries.map(|entry| row(&entry)).collect();
    for line in columns(&rows) {
        out::say(&line)?;
    }
    Ok(())
}

fn row(entry: &SettingEntry) -> [String; 3] {
    let default = plain(&entry.default);
    let note = match (entry.value == entry.default, entry.is_set) {
        (true, true) => "as by default".to_owned(),
        (true, false) => "default".to_owned(),
        (false, _) => format!("default: {}", text::fact(&default)),
    };
    [entry.name.to_owned(), plain(&entry.value), note]
}

/// The value alone, for scripts.
async fn show(store: &ProfileStore, key: &str, json: bool) -> Result<(), Failure> {
    let entry = Setting::named(key)?.in_state(&store.state().await?);
    if json {
        return print_json(&json!(entry));
    }
    Ok(out::say(&plain(&entry.value))?)
}

async fn set(store: &ProfileStore, key: &str, value: &str) -> Result<(), Failure> {
    let setting = Setting::named(key)?;
    let fields = Map::from_iter([(key.to_owned(), value_of(value))]);
    let change = SettingsChange::parse(fields.clone())?;
    change.fits(&store.state().await?)?;
    if let Some(router) = RunningRouter::find(store.home()).await {
        // So that it counts at once, and everybody who looks at it sees it.
        router.change_settings(&Value::Object(fields)).await?;
    } else {
        store.update_state(move |state| change.apply(state)).await?;
    }
    told(store, setting).await
}

async fn unset(store: &ProfileStore, key: &str) -> Result<(), Failure> {
    let setting = Setting::named(key)?;
    store
        .update_state(move |state| setting.unset(state))
        .await?;
    if let Some(router) = RunningRouter::find(store.home()).await {
        // The level of the log is the one setting that it was told and does not look up.
        let change = if key == "log_level" {
            json!({key: null})
        } else {
            json!({})
        };
        router.change_settings(&change).await?;
    }
    told(store, setting).await
}

/// What counts now, or when it will.
async fn told(store: &ProfileStore, setting: Setting) -> Result<(), Failure> {
    let entry = setting.in_state(&store.state().await?);
    out::say(&format!("{} is {}.", entry.name, plain(&entry.value)))?;
    match entry.change_counts {
        Counts::AtOnce => {}
        Counts::AtReload => eprintln!("{RELOAD}"),
        Counts::AtNextStart => eprintln!("A router that runs goes by it from its next start on."),
    }
    if entry.name == "model_rules" {
        warn_of_strangers(store, &entry.value).await?;
    }
    Ok(())
}

/// A rule may come before its profile, but is more often misspelt.
async fn warn_of_strangers(store: &ProfileStore, rules: &Value) -> Result<(), Failure> {
    let rules: ModelRules = serde_json::from_value(rules.clone()).unwrap_or_default();
    let profiles = store.list().await?;
    for rule in rules.as_slice() {
        let known = profiles.iter().any(|it| it.label == rule.profile);
        if !known && let Ok(name) = ProfileName::parse(rule.profile.as_str()) {
            eprintln!(
                "There is no profile `{name}`: until there is one, requests for `{}` fail.",
                rule.model
            );
        }
    }
    Ok(())
}

/// JSON where it is any, else the word itself: nobody wants to quote twice.
fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A text without its quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn print_json(value: &Value) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Invalid { param, message } => Self::usage(format!("{param}: {message}")),
            ControlError::Store(error) => error.into(),
            error => Self::failed(error),
        }
    }
}
