//! When a key was last used: written now and then, and not for every request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::debug;

use crate::{memory::lock, state::State, store::ProfileStore};

/// How exactly the time is kept.
const BETWEEN_WRITES: Duration = Duration::from_mins(1);

/// Uses that are not on disk yet, one for each key.
#[derive(Debug, Default)]
pub(crate) struct KeyUses(Mutex<Uses>);

#[derive(Debug, Default)]
struct Uses {
    seen: HashMap<Arc<str>, Timestamp>,
    written_at: Option<Instant>,
}

impl KeyUses {
    /// What is to be written now, if anything is.
    fn note(&self, name: Arc<str>) -> Option<HashMap<Arc<str>, Timestamp>> {
        let mut uses = lock(&self.0);
        uses.seen.insert(name, Timestamp::now());
        let is_due = |at: Instant| at.elapsed() >= BETWEEN_WRITES;
        if !uses.written_at.is_none_or(is_due) {
            return None;
        }
        uses.written_at = Some(Instant::now());
        Some(std::mem::take(&mut uses.seen))
    }
}

impl ProfileStore {
    /// Nobody waits for the disk.
    pub(super) fn note_key_use(&self, name: Arc<str>) {
        let Some(seen) = self.memory.key_uses.note(name) else {
            return;
        };
        let home = self.home().clone();
        tokio::task::spawn_blocking(move || {
            let written = State::update(&home, |state| state.set_keys_used(&seen));
            if let Err(error) = written {
                debug!(%error, "when keys were used could not be written");
            }
        });
    }
}

impl State {
    /// A key that was revoked meanwhile does not come back.
    fn set_keys_used(&mut self, seen: &HashMap<Arc<str>, Timestamp>) {
        self.change_client_keys(|key, fields| {
            if let Some(at) = seen.get(key.name.as_str()) {
                fields.set("last_used_at", at);
            }
        });
    }
}
