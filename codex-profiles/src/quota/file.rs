//! `router/usage.json`.

use std::{io, path::Path, time::Duration};

use codex_auth::usage::Limits;
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use tracing::warn;

use super::Account;
use crate::{
    error::StoreError,
    fs::{ReadError, atomic, lock::FileLock, read},
    home::CodexHome,
    object::Object,
};

const VERSION: u32 = 1;
const LOCK_LIMIT: Duration = Duration::from_secs(10);
/// The readings of a login that nobody has had for so long are left out.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The content of the file. Fields unknown to this version survive.
#[derive(Debug, Default)]
pub(super) struct UsageFile {
    fields: Object,
    accounts: Object,
}

impl UsageFile {
    pub(super) fn lock(home: &CodexHome) -> Result<FileLock, StoreError> {
        let path = home.usage_lock();
        Ok(FileLock::acquire(&path, 0o600, LOCK_LIMIT)?)
    }

    /// What is broken holds nothing that could not be read again.
    pub(super) fn read(path: &Path) -> Self {
        let read = read::bytes(path).map(|bytes| serde_json::from_slice::<Object>(&bytes));
        match read {
            Ok(Ok(fields)) => Self {
                accounts: fields.read("accounts").unwrap_or_default(),
                fields,
            },
            Err(ReadError::Missing) => Self::default(),
            Ok(Err(_)) | Err(_) => {
                warn!(path = %path.display(), "the quota on disk is unreadable, and is read anew");
                Self::default()
            }
        }
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = (String, Account)> {
        let account = |identity: &str| {
            let entry: Object = self.accounts.read(identity)?;
            let account = Account {
                limits: entry.read("limits")?,
                alarms: entry.read("told").unwrap_or_default(),
            };
            Some((identity.to_owned(), account))
        };
        self.accounts.names().filter_map(account)
    }

    /// Sets what is known of an account; what people were told of it by those who tell them.
    pub(super) fn set(&mut self, identity: &str, account: &Account, tells: bool) {
        if is_outdated(&account.limits) {
            let _: Option<Box<RawValue>> = self.accounts.remove(identity);
            return;
        }
        let mut entry: Object = self.accounts.read(identity).unwrap_or_default();
        entry.set("limits", &account.limits);
        if tells {
            entry.set("told", &account.alarms);
        }
        self.accounts.set(identity, &entry);
    }

    pub(super) fn write(&mut self, path: &Path) -> io::Result<()> {
        let version = self.fields.read("version").unwrap_or(VERSION);
        self.fields.set("version", &version);
        self.fields.set("accounts", &self.accounts);
        atomic::write(path, &serde_json::to_vec(&self.fields)?)
    }
}

fn is_outdated(limits: &Limits) -> bool {
    let age = |read_at| Timestamp::now().duration_since(read_at);
    limits
        .read_at()
        .is_none_or(|read_at| age(read_at) > KEPT_FOR)
}
