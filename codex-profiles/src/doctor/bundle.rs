//! One file for whoever helps: findings, settings and names of files, and nothing that is secret.

use std::{
    fs::{self, Metadata},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    Diagnosis, Settings,
    shapes::{scrubbed, secret_shape},
};
use crate::{fs::atomic, home::CodexHome, object::Object, state::State};

const FORMAT: u32 = 1;
/// More than any home of ours has: what else may be in there is nobody's help.
const MOST_FILES: usize = 500;
const DEEPEST: usize = 3;
/// A token's fingerprint, which names its notes in the journal.
const FINGERPRINT: usize = 64;
const SHOWN_OF_FINGERPRINT: usize = 8;

/// Findings, with settings and names of files that explain them. Made of fields that are harmless
/// by their kind: numbers, yes or no, times, sizes, names of files.
#[derive(Debug, Clone, Serialize)]
pub struct Bundle {
    format: u32,
    created_at: Timestamp,
    report: Diagnosis,
    system: SystemFacts,
    state: StateFacts,
    files: Vec<FileFacts>,
}

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Report this: nothing of the kind is ever to be in a bundle.
    #[error("the field `{field}` of the bundle looks like {kind}: nothing was written")]
    Secret {
        /// Where in the document.
        field: String,
        /// What it looks like.
        kind: &'static str,
    },
    /// Name a file that does not exist yet, in a folder of yours.
    #[error("{path} cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Debug, Clone, Serialize)]
struct SystemFacts {
    os: &'static str,
    architecture: &'static str,
}

/// What `state.json` holds, by number alone.
#[derive(Debug, Clone, Serialize)]
struct StateFacts {
    file: &'static str,
    version: u32,
    /// A path may tell a name.
    listen: Option<SocketAddr>,
    refresh_interval_seconds: u64,
    auto_refresh_enabled: bool,
    allowed_hosts: usize,
    client_keys: usize,
    client_keys_bound_to_a_profile: usize,
    client_keys_not_understood: usize,
    model_rules: usize,
    fallback_profiles: usize,
    attached: bool,
}

#[derive(Debug, Clone, Serialize)]
struct FileFacts {
    path: String,
    kind: &'static str,
    size_bytes: u64,
    age_seconds: Option<u64>,
    #[cfg(unix)]
    mode: String,
}

impl Bundle {
    /// What explains these findings about a home. Blocks.
    #[must_use]
    pub fn new(home: &CodexHome, report: Diagnosis) -> Self {
        Self {
            format: FORMAT,
            created_at: Timestamp::now(),
            report,
            system: SystemFacts {
                os: std::env::consts::OS,
                architecture: std::env::consts::ARCH,
            },
            state: StateFacts::of(&Settings::of(home)),
            files: files(home),
        }
    }

    /// The document, in which nothing has the shape of a secret.
    ///
    /// # Errors
    /// [`BundleError::Secret`].
    pub fn to_json(&self) -> Result<String, BundleError> {
        // A struct of texts and numbers is always JSON.
        let document = serde_json::to_value(self).unwrap_or_default();
        refuse_secrets(&document, "")?;
        Ok(format!("{document:#}\n"))
    }

    /// Writes a new file that its owner alone can read. One that exists is not replaced: it may be
    /// a login. Blocks.
    ///
    /// # Errors
    /// A [`BundleError`]: nothing was written.
    pub fn write(&self, path: &Path) -> Result<(), BundleError> {
        let document = self.to_json()?;
        atomic::create(path, document.as_bytes()).map_err(|source| BundleError::Io {
            path: path.to_owned(),
            source,
        })
    }
}

impl StateFacts {
    fn of(settings: &Settings) -> Self {
        let (file, state) = match settings {
            Settings::Missing => ("missing", State::default()),
            Settings::Understood(state) => ("understood", state.clone()),
            Settings::Broken { .. } => ("broken", State::default()),
            Settings::Unreadable(_) => ("unreadable", State::default()),
        };
        let keys = state.client_keys();
        let rules: Vec<Object> = state.fields.read("model_rules").unwrap_or_default();
        Self {
            file,
            version: state.version(),
            listen: state.listen().parse().ok(),
            refresh_interval_seconds: state.refresh_interval().as_secs(),
            auto_refresh_enabled: state.auto_refresh_enabled(),
            allowed_hosts: state.allowed_hosts().len(),
            client_keys_bound_to_a_profile: keys
                .iter()
                .flatten()
                .filter(|key| key.profile().is_some())
                .count(),
            client_keys_not_understood: keys.iter().filter(|key| key.is_none()).count(),
            client_keys: keys.len(),
            model_rules: rules.len(),
            fallback_profiles: state
                .fallback()
                .map_or(0, |fallback| fallback.profiles.len()),
            attached: state.attached().is_some(),
        }
    }
}

/// Those of ours, and those of Codex that we write; nothing is read of what is in them.
fn files(home: &CodexHome) -> Vec<FileFacts> {
    let mut found = Vec::new();
    for path in [
        home.root().to_owned(),
        home.auth_json(),
        home.config_toml(),
        home.current_profile(),
        home.profiles(),
        home.codex_lock(),
    ] {
        found.extend(FileFacts::of(home, &path));
    }
    add_below(home, &home.router(), 0, &mut found);
    found
}

fn add_below(home: &CodexHome, folder: &Path, depth: usize, found: &mut Vec<FileFacts>) {
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if found.len() >= MOST_FILES {
            return;
        }
        found.extend(FileFacts::of(home, &path));
        if depth < DEEPEST && path.is_dir() && !path.is_symlink() {
            add_below(home, &path, depth + 1, found);
        }
    }
}

impl FileFacts {
    fn of(home: &CodexHome, path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
        let inside = path.strip_prefix(home.root()).ok()?;
        let names = inside.iter().map(|name| file_name(&name.to_string_lossy()));
        // Of the home itself nothing is left.
        let home = inside.as_os_str().is_empty().then(|| ".".to_owned());
        Some(Self {
            path: home.into_iter().chain(names).collect::<Vec<_>>().join("/"),
            kind: kind(&metadata),
            size_bytes: metadata.len(),
            age_seconds: age.map(|age| age.as_secs()),
            #[cfg(unix)]
            mode: mode(&metadata),
        })
    }
}

/// Of a note in the journal, as much of its name as tells it from others.
fn file_name(name: &str) -> String {
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    let is_fingerprint =
        stem.len() == FINGERPRINT && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_fingerprint {
        return scrubbed(&format!("{}….{ending}", &stem[..SHOWN_OF_FINGERPRINT]));
    }
    scrubbed(name)
}

fn kind(metadata: &Metadata) -> &'static str {
    match metadata.file_type() {
        kind if kind.is_dir() => "folder",
        kind if kind.is_file() => "file",
        kind if kind.is_symlink() => "link",
        _ => "other",
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!("{:03o}", metadata.mode() & 0o7777)
}

/// Every text of a document, the names of fields too.
fn refuse_secrets(value: &Value, field: &str) -> Result<(), BundleError> {
    let refuse = |text: &str, field: &str| match secret_shape(text) {
        None => Ok(()),
        Some(kind) => Err(BundleError::Secret {
            field: scrubbed(field),
            kind,
        }),
    };
    match value {
        Value::String(text) => refuse(text, field),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| refuse_secrets(value, &format!("{field}/{index}"))),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let field = format!("{field}/{name}");
            refuse(name, &field)?;
            refuse_secrets(value, &field)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_with_a_secret_anywhere_is_refused_by_the_name_of_the_field() {
        for (document, field) in [
            (json!({"a": [1, {"b": "sk-planted-1"}]}), "/a/1/b"),
            (json!({"a": {"x": "to ada@example.com"}}), "/a/x"),
            (json!(["fine", "rt_planted0"]), "/1"),
            (json!({"a": {"rt_planted0": 1}}), "/a/[hidden]"),
        ] {
            match refuse_secrets(&document, "") {
                Err(BundleError::Secret { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{document}: {other:?}"),
            }
        }
        assert!(refuse_secrets(&json!({"a": ["fine", 7, null, true]}), "").is_ok());
    }

    #[test]
    fn a_note_of_the_journal_is_told_from_others_by_a_part_of_its_name() {
        let name = format!("{}.rescue.json", "0123abcd".repeat(8));
        assert_eq!(file_name(&name), "0123abcd….rescue.json");
        assert_eq!(file_name("state.json"), "state.json");
        assert_eq!(file_name("sk-planted-1.json"), "[hidden]");
    }

    #[test]
    fn a_file_that_exists_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let home = CodexHome::at(folder.path());
        let path = folder.path().join("bundle.json");
        let bundle = Bundle::new(&home, Diagnosis::new("0.1.0", Vec::new()));
        bundle.write(&path).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(bundle.write(&path), Err(BundleError::Io { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
