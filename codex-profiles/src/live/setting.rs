use std::{sync::Mutex, time::SystemTime};

use toml::{Table, Value};
use tracing::warn;

use crate::{
    fs::{ReadError, read, stamp::Stamp},
    home::CodexHome,
    memory::lock,
    workspace::ForcedWorkspaces,
};

/// Where Codex keeps its login: `cli_auth_credentials_store` in its `config.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CredentialStoreMode {
    /// In `auth.json`, which is the default.
    #[default]
    File,
    /// In the keyring of the operating system.
    Keyring,
    /// In the keyring where there is one, else in `auth.json`.
    Auto,
    /// In Codex's own memory.
    Ephemeral,
    /// Something that is not known here: the word in `config.toml`, or what is there instead of one.
    Other(String),
}

impl CredentialStoreMode {
    /// The word in `config.toml`; for another one, `unknown`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Keyring => "keyring",
            Self::Auto => "auto",
            Self::Ephemeral => "ephemeral",
            Self::Other(_) => "unknown",
        }
    }

    fn of(value: &Value) -> Self {
        match value.as_str() {
            Some("file") => Self::File,
            Some("keyring") => Self::Keyring,
            Some("auto") => Self::Auto,
            Some("ephemeral") => Self::Ephemeral,
            Some(word) => Self::Other(word.to_owned()),
            None => Self::Other(value.type_str().to_owned()),
        }
    }
}

/// What `config.toml` says about the live login, and which may be one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Setting {
    pub(crate) mode: CredentialStoreMode,
    encrypted: Option<bool>,
    pub(crate) workspaces: ForcedWorkspaces,
}

impl Setting {
    /// Whether the keyring holds but the key of an encrypted file, as it does on Windows if nothing
    /// else is said: a login is too long for its credential manager.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted.unwrap_or(cfg!(windows))
    }

    fn of(config: &Table) -> Self {
        let mode = config.get("cli_auth_credentials_store");
        let encrypted = config
            .get("features")
            .and_then(|features| features.get("secret_auth_storage"));
        Self {
            mode: mode.map(CredentialStoreMode::of).unwrap_or_default(),
            encrypted: encrypted.and_then(Value::as_bool),
            workspaces: ForcedWorkspaces::of(config),
        }
    }

    /// A file that cannot be understood counts as empty: Codex does not start with it, and without
    /// it the default is what there was most likely before.
    fn load(home: &CodexHome) -> Self {
        let path = home.config_toml();
        let table = match read::bytes(&path) {
            Ok(bytes) => parse(&bytes),
            Err(ReadError::Missing) => return Self::default(),
            Err(error) => Err(error.to_string()),
        };
        table.map_or_else(
            |error| {
                warn!(path = %path.display(), error, "taken for empty: the live login is looked for in auth.json");
                Self::default()
            },
            |table| Self::of(&table),
        )
    }
}

/// The setting as it was read, for as long as its file stays the same.
#[derive(Debug, Default)]
pub(super) struct SettingCache(Mutex<Option<(Stamp, Setting)>>);

impl SettingCache {
    pub(super) fn of(&self, home: &CodexHome) -> Setting {
        let read_at = SystemTime::now();
        let Some(stamp) = Stamp::of(&home.config_toml()) else {
            return Setting::default();
        };
        if let Some((known, setting)) = &*lock(&self.0)
            && *known == stamp
        {
            return setting.clone();
        }
        let setting = Setting::load(home);
        let settled = stamp.is_settled(read_at);
        *lock(&self.0) = settled.then(|| (stamp, setting.clone()));
        setting
    }
}

/// The message alone, without the lines that it is about: there may be a key in them.
fn parse(bytes: &[u8]) -> Result<Table, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.parse::<Table>()
        .map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic;

    fn home(config: &[u8]) -> (tempfile::TempDir, CodexHome) {
        let folder = tempfile::tempdir().unwrap();
        let home = CodexHome::at(folder.path());
        atomic::write(&home.config_toml(), config).unwrap();
        (folder, home)
    }

    fn mode(config: &str) -> CredentialStoreMode {
        let (_folder, home) = home(config.as_bytes());
        Setting::load(&home).mode
    }

    #[test]
    fn the_word_in_config_toml_decides_and_nothing_else() {
        use CredentialStoreMode as M;
        for (config, expected) in [
            ("", M::File),
            ("model = 'x'", M::File),
            ("cli_auth_credentials_store = \"file\"", M::File),
            ("cli_auth_credentials_store = 'keyring' # mine", M::Keyring),
            ("\u{feff}cli_auth_credentials_store = \"auto\"", M::Auto),
            ("cli_auth_credentials_store = \"ephemeral\"", M::Ephemeral),
            ("[tui]\ncli_auth_credentials_store = \"keyring\"", M::File),
            (
                "cli_auth_credentials_store = \"tpm\"",
                M::Other("tpm".into()),
            ),
            (
                "cli_auth_credentials_store = \"Keyring\"",
                M::Other("Keyring".into()),
            ),
            ("cli_auth_credentials_store = 1", M::Other("integer".into())),
        ] {
            assert_eq!(mode(config), expected, "{config}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_understood_counts_as_empty() {
        assert_eq!(
            mode("cli_auth_credentials_store = keyring"),
            CredentialStoreMode::File
        );
        let (_folder, broken) = home(b"\xff\xfe");
        assert_eq!(Setting::load(&broken), Setting::default());
        let (_folder, pipe) = home(b"");
        std::fs::remove_file(pipe.config_toml()).unwrap();
        std::fs::create_dir(pipe.config_toml()).unwrap();
        assert_eq!(Setting::load(&pipe), Setting::default());
    }

    #[test]
    fn the_encrypted_form_is_told_apart() {
        let encrypted = |config| {
            let (_folder, home) = home(config);
            Setting::load(&home).is_encrypted()
        };
        assert_eq!(encrypted(b""), cfg!(windows));
        assert!(encrypted(b"[features]\nsecret_auth_storage = true"));
        assert!(!encrypted(b"features.secret_auth_storage = false"));
    }

    #[test]
    fn a_change_of_the_file_counts_at_once_and_the_message_shows_no_line_of_it() {
        let (_folder, home) = home(b"");
        let cache = SettingCache::default();
        for (config, expected) in [
            (
                "cli_auth_credentials_store = \"auto\"",
                CredentialStoreMode::Auto,
            ),
            (
                "cli_auth_credentials_store = \"file\"",
                CredentialStoreMode::File,
            ),
        ] {
            atomic::write(&home.config_toml(), config.as_bytes()).unwrap();
            assert_eq!(
                (cache.of(&home).mode, cache.of(&home).mode),
                (expected.clone(), expected)
            );
        }
        let error = parse(b"key = sk-planted").unwrap_err();
        assert!(!error.contains("planted"), "{error}");
    }
}
