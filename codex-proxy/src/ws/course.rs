use std::{borrow::Cow, fmt, sync::Arc};

use codex_auth::{CredentialError, ProfileRef, RouteHint, usage::Reading};
use jiff::Timestamp;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{
    listed::ListedTurns,
    turn::{Step, Turns, kind_of},
};
use crate::{
    ApiError,
    conversation::Passage,
    gate::Pass,
    model_rules::{Ruled, RuledTurn, TurnRules},
    route::{ProfileTable, RouteReason},
    usage::{UsageOwner, UsageSink},
};

/// Which profile a connection was made for.
#[derive(Debug)]
pub(super) struct Destination<T> {
    table: T,
    /// What the client asked for by name; it never gets another.
    wanted: Option<ProfileRef>,
    /// A rule for a model chose it.
    is_ruled: bool,
    hint: RouteHint,
}

impl<T: ProfileTable> Destination<T> {
    pub(super) fn new(table: T, hint: RouteHint, reason: Option<&RouteReason>) -> Self {
        let bound = matches!(reason, Some(RouteReason::Header | RouteReason::Key));
        let wanted = hint.profile.clone().filter(|_| bound);
        let is_ruled = matches!(reason, Some(RouteReason::ModelRule));
        Self {
            table,
            wanted,
            is_ruled,
            hint,
        }
    }

    /// Whether a request that came now, and for which this rule counts, would be served by the same
    /// login.
    async fn still_serves(&self, rule: Option<&Ruled>) -> Result<bool, CredentialError> {
        let wanted = self.wanted.as_ref().or(rule.map(|rule| &rule.profile));
        let chosen = self.table.choose(wanted).await?;
        Ok(Some(&chosen.profile) == self.hint.profile.as_ref()
            && chosen.identity == self.hint.identity)
    }
}

/// What a connection's messages are looked at for: whose turn it is, and what may not travel.
#[derive(Debug)]
pub(super) struct Course<T> {
    destination: Destination<T>,
    /// By whose leave the client goes on, if it needs any.
    pass: Option<Pass>,
    /// Which models have a profile of their own, unless the client named one.
    rules: Option<TurnRules>,
    /// Where accounts have state of their own.
    passage: Option<Passage>,
    limits: Option<LimitsOf>,
    pub(super) turns: Turns,
    pub(super) listed: ListedTurns,
}

/// Where goes what is told of the limits of the login that a connection was made with.
#[derive(Clone)]
pub(super) struct LimitsOf {
    owner: UsageOwner,
    sink: Arc<dyn UsageSink>,
}

impl LimitsOf {
    pub(super) fn new(hint: &RouteHint, sink: Arc<dyn UsageSink>) -> Option<Self> {
        let owner = UsageOwner::of_hint(hint)?;
        Some(Self { owner, sink })
    }

    fn read(&self, message: &str) {
        if let Some(reading) = Reading::of_event(message, Timestamp::now()) {
            self.sink.record(&self.owner, &reading);
        }
    }
}

impl fmt::Debug for LimitsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitsOf")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// A turn whose model is for another profile, on a connection that cannot end for it.
fn elsewhere(remedy: &str) -> ApiError {
    let message = format!(
        "a rule has another profile serve this model than the one that this connection is for: {remedy}"
    );
    ApiError::invalid_request("model_rule_elsewhere", message).with_param("model")
}

/// Why a message of the client does not go upstream.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another profile would serve it.
    Moved,
    /// The client may not go on.
    Barred(ApiError),
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
            pass: None,
            rules: None,
            passage,
            limits: None,
            turns: Turns::new(),
            listed,
        }
    }

    pub(super) fn with_pass(self, pass: Option<Pass>) -> Self {
        Self { pass, ..self }
    }

    pub(super) fn with_rules(self, rules: Option<TurnRules>) -> Self {
        Self { rules, ..self }
    }

    pub(super) fn with_limits(self, limits: Option<LimitsOf>) -> Self {
        Self { limits, ..self }
    }

    /// What a message of the upstream means for the turn. What it tells of limits is taken note of:
    /// no other message is read for that.
    pub(super) fn heard(&self, message: &Message) -> Step {
        let text = message.to_text().unwrap_or_default();
        let step = self.step_of(text);
        self.listed.heard(text, step);
        step
    }

    fn step_of(&self, text: &str) -> Step {
        let Some(kind) = kind_of(text) else {
            return Step::Goes;
        };
        if let Some(limits) = &self.limits
            && matches!(&*kind, "codex.rate_limits" | "error")
        {
            limits.read(text);
        }
        Step::of_kind(&kind)
    }

    /// What of a client's message goes upstream: as a rule all of it, as it is.
    pub(super) async fn upwards(&self, message: Utf8Bytes) -> Result<Utf8Bytes, Stop> {
        if kind_of(&message).as_deref() != Some("response.create") {
            return Ok(message);
        }
        if let Some(pass) = &self.pass {
            pass.renew().await.map_err(Stop::Barred)?;
        }
        self.stays(&message).await.inspect_err(|stop| {
            if let Stop::Refused(error) = stop {
                self.listed.refuse(&message, error);
            }
        })?;
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

    /// Whether the profile of this connection is the one that serves this message.
    async fn stays(&self, message: &str) -> Result<(), Stop> {
        let at_border = self.turns.at_border();
        let turn = match &self.rules {
            Some(rules) => rules.of(message).await,
            None => None,
        };
        let Some(turn) = turn else {
            let stays = !at_border || self.destination.still_serves(None).await.unwrap_or(false);
            return if stays { Ok(()) } else { Err(Stop::Moved) };
        };
        let rule = turn.ruled.as_ref();
        let is_ruled = rule.is_some() || self.destination.is_ruled;
        match (self.destination.still_serves(rule).await, rule) {
            (Ok(true), _) => Ok(()),
            (Err(error), Some(rule)) => Err(Stop::Refused(rule.unavailable(&error))),
            // As where there are no rules: a turn under way goes on.
            _ if !at_border && !is_ruled => Ok(()),
            _ if !at_border => Err(Stop::Refused(elsewhere("wait for the end of the answer"))),
            _ if self.moved(&turn) || !is_ruled => Err(Stop::Moved),
            _ => Err(Stop::Refused(elsewhere("send it over HTTP"))),
        }
    }

    /// Whether a connection made anew would be for the profile of this turn.
    fn moved(&self, turn: &RuledTurn) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.moved(turn))
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
        if let Some(limits) = &self.limits {
            limits.sink.served(&limits.owner);
        }
        self.turns.end();
    }
}
