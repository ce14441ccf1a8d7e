use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use codex_auth::{Backend, RouteHint};
use http::request::Parts;
use serde::Deserialize;

use super::{
    layer::leave_turn_state,
    threads::{Thread, Threads, thread_of},
    travel::{Foreign, Leave, Portable, ResponseBefore, is_foreign_state, portable},
};
use crate::ApiError;

/// A conversation over a connection of its own, which one account serves.
#[derive(Debug)]
pub(crate) struct Passage {
    threads: Arc<Threads>,
    name: String,
    account: String,
    last: Mutex<Last>,
}

/// What was done to the messages of this connection.
#[derive(Debug, Default)]
struct Last {
    /// What was left behind so far.
    foreign: Foreign,
    /// Of the last message, everything was.
    left_everything: bool,
    /// The last message only prepares for a turn: its answer says nothing of who can read what.
    is_prewarm: bool,
}

impl Passage {
    /// That of a handshake; nothing where accounts have no state, or the conversation no name. A
    /// turn's state of another account is taken off.
    pub(super) fn of(threads: &Arc<Threads>, parts: &mut Parts) -> Option<Self> {
        let hint = parts.extensions.get::<RouteHint>()?;
        let has_state = hint.backend == Some(Backend::ChatGpt);
        let account = hint.account().filter(|_| has_state)?.to_owned();
        let name = thread_of(&parts.headers)?;
        let leave = Leave::for_account(&account, threads.recall(&name).as_ref());
        leave_turn_state(parts, &leave);
        Some(Self {
            threads: threads.clone(),
            name,
            account,
            last: Mutex::default(),
        })
    }

    /// A message as the account can read it, borrowed if that is as it was. The id of the response
    /// before stays, since it is one of this connection.
    ///
    /// # Errors
    /// A compacted conversation cannot move.
    pub(crate) fn portable<'a>(&self, message: &'a str) -> Result<Cow<'a, str>, ApiError> {
        let thread = self.threads.recall(&self.name);
        let leave = Leave::for_account(&self.account, thread.as_ref());
        let mut last = self.last();
        last.left_everything = matches!(leave, Leave::Everything);
        last.is_prewarm = is_prewarm(message);
        if matches!(leave, Leave::Nothing) {
            return Ok(Cow::Borrowed(message));
        }
        let Portable { body, left } = portable(message.as_bytes(), &leave, ResponseBefore::Kept)?;
        last.foreign.extend(leave.known());
        last.foreign.extend(left);
        // JSON that came as text goes as text.
        Ok(String::from_utf8(body).map_or(Cow::Borrowed(message), Cow::Owned))
    }

    /// The account has answered: the conversation is now its own.
    pub(crate) fn arrived(&self) {
        let last = self.last();
        if !last.is_prewarm {
            self.note(self.account.clone(), Arc::new(last.foreign.clone()));
        }
    }

    /// Whether an error message says that the account could not read what it was sent, and leaving
    /// more behind would help: then the conversation is nobody's, and all of it is left next time.
    pub(crate) fn was_unreadable(&self, error: &str) -> bool {
        let tried = self.last().left_everything;
        let unreadable = !tried && is_foreign_state(error.as_bytes());
        if unreadable {
            self.note(String::new(), Arc::default());
        }
        unreadable
    }

    fn note(&self, account: String, foreign: Arc<Foreign>) {
        self.threads
            .note(self.name.clone(), Thread { account, foreign });
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_prewarm(message: &str) -> bool {
    #[derive(Deserialize)]
    struct Message {
        generate: Option<bool>,
    }
    serde_json::from_str::<Message>(message).is_ok_and(|it| it.generate == Some(false))
}

#[cfg(test)]
mod tests {
    use codex_auth::ProfileRef;
    use http::Request;

    use super::*;

    const FULL: &str = r#"{"type":"response.create","input":[{"type":"reasoning","encrypted_content":"gAAA"},{"type":"message"}]}"#;
    const STRIPPED: &str = r#"{"type":"response.create","input":[{"type":"message"}]}"#;

    fn passage(threads: &Arc<Threads>, profile: &str) -> Passage {
        let hint = RouteHint::profile(ProfileRef::new(profile)).with_backend(Backend::ChatGpt);
        let request = Request::get("/v1/responses")
            .header("thread-id", "t")
            .body(());
        let (mut parts, ()) = request.unwrap().into_parts();
        parts.extensions.insert(hint);
        Passage::of(threads, &mut parts).unwrap()
    }

    #[test]
    fn a_conversation_that_moves_leaves_behind_what_is_not_its_own() {
        let threads = Arc::default();
        let work = passage(&threads, "work");
        assert_eq!(work.portable(FULL).unwrap(), FULL);
        work.arrived();
        let home = passage(&threads, "home");
        assert_eq!(home.portable(FULL).unwrap(), STRIPPED);
        home.arrived();
        // On the next connection it is still another account's.
        assert_eq!(passage(&threads, "home").portable(FULL).unwrap(), STRIPPED);
    }

    /// A prewarm may come without the history, which the turn that continues it brings.
    #[test]
    fn a_prewarm_is_no_arrival_and_its_id_stays() {
        let threads = Arc::default();
        passage(&threads, "work").arrived();
        let home = passage(&threads, "home");
        let prewarm = r#"{"type":"response.create","input":[],"generate":false}"#;
        assert_eq!(home.portable(prewarm).unwrap(), prewarm);
        home.arrived();
        let id = "\"previous_response_id\":\"resp_1\",\"input\"";
        let [full, stripped] = [FULL, STRIPPED].map(|it| it.replace("\"input\"", id));
        assert_eq!(home.portable(&full).unwrap(), stripped);
        home.arrived();
        let own = full.replace("gAAA", "gBBB");
        assert_eq!(home.portable(&own).unwrap(), own);
    }

    #[test]
    fn what_cannot_be_read_is_left_behind_once() {
        let threads = Arc::default();
        let home = passage(&threads, "home");
        let error = r#"{"type":"error","error":{"code":"invalid_encrypted_content"}}"#;
        assert_eq!(home.portable(FULL).unwrap(), FULL);
        assert!(home.was_unreadable(error));
        assert_eq!(home.portable(FULL).unwrap(), STRIPPED);
        assert!(!home.was_unreadable(error), "the second time it is told");
    }

    #[test]
    fn a_compacted_conversation_is_told_so() {
        let threads = Arc::default();
        passage(&threads, "work").arrived();
        let compacted = FULL.replace("reasoning", "compaction");
        let error = passage(&threads, "home").portable(&compacted).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("conversation_not_portable"));
    }
}
