//! What is served, in numbers, as text for Prometheus.
//!
//! [`Metrics`] counts; nothing of it is global, so that one program may have several. It is the
//! [observer](crate::requests::RequestObserver) of a [`RequestLog`](crate::requests::RequestLog):
//! what is measured for the list of requests is counted, and nothing is measured twice.
//! [`MetricsLayer`] adds what never comes to the list, such as a request that the gate refuses. A
//! [`MetricsSource`] is asked at each scrape for what is a state and no event: profiles, quotas.
//! [`Metrics::render`] writes it all, and [`Metrics::answer`] does so as a client accepts it.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{
//!     BoxError,
//!     metrics::{Metrics, MetricsFormat, MetricsLayer},
//!     requests::{NotedBody, RequestLog, RequestLogLayer},
//! };
//! use http::{Request, Response};
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let metrics = Metrics::new();
//! let service = ServiceBuilder::new()
//!     .layer(MetricsLayer::new(metrics.clone()))
//!     .layer(RequestLogLayer::new(RequestLog::observed_by(metrics.clone())))
//!     .service(service_fn(|_: Request<NotedBody<Full<Bytes>>>| async {
//!         Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("hi"))))
//!     }));
//! let request = Request::post("/v1/responses").body(Full::default())?;
//! service.oneshot(request).await?.into_body().collect().await?;
//! let text = metrics.render(MetricsFormat::Text).await;
//! let counted = r#"codex_router_requests_total{profile="",route="responses",status="2xx",reason=""} 1"#;
//! assert!(text.contains(counted), "{text}");
//! # Ok(())
//! # }
//! ```
//!
//! # What is told
//!
//! Names follow the conventions of Prometheus: a unit in the name, in its base form, and `_total`
//! for what only grows. All begin with `codex_router_` but those of the process.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `requests_total` | `profile`, `route`, `status` (`2xx`), `reason` | requests that were answered |
//! | `requests_cancelled_total` | `profile`, `route` | those whose client left before the end |
//! | `errors_total` | `profile`, `route`, `origin`, `status` | errors, by whose they are |
//! | `requests_in_progress` | | streams and turns under way |
//! | `time_to_first_byte_seconds` | `profile`, `route` | from the request to the answer's body |
//! | `added_latency_seconds` | `route` | what of it was the router's own |
//! | `request_duration_seconds` | `profile`, `route` | from the request to the end of the answer |
//! | `tokens_total` | `profile`, `kind` | tokens; `cached` is part of `input`, `reasoning` of `output` |
//! | `fallbacks_total` | `profile` | requests that this profile served for another |
//! | `refreshes_total` | `result` | refreshes of logins, by how they ended |
//! | `quota_used_ratio`, `quota_reset_timestamp_seconds` | `profile`, `window` | limits, where known |
//! | `profiles` | `state` | how many profiles there are |
//! | `profile_current` | `profile` | 1 for the current one |
//! | `connections`, `websockets` | | what is open, of HTTP and of WebSocket |
//! | `build_info` | `version` | 1 |
//!
//! # What is not
//!
//! No label but the name of a profile says anything about a person. Labels are bounded: routes are
//! classes, models are none, and of profiles the first 128 are told apart.

mod facts;
mod labels;
mod layer;
mod process;
mod recorder;
#[cfg(test)]
mod tests;
mod text;

pub use facts::{Facts, MetricsSource, ProfileFacts, WindowFacts};
pub use layer::{Counted, CountedFuture, MetricsLayer};
pub use recorder::{Metrics, OpenConnection};
pub use text::MetricsFormat;
