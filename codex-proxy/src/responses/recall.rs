//! What one request can go on from, and where its answer is kept.

use std::{fmt, mem, sync::Arc};

use codex_auth::RouteHint;
use http::{Extensions, StatusCode};
use serde_json::value::RawValue;

use super::memory::{ConnectionMemory, Draft, KeptItem, Key, ResponseMemory, Turn};
use crate::{
    error::ApiError,
    json::{JsonStr, Object},
};

/// The memories within reach of a request, for the account that will serve it.
#[derive(Debug, Clone, Default)]
pub(super) struct Memories {
    account: Option<Arc<str>>,
    connection: Option<ConnectionMemory>,
    lasting: Option<ResponseMemory>,
}

impl Memories {
    pub(super) fn of(extensions: &Extensions, lasting: Option<&ResponseMemory>) -> Self {
        let account = extensions.get::<RouteHint>().and_then(RouteHint::account);
        Self {
            account: account.map(Arc::from),
            connection: extensions.get().cloned(),
            lasting: lasting.cloned(),
        }
    }

    pub(super) fn are_none(&self) -> bool {
        self.connection.is_none() && self.lasting.is_none()
    }

    pub(super) fn are_of_a_connection(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn turn(&self, id: &str) -> Option<Arc<Turn>> {
        let key = self.key(id);
        self.each().find_map(|memory| memory.find(&key))
    }

    pub(super) fn item(&self, id: &str) -> Option<KeptItem> {
        let key = self.key(id);
        self.each().find_map(|memory| memory.find_item(&key))
    }

    pub(super) fn delete(&self, id: &str) -> bool {
        let key = self.key(id);
        // Each of them, not only the first that knows it.
        let deleted = self.each().filter(|memory| memory.delete(&key));
        deleted.count() > 0
    }

    fn each(&self) -> impl Iterator<Item = &ResponseMemory> {
        let connection = self.connection.as_ref().map(|memory| &memory.0);
        connection.into_iter().chain(&self.lasting)
    }

    fn key(&self, id: &str) -> Key {
        Key::new(&self.owner(), id)
    }

    /// Without a route there is one account, whoever that is.
    fn owner(&self) -> Arc<str> {
        self.account.clone().unwrap_or_default()
    }
}

/// A request whose answer is to be kept, or at least to say what the client asked.
pub(super) struct OpenTurn {
    pub(super) memories: Memories,
    pub(super) before: Option<Arc<Turn>>,
    /// As the client wrote it, quotes and all.
    pub(super) previous_response_id: Option<Box<RawValue>>,
    /// The new items as they were sent, with commas between them; none unless they are kept.
    pub(super) input: Box<str>,
    pub(super) store: bool,
}

impl OpenTurn {
    /// Whether anybody will want to know the answer.
    pub(super) fn is_kept(&self) -> bool {
        self.memories.are_of_a_connection() || (self.store && self.memories.lasting.is_some())
    }

    /// Takes note of the size of the answer: one that is too large is not stored.
    pub(super) fn measure(&mut self, response_bytes: usize) {
        let bytes = response_bytes + self.input.len();
        let lasting = self.memories.lasting.as_ref();
        self.store &= lasting.is_some_and(|memory| memory.fits(bytes));
    }

    /// What the response object must say of the request.
    pub(super) fn amendments(&self) -> Amendments<'_> {
        Amendments {
            previous_response_id: self.previous_response_id.as_deref(),
            store: Some(self.store && self.memories.lasting.is_some()),
        }
    }

    /// Keeps the answer, now that it is complete.
    pub(super) fn close(mut self, response: &[u8]) {
        if !self.is_kept() {
            return;
        }
        let Some(turn) = self.turn(response).map(Arc::new) else {
            return;
        };
        if let Some(connection) = &self.memories.connection {
            connection.0.keep(&turn);
        }
        if let Some(lasting) = self.memories.lasting.as_ref().filter(|_| self.store) {
            lasting.keep(&turn);
        }
    }

    fn turn(&mut self, response: &[u8]) -> Option<Turn> {
        let response = std::str::from_utf8(response).ok()?;
        let fields: Object = serde_json::from_str(response).ok()?;
        let id = fields.field("id").and_then(JsonStr::new)?.decode();
        Some(Turn::new(Draft {
            account: &self.memories.owner(),
            id: &id,
            before: self.before.take(),
            input: mem::take(&mut self.input),
            response: response.into(),
        }))
    }
}

/// What was said is never shown.
impl fmt::Debug for OpenTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OpenTurn");
        shown.field("store", &self.store).finish_non_exhaustive()
    }
}

/// What a response object says that only this side knows: the upstream was asked something else.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amendments<'a> {
    pub(super) previous_response_id: Option<&'a RawValue>,
    pub(super) store: Option<bool>,
}

/// How much of what is kept a request may still bring along: with it, it must be no larger than a
/// body may be. Counted before anything is copied, since a short id stands for any size.
pub(super) struct Room {
    left_bytes: usize,
}

impl Room {
    pub(super) fn beside(body: &[u8], body_limit_bytes: usize) -> Self {
        let left_bytes = body_limit_bytes.saturating_sub(body.len());
        Self { left_bytes }
    }

    /// # Errors
    /// 413, naming the parameter that asked for too much.
    pub(super) fn take(&mut self, bytes: usize, param: &str) -> Result<(), ApiError> {
        let left_bytes = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left_bytes.ok_or_else(|| too_long(param))?;
        Ok(())
    }
}

fn too_long(param: &str) -> ApiError {
    let message = format!(
        "with what is kept of the conversation, to which `{param}` refers, the request is larger \
         than the router accepts: begin a new conversation with what matters of it"
    );
    ApiError::invalid_request("request_too_large", message)
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
        .with_param(param)
}

/// The answer that a request wants to go on from is not there.
pub(super) fn unknown_response() -> ApiError {
    let message = "`previous_response_id` names no answer that is kept here: answers are kept in \
                   memory for some hours, up to a size, for the profile that gave them, and not \
                   with `store: false`; send the whole conversation in `input`";
    ApiError::invalid_request("previous_response_not_found", message)
        .with_param("previous_response_id")
}

/// An item that a request refers to is not there.
pub(super) fn unknown_item(param: String) -> ApiError {
    let message = format!(
        "`{param}` refers to an item that is not kept here for this profile: send the item itself"
    );
    ApiError::invalid_request("item_not_found", message).with_param(param)
}
