use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use http::HeaderMap;

use super::travel::Foreign;

/// A few weeks of one person's threads; the oldest are forgotten first.
const MOST_THREADS: usize = 4096;
/// Longer names are not Codex's, and are not remembered.
const LONGEST_NAME_BYTES: usize = 256;

/// What is known of each thread.
#[derive(Debug, Default)]
pub(super) struct Threads(Mutex<Known>);

/// Which account served a thread last, and what in it others encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) account: String,
    pub(super) foreign: Arc<Foreign>,
}

#[derive(Debug, Default)]
struct Known {
    threads: HashMap<String, Thread>,
    in_order: VecDeque<String>,
}

impl Threads {
    pub(super) fn recall(&self, name: &str) -> Option<Thread> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.threads.get(name).cloned()
    }

    pub(super) fn note(&self, name: String, thread: Thread) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.threads.insert(name.clone(), thread).is_none() {
            known.in_order.push_back(name);
        }
        if known.in_order.len() > MOST_THREADS
            && let Some(oldest) = known.in_order.pop_front()
        {
            known.threads.remove(&oldest);
        }
    }
}

/// What Codex calls the conversation a request belongs to. *Source:* wire reference 5.3.
pub(crate) fn thread_of(headers: &HeaderMap) -> Option<String> {
    let named = |name| headers.get(name)?.to_str().ok();
    let name = named("thread-id").or_else(|| named("session-id"))?;
    (name.len() <= LONGEST_NAME_BYTES).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_threads_are_forgotten() {
        let threads = Threads::default();
        let account = "work".to_owned();
        let thread = Thread {
            account,
            foreign: Arc::default(),
        };
        for number in 0..=MOST_THREADS {
            threads.note(number.to_string(), thread.clone());
        }
        assert_eq!(threads.recall("0"), None);
        assert_eq!(threads.recall("1"), Some(thread));
    }
}
