use std::{fmt, sync::Arc};

use http::HeaderMap;
use opentelemetry::{
    Context,
    global::BoxedTracer,
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanBuilder, SpanContext, TraceContextExt as _, TraceState, Tracer as _},
};

/// Who makes the spans. Clones are the same.
#[derive(Clone)]
pub struct Traces {
    inner: Arc<Inner>,
}

struct Inner {
    tracer: BoxedTracer,
    propagator: Option<Box<dyn TextMapPropagator + Send + Sync>>,
}

impl Traces {
    /// This tracer makes them; every request begins a trace.
    #[must_use]
    pub fn new(tracer: BoxedTracer) -> Self {
        let propagator = None;
        Self {
            inner: Arc::new(Inner { tracer, propagator }),
        }
    }

    /// This tracer makes them; a request goes on with the trace that its headers name to
    /// `propagator`, such as the SDK's `TraceContextPropagator`. Headers that come twice, and what it
    /// cannot read, name none. The state of that trace is left out.
    #[must_use]
    pub fn with_propagator(
        tracer: BoxedTracer,
        propagator: impl TextMapPropagator + Send + Sync + 'static,
    ) -> Self {
        let propagator: Box<dyn TextMapPropagator + Send + Sync> = Box::new(propagator);
        let propagator = Some(propagator);
        Self {
            inner: Arc::new(Inner { tracer, propagator }),
        }
    }

    /// What the sender of these headers says that they belong to.
    pub(super) fn parent(&self, headers: &HeaderMap) -> Context {
        let nothing = Context::new();
        let Some(propagator) = &self.inner.propagator else {
            return nothing;
        };
        let said = propagator.extract_with_context(&nothing, &Headers(headers));
        if !said.has_active_span() {
            return said;
        }
        let parent = stateless(said.span().span_context());
        said.with_remote_span_context(parent)
    }

    /// A span that runs from now on, in a context that holds nothing else.
    pub(crate) fn start(&self, builder: SpanBuilder, parent: &Context) -> Context {
        let span = self.inner.tracer.build_with_context(builder, parent);
        Context::new().with_span(span)
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

/// The same without its state: text of the client's, that every span below would hold.
fn stateless(of: &SpanContext) -> SpanContext {
    let state = TraceState::NONE;
    SpanContext::new(of.trace_id(), of.span_id(), of.trace_flags(), true, state)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).iter();
        let value = values.next()?;
        let is_only = values.next().is_none();
        let is_meant = key != "traceparent" || is_traceparent(value.as_bytes());
        value.to_str().ok().filter(|_| is_only && is_meant)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Whether it has the form that the specification has for it: what is nearly one was made by nobody
/// who means it. *Source:* W3C Trace Context, section 3.2.
fn is_traceparent(value: &[u8]) -> bool {
    const FORM: &[u8] = b"00-00000000000000000000000000000000-0000000000000000-00";
    let (Some(known), Some(more)) = (value.get(..FORM.len()), value.get(FORM.len()..)) else {
        return false;
    };
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let fits = |(is, form): (&u8, &u8)| {
        if *form == b'-' {
            is == form
        } else {
            is_hex(*is)
        }
    };
    // Later versions may say more.
    let ends = more.is_empty() || (more.starts_with(b"-") && !known.starts_with(b"00"));
    known.iter().zip(FORM).all(fits) && ends
}
