use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use codex_auth::ProfileRef;
use tokio::time::Instant;

use super::{RequestEntry, RequestLog, RequestState};
use crate::{
    error::ErrorMark,
    meter::{Model, Tokens},
    route::RouteReason,
};

/// Left in a request's extensions by a client over WebSocket whose turns are requests of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverWebSocket;

/// One entry, and when it began.
pub(super) struct Slot {
    id: String,
    begun: Instant,
    /// A handshake that succeeds is never listed.
    listed: AtomicBool,
    entry: Mutex<RequestEntry>,
}

impl Slot {
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id == id
    }

    pub(super) fn entry(&self) -> MutexGuard<'_, RequestEntry> {
        // Nothing panics while holding it.
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed_ms(&self) -> u64 {
        milliseconds(self.begun.elapsed())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A request of the list, for layers that know more of it. Clones are the same request.
#[derive(Clone)]
pub struct RequestHandle {
    log: RequestLog,
    slot: Arc<Slot>,
}

impl RequestHandle {
    fn new(log: RequestLog, mut entry: RequestEntry) -> Self {
        entry.id = log.free_id(entry.id);
        let slot = Slot {
            id: entry.id.clone(),
            begun: Instant::now(),
            listed: AtomicBool::new(false),
            entry: Mutex::new(entry),
        };
        let slot = Arc::new(slot);
        Self { log, slot }
    }

    /// Notes which profile it was sent with, and why.
    pub fn note_served(&self, profile: &ProfileRef, reason: RouteReason) {
        self.slot.entry().set_served(profile, reason);
    }

    /// Notes the model that was asked for, unless one has answered.
    pub fn note_asked_model(&self, model: &Model) {
        let mut entry = self.slot.entry();
        entry.model.get_or_insert_with(|| model.to_string());
    }

    /// Notes the model that answers.
    pub fn note_model(&self, model: &Model) {
        self.slot.entry().model = Some(model.to_string());
    }

    /// Notes the tokens that were used: an answer that has come to its end.
    pub fn note_tokens(&self, tokens: Tokens) {
        let mut entry = self.slot.entry();
        entry.input_tokens = Some(tokens.input);
        entry.cached_tokens = tokens.cached;
        entry.output_tokens = tokens.output;
        entry.reasoning_tokens = tokens.reasoning;
    }

    /// Notes what went wrong; what was noted first stays.
    pub fn note_error(&self, error: &ErrorMark) {
        let mut entry = self.slot.entry();
        if entry.error_by.is_none() {
            entry.error_by = Some(error.origin);
            entry.error_code = error.code.as_deref().map(str::to_owned);
        }
    }

    /// Another request of the same client, on the connection that this one made.
    pub(crate) fn turn(&self) -> OpenRequest {
        let (of, mut turn) = {
            let entry = self.slot.entry();
            let turn = RequestEntry::begun(entry.id.clone(), "WS", entry.route.clone());
            (entry.clone(), turn)
        };
        turn.client = of.client;
        turn.profile = of.profile;
        turn.reason = of.reason;
        let turn = OpenRequest::new(self.log.clone(), turn);
        turn.list();
        turn
    }

    fn is_answered(&self) -> bool {
        self.slot.entry().input_tokens.is_some()
    }

    fn tell(&self) {
        if self.slot.listed.load(Ordering::Relaxed) && self.log.is_heard() {
            let entry = self.slot.entry().clone();
            self.log.tell(entry);
        }
    }
}

impl fmt::Debug for RequestHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestHandle").field(&self.slot.id).finish()
    }
}

/// A request under way. Dropped before its end, the client has left.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    handle: RequestHandle,
    heard: bool,
    ended: bool,
}

impl OpenRequest {
    pub(super) fn new(log: RequestLog, entry: RequestEntry) -> Self {
        Self {
            handle: RequestHandle::new(log, entry),
            heard: false,
            ended: false,
        }
    }

    pub(crate) fn handle(&self) -> &RequestHandle {
        &self.handle
    }

    /// Puts it into the list.
    pub(super) fn list(&self) {
        if !self.handle.slot.listed.swap(true, Ordering::Relaxed) {
            self.handle.log.add(self.handle.slot.clone());
            self.handle.tell();
        }
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.handle.slot.entry().status = Some(status);
    }

    /// Notes that there is some of the answer; only the first time counts.
    pub(crate) fn first_byte(&mut self) {
        if std::mem::replace(&mut self.heard, true) {
            return;
        }
        let elapsed = self.handle.slot.elapsed_ms();
        self.handle.slot.entry().first_byte_ms = Some(elapsed);
        self.handle.tell();
    }

    /// Notes that it was answered to the end.
    pub(crate) fn end(&mut self) {
        self.end_as(RequestState::Done);
    }

    fn end_as(&mut self, state: RequestState) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let elapsed = self.handle.slot.elapsed_ms();
        {
            let mut entry = self.handle.slot.entry();
            entry.state = state;
            entry.duration_ms = Some(elapsed);
        }
        self.handle.tell();
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        // Codex leaves as soon as it has read the last event, which says the tokens.
        let answered = self.handle.is_answered();
        self.end_as(if answered {
            RequestState::Done
        } else {
            RequestState::Cancelled
        });
    }
}
