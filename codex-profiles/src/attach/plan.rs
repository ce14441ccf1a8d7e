//! What is changed in the text of a `config.toml`. Nothing here touches a disk.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    Form, RouterUrl,
    config::{Broken, Config},
    record::{Record, fingerprint},
};

/// The setting that leads the built-in provider to another address.
pub(super) const BASE_URL: &str = "openai_base_url";
/// The setting that names the provider.
pub(super) const MODEL_PROVIDER: &str = "model_provider";
pub(super) const MODEL_PROVIDERS: &str = "model_providers";
/// The name of the provider that the separate form makes.
pub(super) const PROVIDER: &str = "codex-router";
/// The provider that Codex has built in.
pub(super) const BUILT_IN: &str = "openai";
/// The environment variable that Codex takes a client key from, in the separate form.
pub const KEY_VARIABLE: &str = "CODEX_ROUTER_KEY";

const TABLE: [&str; 2] = [MODEL_PROVIDERS, PROVIDER];

/// A change at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Splice {
    /// The setting concerned.
    setting: String,
    /// Where, in bytes, at the time of the change.
    at: usize,
    inserted: String,
    replaced: String,
}

/// Why no change can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unchangeable {
    Broken(Broken),
    /// Something else than a text is in the place of this setting.
    InTheWay(String),
}

impl From<Broken> for Unchangeable {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// A text on its way to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) edits: Vec<Splice>,
}

/// What an attachment leaves when it is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Detached {
    pub(super) text: String,
    /// Settings that somebody else has changed since, and that stay as they are.
    pub(super) left: Vec<String>,
}

/// The text with Codex attached to `router`.
pub(super) fn attached(
    text: &str,
    router: RouterUrl,
    form: Form,
    wants_key: bool,
) -> Result<Draft, Unchangeable> {
    let mut draft = Draft {
        text: text.to_owned(),
        edits: Vec::new(),
    };
    let url = router.to_string();
    let setting: &[&str] = match form {
        Form::BaseUrl => {
            draft.set(&[BASE_URL], &url)?;
            &[BASE_URL]
        }
        Form::Provider => {
            draft.set(&[MODEL_PROVIDER], PROVIDER)?;
            draft.provide(&url, wants_key)?;
            &[MODEL_PROVIDERS, PROVIDER, "base_url"]
        }
    };
    match Config::parse(&draft.text) {
        Ok(config) if config.string(setting) == Some(&url) => Ok(draft),
        // Such as a table that is written within braces, which cannot be added to.
        _ => Err(Unchangeable::InTheWay(setting[0].to_owned())),
    }
}

/// The text without what `record` says was cut in: the very text of before, where nothing else has
/// changed since. Without a record, without what leads to `router`.
pub(super) fn detached(
    text: &str,
    record: Option<&Record>,
    router: RouterUrl,
) -> Result<Detached, Broken> {
    let Some(record) = record else {
        return without_record(text, router);
    };
    if record.after == fingerprint(text)
        && let Some(before) = undone(text, &record.edits)
        && record.before == fingerprint(&before)
    {
        let left = Vec::new();
        return Ok(Detached { text: before, left });
    }
    let mut detached = Detached::begin(text)?;
    for edit in record.edits.iter().rev() {
        detached.take_back(edit, &record.url)?;
    }
    Ok(detached)
}

/// Whether a value that was replaced is not back in its place: it is remembered until then.
pub(super) fn owes(text: &str, config: &Config, record: &Record) -> bool {
    let is_back = |edit: &Splice| {
        let path: Vec<&str> = edit.setting.split('.').collect();
        let place = config.place(&path);
        place.is_some_and(|place| text.get(place.value) == Some(&edit.replaced))
    };
    let mut replacing = record.edits.iter().filter(|edit| !edit.replaced.is_empty());
    replacing.any(|edit| !is_back(edit))
}

fn without_record(text: &str, router: RouterUrl) -> Result<Detached, Broken> {
    let mut detached = Detached::begin(text)?;
    let config = Config::parse(text)?;
    let leads_here = |path: &[&str]| config.string(path).is_some_and(|url| router.is(url));
    if leads_here(&[BASE_URL]) {
        detached.remove(BASE_URL, false)?;
    }
    let is_chosen = config.string(&[MODEL_PROVIDER]) == Some(PROVIDER);
    if is_chosen && leads_here(&[MODEL_PROVIDERS, PROVIDER, "base_url"]) {
        detached.remove(MODEL_PROVIDER, false)?;
    }
    Ok(detached)
}

/// The edits taken back one by one, if they are all there.
fn undone(text: &str, edits: &[Splice]) -> Option<String> {
    edits.iter().rev().try_fold(text.to_owned(), |text, edit| {
        let behind = text.get(edit.at..)?.strip_prefix(&edit.inserted)?;
        Some(format!("{}{}{behind}", &text[..edit.at], edit.replaced))
    })
}

impl Draft {
    /// Sets a text, in its place if it is there.
    fn set(&mut self, path: &[&str], value: &str) -> Result<(), Unchangeable> {
        let name = path.join(".");
        let text = self.text.clone();
        let config = Config::parse(&text)?;
        if config.string(path) == Some(value) {
            return Ok(());
        }
        if let Some(place) = config.place(path) {
            self.splice(&name, place.value, &quoted(value));
        } else if config.has(path) || path.len() > 1 {
            return Err(Unchangeable::InTheWay(name));
        } else {
            let (at, line) = config.addition(&format!("{name} = {}", quoted(value)));
            self.splice(&name, at..at, &line);
        }
        Ok(())
    }

    /// Adds the table of the provider, or leads the one that is there to `url`.
    fn provide(&mut self, url: &str, wants_key: bool) -> Result<(), Unchangeable> {
        let text = self.text.clone();
        let config = Config::parse(&text)?;
        if config.has(&TABLE) {
            return self.set(&[MODEL_PROVIDERS, PROVIDER, "base_url"], url);
        }
        let mut lines = vec![
            format!("[{}]", TABLE.join(".")),
            "name = \"Codex Router\"".to_owned(),
            format!("base_url = {}", quoted(url)),
            "wire_api = \"responses\"".to_owned(),
        ];
        if wants_key {
            lines.push(format!("env_key = {}", quoted(KEY_VARIABLE)));
        }
        let (at, table) = config.appendix(&lines);
        self.splice(&TABLE.join("."), at..at, &table);
        Ok(())
    }

    fn splice(&mut self, setting: &str, range: Range<usize>, inserted: &str) {
        self.edits.push(Splice {
            setting: setting.to_owned(),
            at: range.start,
            replaced: self.text[range.clone()].to_owned(),
            inserted: inserted.to_owned(),
        });
        self.text.replace_range(range, inserted);
    }
}

impl Detached {
    fn begin(text: &str) -> Result<Self, Broken> {
        Config::parse(text)?;
        Ok(Self {
            text: text.to_owned(),
            left: Vec::new(),
        })
    }

    /// Takes an edit back in a text that has changed since, if what it wrote is still there.
    fn take_back(&mut self, edit: &Splice, url: &str) -> Result<(), Broken> {
        if edit.setting == TABLE.join(".") {
            return self.remove_table(edit);
        }
        let text = self.text.clone();
        let config = Config::parse(&text)?;
        let path: Vec<&str> = edit.setting.split('.').collect();
        let written = if path == [MODEL_PROVIDER] {
            PROVIDER
        } else {
            url
        };
        match (config.string(&path), config.place(&path)) {
            (Some(value), Some(place)) if value == written => {
                if edit.replaced.is_empty() {
                    self.remove(&edit.setting, edit.inserted.starts_with(['\r', '\n']))?;
                } else {
                    self.text.replace_range(place.value, &edit.replaced);
                }
            }
            _ if config.has(&path) => self.left.push(edit.setting.clone()),
            // Somebody took our line out, and with it the only place that says what it replaced.
            _ if path.len() == 1 && !edit.replaced.is_empty() => {
                let line = format!("{} = {}", edit.setting, edit.replaced);
                let (at, line) = config.addition(&line);
                self.text.insert_str(at, &line);
            }
            _ => {}
        }
        Ok(())
    }

    /// Removes a setting that is in no table. A text that ended without the end of a line, to which
    /// it was added, ends so again.
    fn remove(&mut self, setting: &str, began_a_line: bool) -> Result<(), Broken> {
        let text = self.text.clone();
        let Some(place) = Config::parse(&text)?.place(&[setting]) else {
            return Ok(());
        };
        let mut lines = place.lines;
        if began_a_line && lines.end == text.len() && !text.ends_with('\n') {
            let before = &text[..lines.start];
            let before = before.strip_suffix('\n').unwrap_or(before);
            lines.start = before.strip_suffix('\r').unwrap_or(before).len();
        }
        self.text.replace_range(lines, "");
        Ok(())
    }

    /// The table of the provider goes only as it was written: whatever was added to it would become
    /// part of the table above.
    fn remove_table(&mut self, edit: &Splice) -> Result<(), Broken> {
        let text = self.text.clone();
        let config = Config::parse(&text)?;
        if !config.has(&TABLE) {
            return Ok(());
        }
        let written = edit.inserted.matches(" = ").count();
        let found = [edit.inserted.as_str(), edit.inserted.trim_start()]
            .into_iter()
            .find_map(|block| Some((text.find(block)?, block.len())));
        if let Some((at, length)) = found
            && config.keys(&TABLE).len() == written
        {
            let without = format!("{}{}", &text[..at], &text[at + length..]);
            if Config::parse(&without).is_ok_and(|config| !config.has(&TABLE)) {
                self.text = without;
                return Ok(());
            }
        }
        self.left.push(edit.setting.clone());
        Ok(())
    }
}

/// A text of ours in TOML: none has anything in it that would have to be escaped.
fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}
