//! Traces of what is served, for OpenTelemetry.
//!
//! [`TracesLayer`] makes a span of each request, by the semantic conventions for HTTP servers, and
//! the layers inside make theirs under it: `gate`, `client_key`, `route`, `translate`,
//! `credentials`, `workspace`, `refresh`, and one for each call of the upstream. A request that asks a model has
//! a span by those for generative AI, such as `chat gpt-5.2-codex`, where it is in a list of
//! requests ([`requests`](crate::requests)); a turn over WebSocket is one too, under that of its
//! connection. A span ends with the answer, not with its head.
//!
//! [`Traces`] says who makes the spans: a tracer of yours. What becomes of them is its business;
//! nothing is sent from here, and nothing in the program's global state is asked.
//!
//! | of | attributes |
//! |---|---|
//! | the request | `http.request.method`, `http.route`, `http.response.status_code`, `url.scheme`, `url.path` (where the route is all of it), `network.protocol.version`, `codex_router.request_id`, `codex_router.profile`, `codex_router.reason`, `codex_router.error_by`, `codex_router.error_code`, `error.type` |
//! | asking a model | `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.request.stream`, `gen_ai.response.model`, `gen_ai.response.finish_reasons`, `gen_ai.response.time_to_first_chunk`, `gen_ai.usage.*`, `openai.api.type`, `codex_router.profile`, `codex_router.reason`, `codex_router.client`, `codex_router.error_by`, `error.type`; the event `first_byte` |
//! | a call of the upstream | `http.request.method`, `http.response.status_code`, `url.scheme`, `server.address`, `server.port`, `error.type` |
//! | `credentials` | `codex_router.profile`, `error.type` |
//! | another step | `error.type` |
//!
//! None of them holds anything of a body, a query, a key, a token, or a path that names something.
//! `error.type` is `client_closed` where the client has left before the end.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, traces::{Traces, TracesLayer}};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt as _, Full};
//! use opentelemetry::{global::BoxedTracer, trace::TracerProvider as _};
//! use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let spans = InMemorySpanExporter::default();
//! let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
//! let tracer = BoxedTracer::new(Box::new(provider.tracer("mine")));
//! let service = ServiceBuilder::new().layer(TracesLayer::new(Traces::new(tracer))).service(
//!     service_fn(|_: Request<()>| async {
//!         Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("hi"))))
//!     }),
//! );
//! let answer = service.oneshot(Request::get("/v1/models/gpt-5.2-codex").body(())?).await?;
//! assert!(spans.get_finished_spans()?.is_empty());
//! answer.into_body().collect().await?;
//! assert_eq!(spans.get_finished_spans()?[0].name, "GET /v1/models/{id}");
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Around everything that could refuse a request, inside what gives it an id.
//!
//! # Caveats
//!
//! A client's `traceparent` is its span's parent where [`Traces::with_propagator`] says so; its
//! `tracestate` is in no span. Neither is sent to an upstream as headers: whose trace a request
//! belongs to is nobody's business there. What Codex itself writes into the messages of a WebSocket
//! passes as it is, and names its trace where it has one: `ws_request_header_traceparent` and
//! `ws_request_header_tracestate` of `client_metadata`.

mod body;
mod layer;
#[cfg(test)]
mod tests;
mod tracer;

pub use body::TracedBody;
pub(crate) use layer::method_of;
pub use layer::{TracesLayer, TracesService};
pub use tracer::Traces;
