use codex_auth::ProfileRef;
use jiff::Timestamp;
use serde::Serialize;

use crate::{Origin, route::RouteReason};

/// One request, as it is shown. Holds no secret, and nothing of what was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "control", derive(utoipa::ToSchema))]
pub struct RequestEntry {
    /// Unique in the list: the request's `x-request-id`, or that with a number behind it.
    pub id: String,
    /// When it came.
    pub at: Timestamp,
    /// The client's program, such as `codex_exec 0.169`.
    pub client: Option<String>,
    /// The method; `WS` for a turn over WebSocket.
    pub method: String,
    /// The path without what names one thing alone, such as `/v1/responses/{id}`.
    pub route: String,
    /// The model that answered, else the one that was asked for.
    pub model: Option<String>,
    /// The profile that served it.
    pub profile: Option<String>,
    /// Why that one did.
    pub reason: Option<RouteReason>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Whose the error is, if there was one.
    pub error_by: Option<Origin>,
    /// Its code.
    pub error_code: Option<String>,
    /// From the request to the first byte of the answer's body.
    pub first_byte_ms: Option<u64>,
    /// From the request to the end of the answer.
    pub duration_ms: Option<u64>,
    /// Tokens of the question, those of the cache included.
    pub input_tokens: Option<u64>,
    /// Those of them that came from the cache.
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer, those of the reasoning included.
    pub output_tokens: Option<u64>,
    /// Those of them that were reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Whether it is over.
    pub state: RequestState,
}

/// Whether a request is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "control", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestState {
    /// It is under way.
    Running,
    /// It was answered to the end, be it with an error.
    Done,
    /// The client left before the end.
    Cancelled,
}

impl RequestEntry {
    pub(crate) fn begun(id: String, method: &str, route: String) -> Self {
        let at = Timestamp::now().as_millisecond();
        Self {
            id,
            // No reader needs more than milliseconds, and some know no more.
            at: Timestamp::from_millisecond(at).unwrap_or_default(),
            client: None,
            method: method.to_owned(),
            route,
            model: None,
            profile: None,
            reason: None,
            status: None,
            error_by: None,
            error_code: None,
            first_byte_ms: None,
            duration_ms: None,
            input_tokens: None,
            cached_tokens: None,
            output_tokens: None,
            reasoning_tokens: None,
            state: RequestState::Running,
        }
    }

    pub(super) fn set_served(&mut self, profile: &ProfileRef, reason: RouteReason) {
        self.profile = Some(profile.to_string());
        self.reason = Some(reason);
    }
}
