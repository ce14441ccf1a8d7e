//! What was found out about logins that are in memory: every request asks it of the same ones.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, Weak},
};

use codex_auth::AuthDotJson;

use crate::memory::lock;

/// As many logins as are likely to be in use at once.
const MOST: usize = 32;

/// Facts about logins, each of which holds as long as its login is in memory. Nothing here keeps one
/// there.
#[derive(Debug, Default)]
pub(crate) struct KnownLogins {
    fingerprints: Facts<Weak<AuthDotJson>, Arc<str>>,
    /// The saved and the live one of pairs of which neither is a newer copy of the other.
    apart: Facts<[Weak<AuthDotJson>; 2], ()>,
}

impl KnownLogins {
    /// The fingerprint of the identity of a login.
    pub(crate) fn fingerprint(&self, login: &Arc<AuthDotJson>) -> Arc<str> {
        let is_it = |known: &Weak<AuthDotJson>| is(known, login);
        self.fingerprints.find(is_it).unwrap_or_else(|| {
            let fingerprint: Arc<str> = login.identity().fingerprint().into();
            let known = (Arc::downgrade(login), fingerprint.clone());
            self.fingerprints.keep(known);
            fingerprint
        })
    }

    /// Whether the live login is no other copy of a saved one: another identity's, or the very same.
    pub(crate) fn are_apart(&self, own: &Arc<AuthDotJson>, live: &Arc<AuthDotJson>) -> bool {
        let is_it = |known: &[Weak<AuthDotJson>; 2]| is(&known[0], own) && is(&known[1], live);
        if self.apart.find(is_it).is_some() {
            return true;
        }
        let apart = live.identity() != own.identity() || live.holds_same_secrets(own);
        if apart {
            let known = [Arc::downgrade(own), Arc::downgrade(live)];
            self.apart.keep((known, ()));
        }
        apart
    }
}

/// Whether it is this very login. As long as there is a `Weak`, nothing else lies in its place.
fn is(known: &Weak<AuthDotJson>, login: &Arc<AuthDotJson>) -> bool {
    std::ptr::eq(known.as_ptr(), Arc::as_ptr(login))
}

/// The last few of something.
#[derive(Debug)]
struct Facts<K, V>(Mutex<VecDeque<(K, V)>>);

impl<K, V: Clone> Facts<K, V> {
    fn find(&self, is_it: impl Fn(&K) -> bool) -> Option<V> {
        let facts = lock(&self.0);
        let found = facts.iter().rev().find(|(known, _)| is_it(known));
        found.map(|(_, fact)| fact.clone())
    }

    fn keep(&self, fact: (K, V)) {
        let mut facts = lock(&self.0);
        if facts.len() >= MOST {
            facts.pop_front();
        }
        facts.push_back(fact);
    }
}

impl<K, V> Default for Facts<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(key: &str) -> Arc<AuthDotJson> {
        let login = json!({"auth_mode": "apikey", "OPENAI_API_KEY": key}).to_string();
        Arc::new(AuthDotJson::parse(login.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_known_of_a_login_is_what_it_says() {
        let known = KnownLogins::default();
        // More than are remembered, twice over, each where another may have been before.
        for number in 0..4 * MOST {
            let login = key(&format!("sk-{}", number % (2 * MOST)));
            let fingerprint = login.identity().fingerprint();
            assert_eq!(*known.fingerprint(&login), *fingerprint);
            assert_eq!(*known.fingerprint(&login), *fingerprint);
        }
    }

    #[test]
    fn another_account_and_the_very_same_copy_are_apart() {
        let known = KnownLogins::default();
        let (own, same, other) = (key("sk-a"), key("sk-a"), key("sk-b"));
        for _ in 0..2 {
            assert!(known.are_apart(&own, &same));
            assert!(known.are_apart(&own, &other));
        }
    }

    #[test]
    fn nothing_keeps_a_login_in_memory() {
        let known = KnownLogins::default();
        let login = key("sk-a");
        known.fingerprint(&login);
        known.are_apart(&login, &login);
        assert_eq!(Arc::strong_count(&login), 1);
    }
}
