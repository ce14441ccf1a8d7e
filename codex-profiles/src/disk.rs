//! The files of the logins, read and written one at a time. Everything here blocks.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use codex_auth::{AuthDotJson, AuthJsonError, Identity};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tracing::warn;

use crate::{
    error::StoreError,
    faults::{Faults, Step},
    fs::{
        ReadError, atomic,
        lock::FileLock,
        read::{self, Reading},
        stamp::Stamp,
    },
    home::CodexHome,
    ledger::LedgerCache,
    live::LiveStore,
    neighbours::Neighbours,
    profile::{Place, ProfileName, ProfileNameError},
};

/// Switches and writes take milliseconds; a longer wait means that something hangs.
const PROFILES_LIMIT: Duration = Duration::from_secs(20);
/// Codex holds its first lock over a whole commit, and the second for milliseconds.
const CODEX_LIMIT: Duration = Duration::from_secs(10);

/// How often the live login may change under our hands before we give up.
pub(crate) const MAX_TRIES: usize = 5;

/// What a file without a login may hold all the same (wire reference 1.2), and values that say
/// nothing.
const NO_SECRETS: [&str; 2] = ["auth_mode", "last_refresh"];
const EMPTY_VALUES: [&str; 3] = ["null", "\"\"", "{}"];

/// One home's files.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) home: CodexHome,
    pub(crate) faults: Faults,
    pub(crate) ledger_cache: LedgerCache,
    pub(crate) neighbours: Neighbours,
    pub(crate) live_store: Arc<LiveStore>,
}

/// Proof that nobody else of us changes a saved login or switches.
#[derive(Debug)]
pub(crate) struct ProfilesLock {
    _lock: FileLock,
}

/// The live login, or what is wrong with it.
pub(crate) type LiveRead = Result<Arc<AuthDotJson>, ReadError>;

/// A folder of `profiles/`, with the name that it may or may not have.
pub(crate) type FolderName = Result<ProfileName, (String, ProfileNameError)>;

impl Disk {
    pub(crate) fn new(home: CodexHome) -> Self {
        Self::with(home, LiveStore::of_this_machine())
    }

    /// For whoever is to change nothing by looking.
    pub(crate) fn only_looked_at(home: CodexHome) -> Self {
        Self::with(home, LiveStore::of_this_machine().only_looked_at())
    }

    pub(crate) fn with(home: CodexHome, live_store: LiveStore) -> Self {
        Self {
            home,
            faults: Faults::default(),
            ledger_cache: LedgerCache::default(),
            neighbours: Neighbours::of_this_machine(),
            live_store: Arc::new(live_store),
        }
    }

    pub(crate) fn path_of(&self, place: &Place) -> PathBuf {
        match place {
            Place::Profile(name) => self.home.auth_json_of(name),
            Place::Live => self.home.auth_json(),
        }
    }

    /// What lies at a place now.
    pub(crate) fn reading(&self, place: &Place) -> Reading {
        if *place == Place::Live && !self.is_live_a_file() {
            return Reading {
                login: self.live(),
                stamp: None,
                settled: false,
            };
        }
        let path = self.path_of(place);
        if let Place::Profile(name) = place
            && let Err(error) = self.inside_profiles(name)
        {
            return Reading {
                login: Err(error),
                stamp: Stamp::of(&path),
                settled: false,
            };
        }
        read::reading(&path)
    }

    pub(crate) fn login(&self, place: &Place) -> Result<Arc<AuthDotJson>, ReadError> {
        self.reading(place).login
    }

    pub(crate) fn profile(&self, name: &ProfileName) -> Result<Arc<AuthDotJson>, ReadError> {
        self.login(&Place::Profile(name.clone()))
    }

    /// Every folder of `profiles/` that is not hidden, sorted by name.
    pub(crate) fn folders(&self) -> Result<Vec<FolderName>, StoreError> {
        let path = self.home.profiles();
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::io(&path))?,
        };
        let mut folders: Vec<FolderName> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| folder_name(&entry.file_name()))
            .collect();
        folders.sort_by(|one, other| text_of(one).cmp(text_of(other)));
        Ok(folders)
    }

    /// The names of the saved logins, sorted.
    pub(crate) fn names(&self) -> Result<Vec<ProfileName>, StoreError> {
        Ok(self.folders()?.into_iter().flatten().collect())
    }

    /// The readable saved logins of an identity, sorted by name.
    pub(crate) fn of_identity(
        &self,
        identity: &Identity,
    ) -> Result<Vec<(ProfileName, Arc<AuthDotJson>)>, StoreError> {
        let names = self.names()?.into_iter();
        Ok(names
            .filter_map(|name| {
                let login = self.profile(&name).ok()?;
                (login.identity() == *identity).then_some((name, login))
            })
            .collect())
    }

    /// Whether a new login may not be put at this name. An empty folder is free.
    pub(crate) fn is_taken(&self, name: &ProfileName) -> bool {
        match self.home.profile(name).symlink_metadata() {
            Ok(folder) if folder.is_dir() => {
                self.home.auth_json_of(name).symlink_metadata().is_ok()
            }
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// Takes away a folder that has nothing in it, such as a write leaves that came too late.
    pub(crate) fn clear_empty_folder(&self, name: &ProfileName) {
        // That there is none, or something in it, is met with by whoever needs the name.
        let _ = fs::remove_dir(self.home.profile(name));
    }

    /// The name in `.current_profile`, whether or not there is such a profile. Only a file that is
    /// missing or empty says that nobody was chosen; taking another failure for that would let
    /// another account's login serve.
    pub(crate) fn current(&self) -> Result<Option<ProfileName>, StoreError> {
        let path = self.home.current_profile();
        let name = match read::bytes(&path) {
            Ok(bytes) => chosen_in(bytes),
            Err(ReadError::Missing) => Ok(None),
            Err(error) => Err(error),
        };
        name.map_err(|source| StoreError::ChoiceUnreadable { path, source })
    }

    pub(crate) fn set_current(&self, name: &ProfileName) -> Result<(), StoreError> {
        let path = self.home.current_profile();
        atomic::write(&path, name.as_str().as_bytes()).map_err(StoreError::io(&path))
    }

    /// Whoever has the lock sees no profile between two names.
    pub(crate) fn lock_profiles(&self) -> Result<ProfilesLock, StoreError> {
        let lock = FileLock::acquire(&self.home.profiles_lock(), 0o600, PROFILES_LIMIT)?;
        let lock = ProfilesLock { _lock: lock };
        // Nothing is to keep a new token from its place.
        if let Err(error) = self.settle_rename(&lock) {
            warn!(%error, "a new name that was cut short could not be given");
        }
        Ok(lock)
    }

    /// Writes a saved login. What is there and cannot be understood is set aside first.
    pub(crate) fn write_profile(
        &self,
        _lock: &ProfilesLock,
        name: &ProfileName,
        login: &AuthDotJson,
    ) -> Result<(), StoreError> {
        let path = self.home.auth_json_of(name);
        if let Err(error @ ReadError::Outside) = self.profile(name) {
            return Err(StoreError::unusable(&path)(error));
        }
        set_aside_unreadable(&path)?;
        self.faults
            .at(Step::BeforeProfileWritten)
            .and_then(|()| atomic::write(&path, &login.to_bytes()))
            .map_err(StoreError::io(&path))
    }

    /// Takes the lock that Codex holds while it commits new tokens.
    pub(crate) fn lock_codex(&self) -> Result<FileLock, StoreError> {
        let path = self.home.codex_lock();
        Ok(FileLock::acquire(&path, 0o644, CODEX_LIMIT)?)
    }

    fn inside_profiles(&self, name: &ProfileName) -> Result<(), ReadError> {
        let profiles = self.home.profiles().canonicalize()?;
        let file = self.home.auth_json_of(name).canonicalize()?;
        if file.starts_with(profiles) {
            Ok(())
        } else {
            Err(ReadError::Outside)
        }
    }
}

fn chosen_in(bytes: Vec<u8>) -> Result<Option<ProfileName>, ReadError> {
    let text = String::from_utf8(bytes).map_err(|_| ProfileNameError::NotUtf8)?;
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Ok(None),
        name => Ok(Some(ProfileName::parse(name)?)),
    }
}

/// Keeps a copy of what is about to be replaced and cannot be understood: a login may be in it.
pub(crate) fn set_aside_unreadable(path: &Path) -> Result<(), StoreError> {
    let worth_keeping = match read::login(path) {
        Ok(_) => false,
        Err(ReadError::Content(AuthJsonError::NoLogin)) => may_hold_something(path),
        Err(error) => error.may_hold_a_login(),
    };
    if !worth_keeping {
        return Ok(());
    }
    let mark = format!("broken-{}", Timestamp::now().as_nanosecond());
    let aside = atomic::set_aside(path, &mark).map_err(StoreError::io(path))?;
    warn!(path = %path.display(), aside = %aside.display(), "an unreadable login was set aside");
    Ok(())
}

fn may_hold_something(path: &Path) -> bool {
    match read::bytes(path) {
        Ok(bytes) => holds_something(&bytes),
        Err(error) => error.may_hold_a_login(),
    }
}

/// Whether what is no login may still be worth one: a sign-in without an access token may hold its
/// refresh token, and a field that is not known anything.
pub(crate) fn holds_something(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let fields = serde_json::from_slice::<HashMap<String, Box<RawValue>>>(bytes);
    fields.map_or(true, |fields| {
        fields.iter().any(|(name, value)| {
            !NO_SECRETS.contains(&name.as_str()) && !EMPTY_VALUES.contains(&value.get())
        })
    })
}

/// Takes Codex's second lock, which lies beside the real live file.
pub(crate) fn lock_codex_file(real: &Path) -> Result<FileLock, StoreError> {
    Ok(FileLock::acquire(&beside(real), 0o600, CODEX_LIMIT)?)
}

/// Codex's second lock for the real live file.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    file.with_file_name(name)
}

fn folder_name(name: &std::ffi::OsStr) -> Option<FolderName> {
    let text = name.to_string_lossy();
    if text.starts_with('.') {
        return None;
    }
    let parsed = match name.to_str() {
        Some(text) => ProfileName::parse(text),
        None => Err(ProfileNameError::NotUtf8),
    };
    Some(parsed.map_err(|error| (text.into_owned(), error)))
}

fn text_of(folder: &FolderName) -> &str {
    match folder {
        Ok(name) => name.as_str(),
        Err((text, _)) => text,
    }
}
