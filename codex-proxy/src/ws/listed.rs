use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::Extensions;

use codex_auth::RouteHint;

use super::turn::Step;
use crate::{
    ApiError, Origin,
    error::ErrorMark,
    meter::{Read, model_at_end, model_at_start},
    requests::{OpenRequest, RequestHandle},
    route::RouteReason,
};

/// The turns of a connection as entries of a list of requests, where there is one. Of what the
/// upstream says nothing is read but the last message of a turn.
pub(super) struct ListedTurns {
    handshake: Option<RequestHandle>,
    open: Mutex<VecDeque<OpenRequest>>,
}

impl ListedTurns {
    /// In the list that the handshake would be in.
    pub(super) fn of(handshake: &Extensions) -> Self {
        let handle = handshake.get::<RequestHandle>().cloned();
        if let Some(handle) = &handle
            && let Some(profile) = handshake
                .get::<RouteHint>()
                .and_then(|it| it.profile.as_ref())
            && let Some(reason) = handshake.get::<RouteReason>()
        {
            handle.note_served(profile, *reason);
        }
        Self {
            handshake: handle,
            open: Mutex::default(),
        }
    }

    /// A turn that this message asks for begins.
    pub(super) fn begin(&self, message: &str) {
        let Some(handshake) = &self.handshake else {
            return;
        };
        let turn = handshake.turn();
        let body = message.as_bytes();
        if let Some(model) = model_at_start(body).or_else(|| model_at_end(body)) {
            turn.handle().note_asked_model(&model);
        }
        self.open().push_back(turn);
    }

    /// A message cannot be served as it is.
    pub(super) fn refuse(&self, message: &str, error: &ApiError) {
        self.begin(message);
        if let Some(turn) = self.open().pop_back() {
            fail(turn, error);
        }
    }

    /// The upstream says something to the turn under way, and this is what it means.
    pub(super) fn heard(&self, message: &str, step: Step) {
        if self.handshake.is_none() {
            return;
        }
        let mut open = self.open();
        let Some(turn) = open.front_mut() else { return };
        turn.first_byte();
        if step == Step::Goes {
            return;
        }
        if let Some(turn) = open.pop_front() {
            end(turn, message, step);
        }
    }

    /// The connection ends: what was under way failed like this, or its client has left.
    pub(super) fn broke(&self, told: Option<&ApiError>) {
        for turn in self.open().drain(..) {
            if let Some(error) = told {
                fail(turn, error);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<OpenRequest>> {
        // Nothing panics while holding it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(mut turn: OpenRequest, last: &str, step: Step) {
    let handle = turn.handle();
    Read::new().piece(last.as_bytes()).tell(handle);
    handle.note_last(last.as_bytes());
    let failed = step == Step::Failed;
    if failed {
        handle.note_error(&ErrorMark::new(Origin::Upstream, None));
    }
    let status = failed.then(|| status_of(last)).flatten();
    turn.set_status(status.unwrap_or(200));
    turn.end();
}

fn fail(mut turn: OpenRequest, error: &ApiError) {
    turn.handle().note_error(&ErrorMark::from(error));
    turn.set_status(error.status.as_u16());
    turn.end();
}

/// The status that an error message names. *Source:* wire reference 7.3.
fn status_of(message: &str) -> Option<u16> {
    #[derive(serde::Deserialize)]
    struct Message {
        #[serde(alias = "status_code")]
        status: Option<u16>,
    }
    serde_json::from_str::<Message>(message).ok()?.status
}

impl fmt::Debug for ListedTurns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedTurns").finish_non_exhaustive()
    }
}
