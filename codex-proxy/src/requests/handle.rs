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
use tracing::Span;

use super::{EndedRequest, RequestEntry, RequestLog, RequestState, overhead::Overhead};
use crate::{
    Origin,
    error::ErrorMark,
    meter::{Model, Tokens},
    route::RouteReason,
    spans::Operation,
};

/// Left in a request's extensions by a client over WebSocket whose turns are requests of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverWebSocket;

/// One entry, and when it began.
pub(super) struct Slot {
    id: String,
    begun: Instant,
    /// That of the request: its end may come when nobody is in it.
    span: Span,
    /// A handshake that succeeds is never listed.
    listed: AtomicBool,
    overhead: Overhead,
    operation: Operation,
    entry: Mutex<RequestEntry>,
}

impl Slot {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn entry(&self) -> MutexGuard<'_, RequestEntry> {
        // Nothing panics while holding it.
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_listed(&self) -> bool {
        self.listed.load(Ordering::Relaxed)
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
    fn new(log: RequestLog, mut entry: RequestEntry, operation: Operation) -> Self {
        entry.id = log.free_id(entry.id);
        let slot = Slot {
            id: entry.id.clone(),
            begun: Instant::now(),
            span: Span::current(),
            listed: AtomicBool::new(false),
            overhead: Overhead::default(),
            operation,
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
        self.slot.operation.asks(model);
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

    /// Notes that the upstream is asked, perhaps once more.
    pub(crate) fn note_sent(&self) {
        self.slot.overhead.sent(self.slot.begun.elapsed());
    }

    /// Notes that the upstream has begun to answer, or will not.
    pub(crate) fn note_answered(&self) {
        self.slot.overhead.answered(self.slot.begun.elapsed());
    }

    /// Notes that there is more of the upstream's answer.
    pub(crate) fn note_heard(&self, piece: &[u8]) {
        self.slot.overhead.heard(self.slot.begun.elapsed());
        self.slot.operation.hears(piece);
    }

    /// Notes the last of what the upstream says, where nothing before it was read.
    pub(crate) fn note_last(&self, message: &[u8]) {
        self.slot.operation.hears(message);
    }

    /// The span of this request.
    pub(super) fn operation(&self) -> &Operation {
        &self.slot.operation
    }

    /// Notes that nobody will see when the rest of the upstream's answer comes.
    pub(crate) fn note_unread(&self) {
        self.slot.overhead.unread();
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
        let operation = self.slot.operation.turn(&turn.route);
        let turn = OpenRequest::new(self.log.clone(), turn, operation);
        turn.list();
        turn
    }

    fn is_answered(&self) -> bool {
        self.slot.entry().input_tokens.is_some()
    }

    fn tell(&self) {
        if self.slot.is_listed() && self.log.is_heard() {
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
    first_byte: Option<Duration>,
    added: Option<Duration>,
    /// The id that the client gets in the place of its own: the upstream's.
    answer_id: Option<String>,
    ended: bool,
}

impl OpenRequest {
    pub(super) fn new(log: RequestLog, entry: RequestEntry, operation: Operation) -> Self {
        Self {
            handle: RequestHandle::new(log, entry, operation),
            first_byte: None,
            added: None,
            answer_id: None,
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
            if let Some(observer) = self.handle.log.observer() {
                observer.began();
            }
        }
    }

    /// Notes the id of the answer, if it is another one than that of the request.
    pub(super) fn set_answer_id(&mut self, id: &str) {
        if id != self.handle.slot.id() {
            self.answer_id = Some(id.to_owned());
        }
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.handle.slot.entry().status = Some(status);
    }

    /// Notes that there is some of the answer; only the first time counts.
    pub(crate) fn first_byte(&mut self) {
        if self.first_byte.is_some() {
            return;
        }
        let slot = &self.handle.slot;
        let elapsed = slot.begun.elapsed();
        self.first_byte = Some(elapsed);
        self.added = slot.overhead.of(elapsed);
        slot.operation.first_byte(elapsed);
        slot.entry().first_byte_ms = Some(milliseconds(elapsed));
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
        let duration = self.handle.slot.begun.elapsed();
        {
            let mut entry = self.handle.slot.entry();
            entry.state = state;
            entry.duration_ms = Some(milliseconds(duration));
            self.observe(&entry, duration);
            if self.handle.slot.is_listed() {
                self.handle.slot.operation.end(&entry);
                let answer_id = self.answer_id.as_deref();
                let note = || note_access(&entry, answer_id);
                self.handle.slot.span.in_scope(note);
            }
        }
        self.handle.tell();
    }

    fn observe(&self, entry: &RequestEntry, duration: Duration) {
        if let Some(observer) = self.handle.log.observer()
            && self.handle.slot.is_listed()
        {
            observer.ended(&EndedRequest {
                first_byte: self.first_byte,
                added: self.added,
                ..EndedRequest::new(entry, duration)
            });
        }
    }
}

/// One line for a request that is over. A desktop, where nobody reads them, is spared them: they
/// come with the level `debug`, or `codex_router::access=debug` for them alone.
fn note_access(entry: &RequestEntry, answer_id: Option<&str>) {
    tracing::debug!(
        target: "codex_router::access",
        id = entry.id,
        answer_id,
        method = entry.method,
        route = entry.route,
        client = entry.client,
        model = entry.model,
        profile = entry.profile,
        reason = entry.reason.map(RouteReason::as_str),
        status = entry.status,
        error_by = entry.error_by.map(Origin::as_str),
        error_code = entry.error_code,
        first_byte_ms = entry.first_byte_ms,
        duration_ms = entry.duration_ms,
        input_tokens = entry.input_tokens,
        output_tokens = entry.output_tokens,
        cancelled = entry.state == RequestState::Cancelled,
        "answered"
    );
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
