use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use opentelemetry::{
    Value,
    global::BoxedTracer,
    trace::{SpanId, TracerProvider as _},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData},
};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{TracedBody, Traces, TracesLayer};
use crate::spans::{Link, Point, Step};

fn traces(sampler: Sampler) -> (Traces, InMemorySpanExporter) {
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_simple_exporter(spans.clone())
        .build();
    let tracer = BoxedTracer::new(Box::new(provider.tracer("test")));
    let propagator = TraceContextPropagator::new();
    (Traces::with_propagator(tracer, propagator), spans)
}

/// The answer of this status to a request, and what its steps would hang on.
async fn answered(
    traces: Traces,
    request: Request<()>,
    status: StatusCode,
) -> (Response<TracedBody<Full<Bytes>>>, Option<Link>) {
    let link = Arc::new(Mutex::new(None));
    let kept = link.clone();
    let service = TracesLayer::new(traces).layer(service_fn(move |request: Request<()>| {
        let is_recorded = request.extensions().get::<Point>().is_some();
        *kept.lock().unwrap() = is_recorded.then(|| Link::of(request.extensions()));
        let mut answer = Response::new(Full::new(Bytes::from("hi")));
        *answer.status_mut() = status;
        async { Ok::<_, Infallible>(answer) }
    }));
    let answer = service.oneshot(request).await.unwrap();
    let link = link.lock().unwrap().take();
    (answer, link)
}

#[tokio::test]
async fn a_span_ends_with_the_body_or_when_nobody_wants_it() {
    for is_read in [true, false] {
        let (traces, spans) = traces(Sampler::AlwaysOn);
        let request = Request::get("/v1/models").body(()).unwrap();
        let (answer, _) = answered(traces.clone(), request, StatusCode::OK).await;
        assert!(spans.get_finished_spans().unwrap().is_empty());
        if is_read {
            answer.into_body().collect().await.unwrap();
        } else {
            drop(answer);
        }
        assert_eq!(spans.get_finished_spans().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_span_of_a_connection_ends_with_whoever_holds_it() {
    let (traces, spans) = traces(Sampler::AlwaysOn);
    let request = Request::get("/v1/responses").body(()).unwrap();
    let (answer, connection) =
        answered(traces.clone(), request, StatusCode::SWITCHING_PROTOCOLS).await;
    drop(answer);
    assert!(spans.get_finished_spans().unwrap().is_empty());
    drop(connection);
    let spans = spans.get_finished_spans().unwrap();
    assert_eq!(spans[0].name, "GET /v1/responses");
}

/// What becomes of a call of the upstream under a request, by what is done with it.
async fn call(method: &[u8], and: impl FnOnce(Step)) -> SpanData {
    let (traces, spans) = traces(Sampler::AlwaysOn);
    let request = Request::get("/v1/models").body(()).unwrap();
    let (_answer, link) = answered(traces, request, StatusCode::OK).await;
    let url = reqwest::Url::parse("https://upstream.example/v1/models").unwrap();
    and(link
        .unwrap()
        .call(&Method::from_bytes(method).unwrap(), &url));
    spans.get_finished_spans().unwrap().remove(0)
}

fn values<'a>(span: &'a SpanData, name: &str) -> Vec<&'a str> {
    let named = span.attributes.iter().filter(|it| it.key.as_str() == name);
    named
        .map(|it| match &it.value {
            Value::String(text) => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_method_that_a_client_made_up_is_in_no_span() {
    for (method, name, told) in [("GET", "GET", "GET"), ("PLANTED", "HTTP", "_OTHER")] {
        let span = call(method.as_bytes(), Step::end).await;
        assert_eq!(span.name, name);
        assert_eq!(values(&span, "http.request.method"), [told]);
    }
}

#[tokio::test]
async fn a_call_fails_once() {
    let cut = call(b"GET", |step| {
        step.answered(StatusCode::TOO_MANY_REQUESTS);
        step.broke();
    });
    assert_eq!(values(&cut.await, "error.type"), ["429"]);
    let lost = call(b"GET", |step| {
        step.answered(StatusCode::OK);
        step.broke();
    });
    assert_eq!(values(&lost.await, "error.type"), ["connection_lost"]);
}

#[tokio::test]
async fn what_is_not_recorded_leaves_nothing_to_hang_steps_on() {
    let (traces, spans) = traces(Sampler::AlwaysOff);
    let request = Request::get("/v1/models").body(()).unwrap();
    let (answer, link) = answered(traces.clone(), request, StatusCode::OK).await;
    assert!(link.is_none());
    drop(answer);
    assert!(spans.get_finished_spans().unwrap().is_empty());
}

#[tokio::test]
async fn a_parent_is_named_once_and_in_its_form_or_not_at_all() {
    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let later = GOOD.replacen("00", "42", 1) + "-more";
    let longer = format!("{GOOD}-more");
    for (headers, has_parent) in [
        (vec![GOOD], true),
        (vec![&*later], true),
        (vec![&*longer], false),
        (vec![GOOD, GOOD], false),
        (vec![&GOOD[..54]], false),
        (vec![], false),
    ] {
        let (traces, spans) = traces(Sampler::AlwaysOn);
        let mut request = Request::get("/v1/models");
        for header in &headers {
            request = request.header("traceparent", *header);
        }
        request = request.header("tracestate", "vendor=planted");
        let request = request.body(()).unwrap();
        drop(answered(traces.clone(), request, StatusCode::OK).await);
        let span = &spans.get_finished_spans().unwrap()[0];
        assert_eq!(
            span.parent_span_id != SpanId::INVALID,
            has_parent,
            "{headers:?}"
        );
        assert_eq!(span.span_context.trace_state().header(), "");
    }
}
