//! A collector of OpenTelemetry that keeps what it gets.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use axum::{Router, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::Span as Sent,
};
use prost::{Message as _, bytes::Bytes};
use serde_json::{Map, Value, json};

use crate::harness::until;

/// It takes what is sent to it, at the path that OTLP has for traces.
pub(crate) struct Collector {
    address: SocketAddr,
    received: Received,
}

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// One span as a reader of traces sees it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) state: String,
    /// `true` if it ended with an error.
    pub(crate) failed: bool,
    pub(crate) kind: i32,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) events: Vec<String>,
    pub(crate) nanoseconds: u64,
}

impl Span {
    #[track_caller]
    pub(crate) fn has(&self, expected: &Value) {
        for (name, value) in expected.as_object().unwrap() {
            let found = self.attributes.get(name).unwrap_or(&Value::Null);
            assert_eq!(found, value, "{name} of {self:#?}");
        }
    }
}

impl Collector {
    pub(crate) fn start() -> Self {
        let received = Received::default();
        let take = async |State(received): State<Received>, headers: HeaderMap, body: Bytes| {
            received.lock().unwrap().push((headers, body));
            StatusCode::OK
        };
        let routes = Router::new().route("/v1/traces", post(take));
        let routes = routes.with_state(Arc::clone(&received));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        // A test that waits for the end of a router must not keep it from sending.
        thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, routes).await
            })
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it got, as it came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let received = self.received.lock().unwrap();
        received
            .iter()
            .flat_map(|(_, body)| body.to_vec())
            .collect()
    }

    /// The headers of what it got.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        let received = self.received.lock().unwrap();
        received
            .iter()
            .map(|(headers, _)| headers.clone())
            .collect()
    }

    /// What every batch says of the program.
    pub(crate) fn resource(&self) -> Map<String, Value> {
        let batches = self.batches();
        let resource = batches[0].resource_spans[0].resource.as_ref().unwrap();
        attributes(&resource.attributes)
    }

    fn batches(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.received.lock().unwrap();
        let decode = |body: &Bytes| ExportTraceServiceRequest::decode(body.clone()).unwrap();
        received.iter().map(|(_, body)| decode(body)).collect()
    }

    /// In the order in which they began.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self.batches().into_iter().flat_map(|it| it.resource_spans);
        let spans = resources.flat_map(|it| it.scope_spans);
        let mut spans: Vec<_> = spans.flat_map(|it| it.spans).collect();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans.into_iter().map(Span::from).collect()
    }

    /// All spans, once there are as many of this name.
    pub(crate) async fn spans_with(&self, count: usize, name: &str) -> Vec<Span> {
        let named = |spans: &[Span]| spans.iter().filter(|it| it.name == name).count();
        until(&format!("{count} spans `{name}`"), || {
            named(&self.spans()) >= count
        })
        .await;
        self.spans()
    }
}

impl From<Sent> for Span {
    fn from(sent: Sent) -> Self {
        let hex = |id: &[u8]| {
            let bytes: Vec<_> = id.iter().map(|byte| format!("{byte:02x}")).collect();
            bytes.concat()
        };
        Self {
            trace: hex(&sent.trace_id),
            id: hex(&sent.span_id),
            parent: hex(&sent.parent_span_id),
            state: sent.trace_state,
            failed: sent.status.is_some_and(|status| status.code == 2),
            kind: sent.kind,
            attributes: attributes(&sent.attributes),
            events: sent.events.into_iter().map(|event| event.name).collect(),
            nanoseconds: sent.end_time_unix_nano - sent.start_time_unix_nano,
            name: sent.name,
        }
    }
}

/// Each by its name; none may come twice.
fn attributes(sent: &[KeyValue]) -> Map<String, Value> {
    let mut map = Map::new();
    for attribute in sent {
        let value = attribute.value.as_ref().map_or(Value::Null, json_of);
        let before = map.insert(attribute.key.clone(), value);
        assert_eq!(before, None, "{} comes twice", attribute.key);
    }
    map
}

fn json_of(value: &AnyValue) -> Value {
    match value.value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => json!(text),
        any_value::Value::BoolValue(is) => json!(is),
        any_value::Value::IntValue(count) => json!(count),
        any_value::Value::DoubleValue(number) => json!(number),
        any_value::Value::ArrayValue(values) => values.values.iter().map(json_of).collect(),
        other => panic!("nobody sends {other:?}"),
    }
}

/// The only one of this name.
#[track_caller]
pub(crate) fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut named = spans.iter().filter(|span| span.name == name);
    let found = named.next();
    let found = found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"));
    assert!(named.next().is_none(), "several {name} in {spans:#?}");
    found
}

/// The names of what hangs below a span, each level in brackets, in the order in which they began.
pub(crate) fn tree(spans: &[Span], under: &Span) -> String {
    let below = spans.iter().filter(|span| span.parent == under.id);
    let below: Vec<_> = below.map(|span| tree(spans, span)).collect();
    if below.is_empty() {
        return under.name.clone();
    }
    format!("{} [{}]", under.name, below.join(", "))
}
