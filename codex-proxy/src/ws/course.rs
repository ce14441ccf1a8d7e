use std::borrow::Cow;

use codex_auth::{ProfileRef, RouteHint};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{
    listed::ListedTurns,
    turn::{Step, Turns, kind_of},
};
use crate::{
    ApiError,
    conversation::Passage,
    route::{ProfileTable, RouteReason},
};

/// Which profile a connection was made for.
#[derive(Debug)]
pub(super) struct Destination<T> {
    table: T,
    /// What the client asked for by name; it never gets another.
    wanted: Option<ProfileRef>,
    hint: RouteHint,
}

impl<T: ProfileTable> Destination<T> {
    pub(super) fn new(table: T, hint: RouteHint, reason: Option<&RouteReason>) -> Self {
        let bound = matches!(reason, Some(RouteReason::Header | RouteReason::Key));
        let wanted = hint.profile.clone().filter(|_| bound);
        Self {
            table,
            wanted,
            hint,
        }
    }

    /// Whether a request that came now would be served by the same login.
    async fn still_serves(&self) -> bool {
        let chosen = self.table.choose(self.wanted.as_ref()).await;
        chosen.is_ok_and(|chosen| {
            Some(&chosen.profile) == self.hint.profile.as_ref()
                && chosen.identity == self.hint.identity
        })
    }
}

/// What a connection's messages are looked at for: whose turn it is, and what may not travel.
#[derive(Debug)]
pub(super) struct Course<T> {
    destination: Destination<T>,
    /// Where accounts have state of their own.
    passage: Option<Passage>,
    pub(super) turns: Turns,
    pub(super) listed: ListedTurns,
}

/// Why a message of the client does not go upstream.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another profile would serve it.
    Moved,
    /// It cannot be served as it is; the next one may.
    Refused(ApiError),
}

impl<T: ProfileTable> Course<T> {
    pub(super) fn new(
        destination: Destination<T>,
        passage: Option<Passage>,
        listed: ListedTurns,
    ) -> Self {
        Self {
            destination,
            passage,
            turns: Turns::new(),
            listed,
        }
    }

    /// What of a client's message goes upstream: as a rule all of it, as it is.
    pub(super) async fn upwards(&self, message: Utf8Bytes) -> Result<Utf8Bytes, Stop> {
        if kind_of(&message).as_deref() != Some("response.create") {
            return Ok(message);
        }
        if self.turns.at_border() && !self.destination.still_serves().await {
            return Err(Stop::Moved);
        }
        let portable = self
            .passage
            .as_ref()
            .map(|passage| passage.portable(&message));
        let portable = portable.transpose().map_err(|error| {
            self.listed.refuse(&message, &error);
            Stop::Refused(error)
        })?;
        self.turns.begin();
        self.listed.begin(&message);
        Ok(match portable {
            Some(Cow::Owned(rest)) => rest.into(),
            Some(Cow::Borrowed(_)) | None => message,
        })
    }

    /// Whether an error says that the account cannot read what it was sent, and it would help if
    /// the client sent everything again.
    pub(super) fn was_unreadable(&self, error: &Message) -> bool {
        let passage = self.passage.as_ref();
        passage.is_some_and(|passage| error.to_text().is_ok_and(|it| passage.was_unreadable(it)))
    }

    /// Takes note of a message that went to the client.
    pub(super) fn took(&self, step: Step) {
        if step == Step::Goes {
            return;
        }
        if let (Some(passage), Step::Answered) = (&self.passage, step) {
            passage.arrived();
        }
        self.turns.end();
    }
}
