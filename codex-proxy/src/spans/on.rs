//! Spans, of requests whose trace is recorded.

mod operation;
mod step;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{Extensions, Method};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, Status, TraceContextExt as _},
};

pub(crate) use self::{operation::Operation, step::Step};
use crate::{ApiError, traces::Traces};

/// In a request's extensions: what its next spans are children of. Without it, nothing is recorded.
#[derive(Clone)]
pub(crate) struct Point {
    traces: Traces,
    parent: Context,
    /// The span of the whole request, unless this is one of the turns of a connection.
    root: Option<Arc<Recorded>>,
}

impl Point {
    pub(crate) fn new(traces: Traces, root: Arc<Recorded>) -> Self {
        Self {
            traces,
            parent: root.span.clone(),
            root: Some(root),
        }
    }

    /// A span of its own under this one. It holds no other one open.
    fn child(&self, builder: SpanBuilder) -> Context {
        self.traces.start(builder, &self.parent)
    }

    /// The same for a request that is but a part of this one.
    fn detached(&self) -> Self {
        Self {
            root: None,
            ..self.clone()
        }
    }
}

/// A span that may fail at several things, and says the first.
pub(crate) struct Recorded {
    span: Context,
    has_failed: AtomicBool,
}

impl Recorded {
    pub(crate) fn new(span: Context) -> Self {
        Self {
            span,
            has_failed: AtomicBool::new(false),
        }
    }

    pub(crate) fn set(&self, attribute: KeyValue) {
        self.span.span().set_attribute(attribute);
    }

    /// Says what it failed at, unless something is said already.
    pub(crate) fn fail(&self, kind: String) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            mark(&self.span, kind);
        }
    }

    pub(crate) fn end(&self) {
        self.span.span().end();
    }
}

/// To be called once for a span: attributes are kept as often as they are set.
fn mark(span: &Context, kind: String) {
    let span = span.span();
    span.set_attribute(KeyValue::new("error.type", kind));
    span.set_status(Status::error(""));
}

/// The code of an error, which is a word, else its status. Never its message.
fn kind_of(error: &ApiError) -> String {
    let mark = crate::error::ErrorMark::from(error);
    let code = mark.code.as_deref().map(str::to_owned);
    code.unwrap_or_else(|| error.status.as_u16().to_string())
}

/// What goes on when the request itself is gone is a child of this: another try, the turns of a
/// connection.
#[derive(Clone)]
pub(crate) struct Link(Option<Point>);

impl Link {
    /// To the span that is open for the request that has these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        Self(extensions.get().map(Point::detached))
    }

    /// A step of this request.
    pub(crate) fn step(&self, name: &'static str) -> Step {
        Step::under(self.0.as_ref(), name)
    }

    /// A call of the upstream for it.
    pub(crate) fn call(&self, method: &Method, url: &reqwest::Url) -> Step {
        Step::call(self.0.as_ref(), method, url)
    }

    /// Makes a request with these extensions a part of it.
    pub(crate) fn lead(&self, extensions: &mut Extensions) {
        if let Some(point) = &self.0 {
            extensions.insert(point.clone());
        }
    }
}
