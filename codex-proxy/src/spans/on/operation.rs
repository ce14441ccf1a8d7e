use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Extensions, HeaderMap, Method, Request, header::CONTENT_TYPE};
use opentelemetry::{
    Array, Context, KeyValue, StringValue, Value,
    trace::{SpanBuilder, SpanKind, TraceContextExt as _},
};

use super::{Point, Recorded, mark};
use crate::{
    Origin,
    meter::{FinishReason, Model},
    requests::{OverWebSocket, RequestEntry, RequestState},
    route::RouteReason,
    ws::is_handshake,
};

/// A request that a model is asked by, from its beginning to the end of its answer.
pub(crate) struct Operation(Mutex<State>);

enum State {
    /// Nothing of it is recorded, or it is over.
    None,
    /// A handshake, whose turns will be.
    Connection(Point),
    Live(Live),
}

struct Live {
    /// What its steps are children of: itself, if a model is asked.
    point: Point,
    asks: Option<Asks>,
}

/// A model is asked.
struct Asks {
    operation: &'static str,
    span: Context,
    has_model: bool,
    streams: bool,
    finish: FinishReason,
}

impl Operation {
    /// The operation that a request is, at this route.
    pub(crate) fn of<B>(request: &Request<B>, route: &str) -> Self {
        let Some(point) = request.extensions().get::<Point>().cloned() else {
            return Self(Mutex::new(State::None));
        };
        if is_handshake(request) {
            return Self(Mutex::new(State::Connection(point)));
        }
        let by_socket = request.extensions().get::<OverWebSocket>().is_some();
        let asks = by_socket || request.method() == Method::POST;
        let kind = if asks { Kind::of(route) } else { None };
        Self::begun(point, kind)
    }

    /// A turn of the connection that this handshake made.
    pub(crate) fn turn(&self, route: &str) -> Self {
        let State::Connection(point) = &*self.state() else {
            return Self(Mutex::new(State::None));
        };
        let turn = Self::begun(point.detached(), Kind::of(route));
        if let State::Live(Live {
            asks: Some(asks), ..
        }) = &mut *turn.state()
        {
            asks.streams = true;
        }
        turn
    }

    fn begun(mut point: Point, kind: Option<Kind>) -> Self {
        let asks = kind.map(|kind| kind.begin(&point));
        if let Some(asks) = &asks {
            point.parent = asks.span.clone();
        }
        Self(Mutex::new(State::Live(Live { point, asks })))
    }

    /// Makes what follows a part of it.
    pub(crate) fn lead(&self, extensions: &mut Extensions) {
        if let State::Live(live) = &*self.state() {
            extensions.insert(live.point.clone());
        }
    }

    /// The model that is asked; the first one counts.
    pub(crate) fn asks(&self, model: &Model) {
        self.with(|asks| {
            if !mem::replace(&mut asks.has_model, true) {
                let span = asks.span.span();
                span.update_name(format!("{} {model}", asks.operation));
                span.set_attribute(KeyValue::new("gen_ai.request.model", model.to_string()));
            }
        });
    }

    /// The head of the answer.
    pub(crate) fn answers(&self, head: &HeaderMap) {
        self.with(|asks| {
            let kind = head.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
            asks.streams = kind.is_some_and(|it| it.starts_with(b"text/event-stream"));
        });
    }

    /// A piece of the upstream's answer.
    pub(crate) fn hears(&self, piece: &[u8]) {
        self.with(|asks| asks.finish.piece(piece));
    }

    /// There is some of the answer, this long after the question.
    pub(crate) fn first_byte(&self, after: Duration) {
        self.with(|asks| {
            let span = asks.span.span();
            span.add_event("first_byte", Vec::new());
            if asks.streams {
                let name = "gen_ai.response.time_to_first_chunk";
                span.set_attribute(KeyValue::new(name, after.as_secs_f64()));
            }
        });
    }

    /// It is over, and this is what is known of it. Only the first time counts.
    pub(crate) fn end(&self, entry: &RequestEntry) {
        let state = mem::replace(&mut *self.state(), State::None);
        if let State::Live(live) = state {
            live.end(entry);
        }
    }

    fn with(&self, tell: impl FnOnce(&mut Asks)) {
        if let State::Live(Live {
            asks: Some(asks), ..
        }) = &mut *self.state()
        {
            tell(asks);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

impl Live {
    fn end(self, entry: &RequestEntry) {
        let failure = failure_of(entry);
        if let (Some(root), Some(kind)) = (&self.point.root, &failure) {
            tell_root(root, entry, kind);
        }
        if let Some(asks) = self.asks {
            asks.end(entry, failure);
        }
    }
}

/// Why a request was not answered to the end, in a word.
fn failure_of(entry: &RequestEntry) -> Option<String> {
    if entry.state == RequestState::Cancelled {
        return Some("client_closed".to_owned());
    }
    entry.error_by?;
    let status = || entry.status.map(|status| status.to_string());
    let kind = entry.error_code.clone().or_else(status);
    Some(kind.unwrap_or_else(|| "_OTHER".to_owned()))
}

/// An error of the client's is none of the server's (HTTP semantic conventions), but one that came
/// after the head is.
fn tell_root(root: &Arc<Recorded>, entry: &RequestEntry, kind: &str) {
    let is_clients = entry
        .status
        .is_some_and(|status| (400..500).contains(&status));
    if !is_clients || entry.state == RequestState::Cancelled {
        root.fail(kind.to_owned());
    }
}

/// What is asked of a model.
#[derive(Clone, Copy)]
struct Kind {
    operation: &'static str,
    api: Option<&'static str>,
}

impl Kind {
    fn of(route: &str) -> Option<Self> {
        let (operation, api) = match route {
            "/v1/chat/completions" => ("chat", Some("chat_completions")),
            "/v1/responses" | "/v1/responses/compact" => ("chat", Some("responses")),
            "/v1/completions" => ("text_completion", None),
            "/v1/embeddings" => ("embeddings", None),
            _ => return None,
        };
        Some(Self { operation, api })
    }

    fn begin(self, point: &Point) -> Asks {
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", self.operation),
            KeyValue::new("gen_ai.provider.name", "openai"),
        ];
        attributes.extend(self.api.map(|api| KeyValue::new("openai.api.type", api)));
        let builder = SpanBuilder::from_name(self.operation)
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        Asks {
            operation: self.operation,
            span: point.child(builder),
            has_model: false,
            streams: false,
            finish: FinishReason::default(),
        }
    }
}

impl Asks {
    fn end(self, entry: &RequestEntry, failure: Option<String>) {
        let span = self.span.span();
        if span.is_recording() {
            span.set_attributes(self.attributes(entry));
            if let Some(kind) = failure {
                mark(&self.span, kind);
            }
        }
        span.end();
    }

    fn attributes(&self, entry: &RequestEntry) -> Vec<KeyValue> {
        let text = |name, value: Option<&str>| Some(KeyValue::new(name, value?.to_owned()));
        let count = |name, value: Option<u64>| {
            let value = i64::try_from(value?).unwrap_or(i64::MAX);
            Some(KeyValue::new(name, value))
        };
        let finish = self.finish.word().map(|word| {
            let words = vec![StringValue::from(word)];
            KeyValue::new(
                "gen_ai.response.finish_reasons",
                Value::Array(Array::String(words)),
            )
        });
        let answered = entry
            .model
            .as_deref()
            .filter(|_| entry.input_tokens.is_some());
        let stream = self
            .streams
            .then(|| KeyValue::new("gen_ai.request.stream", true));
        let all = [
            text("gen_ai.response.model", answered),
            count("gen_ai.usage.input_tokens", entry.input_tokens),
            count("gen_ai.usage.cache_read.input_tokens", entry.cached_tokens),
            count("gen_ai.usage.output_tokens", entry.output_tokens),
            count(
                "gen_ai.usage.reasoning.output_tokens",
                entry.reasoning_tokens,
            ),
            text("codex_router.profile", entry.profile.as_deref()),
            text("codex_router.reason", entry.reason.map(RouteReason::as_str)),
            text("codex_router.client", entry.client.as_deref()),
            text("codex_router.error_by", entry.error_by.map(Origin::as_str)),
            finish,
            stream,
        ];
        all.into_iter().flatten().collect()
    }
}
