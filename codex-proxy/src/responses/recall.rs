//! What one request can go on from, and where its answer is kept.

use std::{fmt, sync::Arc};

use codex_auth::RouteHint;
use http::{Extensions, StatusCode};
use serde_json::value::RawValue;

use super::memory::{ConnectionMemory, Draft, KeptItem, Key, Owner, ResponseMemory, Turn};
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
        self.places(id).find_map(|(memory, key)| memory.find(&key))
    }

    pub(super) fn item(&self, id: &str) -> Option<KeptItem> {
        let mut places = self.places(id);
        places.find_map(|(memory, key)| memory.find_item(&key))
    }

    pub(super) fn delete(&self, id: &str) -> bool {
        let mut places = self.places(id);
        places.any(|(memory, key)| memory.delete(&key))
    }

    /// Where something of this id may be: what is stored is found from every connection.
    fn places(&self, id: &str) -> impl Iterator<Item = (&ResponseMemory, Key)> {
        let connection = self.connection.as_ref();
        let connection = connection.map(|it| (it.memory(), self.owner(Some(it))));
        let lasting = self.lasting.as_ref();
        let lasting = lasting.map(|memory| (memory, self.owner(None)));
        let places = connection.into_iter().chain(lasting);
        places.map(move |(memory, owner)| (memory, Key::new(&owner, id)))
    }

    /// Without a route there is one account, whoever that is.
    fn owner(&self, connection: Option<&ConnectionMemory>) -> Owner {
        Owner {
            account: self.account.clone().unwrap_or_default(),
            connection: connection.map(ConnectionMemory::number),
        }
    }
}

/// A request whose answer is to be kept, or at least to say what the client asked.
pub(super) struct OpenTurn {
    pub(super) memories: Memories,
    pub(super) before: Option<Arc<Turn>>,
    /// As the client wrote it, quotes and all.
    pub(super) previous_response_id: Option<Box<RawValue>>,
    /// The new items as they were sent, with commas between them; none unless they are kept.
    pub(super) input: Arc<str>,
    pub(super) store: bool,
}

impl OpenTurn {
    /// Whether anybody will want to know the answer.
    pub(super) fn is_kept(&self) -> bool {
        self.memories.are_of_a_connection() || (self.store && self.memories.lasting.is_some())
    }

    /// Keeps the answer, now that it is complete, and gives it as the client is to have it: only
    /// when it is kept is it known whether it is stored.
    pub(super) fn close(
        self,
        written: impl Fn(Amendments<'_>) -> Option<Box<RawValue>>,
    ) -> Option<Box<RawValue>> {
        if let Some(lasting) = self.memories.lasting.as_ref().filter(|_| self.store) {
            let response = written(self.amendments(true))?;
            if lasting.fits(response.get().len() + self.input.len())
                && self.keep(lasting, &self.memories.owner(None), response.get())
            {
                return Some(response);
            }
        }
        let response = written(self.amendments(false))?;
        self.keep_on_connection(response.get());
        Some(response)
    }

    /// Keeps an answer for its connection alone; says whether that was possible.
    pub(super) fn keep_on_connection(&self, response: &str) -> bool {
        self.memories.connection.as_ref().is_some_and(|connection| {
            let owner = self.memories.owner(Some(connection));
            self.keep(connection.memory(), &owner, response)
        })
    }

    fn amendments(&self, store: bool) -> Amendments<'_> {
        Amendments {
            previous_response_id: self.previous_response_id.as_deref(),
            store: Some(store),
        }
    }

    fn keep(&self, memory: &ResponseMemory, owner: &Owner, response: &str) -> bool {
        let turn = self.turn(owner, response).map(Arc::new);
        turn.is_some_and(|turn| memory.keep(&turn))
    }

    fn turn(&self, owner: &Owner, response: &str) -> Option<Turn> {
        let fields: Object = serde_json::from_str(response).ok()?;
        let id = fields.field("id").and_then(JsonStr::new)?.decode();
        Some(Turn::new(Draft {
            owner,
            id: &id,
            before: self.before.clone(),
            input: self.input.clone(),
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
