//! What this replica knows of the logins: where requests are served from.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use codex_auth::AuthDotJson;

use crate::{
    memory::lock,
    postgres::table::{Answer, Stored},
};

/// Logins by profile.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    stored: Stored,
    identity: Arc<str>,
}

impl Known {
    /// The login of a profile, and whose it is.
    pub(super) fn of(&self, profile: &str) -> Option<(Stored, Arc<str>)> {
        let known = lock(&self.0);
        let entry = known.get(profile)?;
        Some((entry.stored.clone(), entry.identity.clone()))
    }

    /// Takes over what was read, unless something newer is known.
    pub(super) fn remember(&self, stored: &Stored) {
        let mut known = lock(&self.0);
        let newer = |known: &Entry| known.stored.version >= stored.version;
        if !known.get(stored.profile.as_str()).is_some_and(newer) {
            known.insert(stored.profile.to_string(), Entry::new(stored.clone()));
        }
    }

    /// Serves an answer that the database does not have yet: as the version that it replaces, so
    /// that whatever is written there later is taken over.
    pub(super) fn serve_unwritten(&self, answer: &Answer) {
        let mut known = lock(&self.0);
        if let Some(entry) = known.get_mut(answer.profile.as_str())
            && super::table::token_of(&entry.stored.login).as_ref() == Some(&answer.spent)
        {
            let login: Arc<AuthDotJson> = answer.login.clone();
            let stored = Stored {
                login,
                refused: None,
                ..entry.stored.clone()
            };
            *entry = Entry::new(stored);
        }
    }

    pub(super) fn forget(&self, profile: &str) {
        lock(&self.0).remove(profile);
    }

    /// Each profile with its version; only these, if they are known, where some are named.
    pub(super) fn versions(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, i64)> {
        let known = lock(&self.0);
        let wanted = known.iter().filter(|(profile, _)| wanted(profile));
        wanted
            .map(|(profile, entry)| (profile.clone(), entry.stored.version))
            .collect()
    }
}

impl Entry {
    fn new(stored: Stored) -> Self {
        let identity = stored.login.identity().fingerprint().into();
        Self { stored, identity }
    }
}
