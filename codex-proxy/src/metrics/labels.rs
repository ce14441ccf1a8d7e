//! Labels, each of a bounded set.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use http::{Method, Request, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use crate::{Origin, requests::RequestEntry, route::RouteReason};

/// How many profiles are told apart.
const MOST_PROFILES: usize = 128;
/// What the others are called.
const OTHERS: &str = "(other)";

/// The name of a profile; empty where none was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ProfileLabel(Arc<str>);

impl EncodeLabelValue for ProfileLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&&*self.0, encoder)
    }
}

/// The names of profiles that were seen, so that a label costs no allocation.
#[derive(Debug, Default)]
pub(super) struct ProfileNames {
    seen: RwLock<HashSet<Arc<str>>>,
}

impl ProfileNames {
    pub(super) fn label(&self, name: Option<&str>) -> ProfileLabel {
        let name = name.unwrap_or_default();
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let known = seen.get(name).cloned();
        drop(seen);
        ProfileLabel(known.unwrap_or_else(|| self.learn(name)))
    }

    fn learn(&self, name: &str) -> Arc<str> {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let name = if seen.len() < MOST_PROFILES {
            name
        } else {
            OTHERS
        };
        if let Some(known) = seen.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        seen.insert(name.clone());
        name
    }
}

/// What a request to a path was for. Everything below `/v1` that is not named here is one.
pub(super) fn route_of(path: &str) -> Word {
    Word(match path {
        "/v1/responses" => "responses",
        "/v1/chat/completions" => "chat_completions",
        "/v1/completions" => "completions",
        "/v1/models" => "models",
        "/healthz" | "/readyz" => "health",
        "/metrics" => "metrics",
        "/" => "page",
        _ if path.starts_with("/v1/models/") => "models",
        _ if path.starts_with("/v1/") => "other_api",
        _ if path.starts_with("/api/") => "page",
        _ => "unknown",
    })
}

/// The same of a request in a list; a turn over WebSocket is none of its path.
pub(super) fn route_of_entry(entry: &RequestEntry) -> Word {
    match entry.method.as_str() {
        "WS" => WEBSOCKET,
        _ => route_of(&entry.route),
    }
}

/// The same of a request that is no entry; a handshake is one until it has failed.
pub(super) fn route_of_request<B>(request: &Request<B>) -> Word {
    match route_of(request.uri().path()) {
        Word("responses") if request.method() == Method::GET => WEBSOCKET,
        route => route,
    }
}

const WEBSOCKET: Word = Word("websocket");

/// The first digit of a status; `none` where there was no answer.
pub(super) fn class_of(status: Option<u16>) -> Word {
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    let class = status.and_then(|status| classes.get(usize::from(status / 100).wrapping_sub(1)));
    Word(class.unwrap_or(&"none"))
}

/// Whatever has a fixed set of words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Word(pub(super) &'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

impl From<Option<RouteReason>> for Word {
    fn from(reason: Option<RouteReason>) -> Self {
        Self(reason.map_or("", RouteReason::as_str))
    }
}

impl From<Origin> for Word {
    fn from(origin: Origin) -> Self {
        Self(origin.as_str())
    }
}

/// A status as it is, if it is one: three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Status(pub(super) u16);

impl Status {
    pub(super) fn of(status: Option<u16>) -> Self {
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        Self(status.map_or(0, |status| status.as_u16()))
    }
}

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self.0 {
            0 => Ok(()),
            status => EncodeLabelValue::encode(&u64::from(status), encoder),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answered {
    pub(super) profile: ProfileLabel,
    pub(super) route: Word,
    pub(super) status: Word,
    pub(super) reason: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Failed {
    pub(super) profile: ProfileLabel,
    pub(super) route: Word,
    pub(super) origin: Word,
    pub(super) status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Served {
    pub(super) profile: ProfileLabel,
    pub(super) route: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRoute {
    pub(super) route: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfProfile {
    pub(super) profile: ProfileLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Counts {
    pub(super) profile: ProfileLabel,
    pub(super) kind: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfWindow {
    pub(super) profile: ProfileLabel,
    pub(super) window: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct InState {
    pub(super) state: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WithResult {
    pub(super) result: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Build {
    pub(super) version: Word,
}
