//! A vault in memory that refuses and hangs when it is told to.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex},
};

use serde_json::Value;

use crate::{
    home::CodexHome,
    live::vault::{SecretBytes, Vault, VaultError, account_of},
};

/// Clones share their entries, as programs share a keyring.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeVault(Arc<(Mutex<Inside>, Condvar)>);

#[derive(Debug, Default)]
struct Inside {
    entries: HashMap<String, Vec<u8>>,
    mood: Mood,
    /// Answered or not.
    reads: usize,
    writes: usize,
    /// What somebody else writes right before a reading, and how many that is away.
    interjection: Option<(usize, String, Vec<u8>)>,
}

/// How it behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Open,
    /// Everything fails.
    Closed,
    /// Reads are answered, writes fail.
    ReadOnly,
    /// Nothing is answered until the mood changes.
    Hanging,
}

impl FakeVault {
    pub(crate) fn behave(&self, mood: Mood) {
        self.inside(|inside| inside.mood = mood);
        self.0.1.notify_all();
    }

    /// What Codex does at a sign-in.
    pub(crate) fn put(&self, home: &CodexHome, login: &Value) {
        self.put_bytes(home, login.to_string().as_bytes());
    }

    pub(crate) fn put_bytes(&self, home: &CodexHome, bytes: &[u8]) {
        let account = account_of(home.root());
        self.inside(|inside| inside.entries.insert(account, bytes.to_vec()));
    }

    pub(crate) fn bytes(&self, home: &CodexHome) -> Option<Vec<u8>> {
        let account = account_of(home.root());
        self.inside(|inside| inside.entries.get(&account).cloned())
    }

    pub(crate) fn get(&self, home: &CodexHome) -> Value {
        serde_json::from_slice(&self.bytes(home).unwrap()).unwrap()
    }

    pub(crate) fn reads(&self) -> usize {
        self.inside(|inside| inside.reads)
    }

    pub(crate) fn writes(&self) -> usize {
        self.inside(|inside| inside.writes)
    }

    pub(crate) fn clear(&self) {
        self.inside(|inside| inside.entries.clear());
    }

    /// Has Codex write `login` right before the `reading`th reading from now on.
    pub(crate) fn interject(&self, reading: usize, home: &CodexHome, login: &Value) {
        let (account, bytes) = (account_of(home.root()), login.to_string().into_bytes());
        self.inside(|inside| inside.interjection = Some((reading, account, bytes)));
    }

    fn inside<T>(&self, work: impl FnOnce(&mut Inside) -> T) -> T {
        work(&mut self.0.0.lock().unwrap())
    }

    fn answer<T>(
        &self,
        refusing: &[Mood],
        work: impl FnOnce(&mut Inside) -> T,
    ) -> Result<T, VaultError> {
        let inside = self.0.0.lock().unwrap();
        let hangs = |inside: &mut Inside| inside.mood == Mood::Hanging;
        let mut inside = self.0.1.wait_while(inside, hangs).unwrap();
        if refusing.contains(&inside.mood) {
            return Err(VaultError::Refused("it is closed".to_owned()));
        }
        Ok(work(&mut inside))
    }
}

impl Inside {
    fn interject(&mut self) {
        if let Some((left, account, bytes)) = self.interjection.take() {
            match left {
                1 => drop(self.entries.insert(account, bytes)),
                _ => self.interjection = Some((left - 1, account, bytes)),
            }
        }
    }
}

impl Vault for FakeVault {
    fn read(&self, account: &str) -> Result<Option<SecretBytes>, VaultError> {
        self.inside(|inside| inside.reads += 1);
        self.answer(&[Mood::Closed], |inside| {
            inside.interject();
            inside.entries.get(account).cloned().map(SecretBytes::new)
        })
    }

    fn write(&self, account: &str, value: &SecretBytes) -> Result<(), VaultError> {
        self.answer(&[Mood::Closed, Mood::ReadOnly], |inside| {
            inside.writes += 1;
            let bytes = value.expose().to_vec();
            inside.entries.insert(account.to_owned(), bytes);
        })
    }
}
