//! A list of the last requests: who asked for what, which profile served it and why, how long it
//! took, how many tokens it used, and how it ended.
//!
//! [`RequestLogLayer`] makes an entry of each request and watches its answer to the end. Layers
//! inside add what only they know, through the [`RequestHandle`] that it leaves in the request:
//! [`MeterLayer`](crate::meter::MeterLayer) the model and the tokens, the WebSocket relay an entry
//! for each of its turns. [`RequestLog`] holds the last [`MOST_REQUESTS`] entries and tells of each
//! change. An entry holds no prompt, no address, no key and nothing else of a body.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, requests::{NotedBody, RequestLog, RequestLogLayer, RequestState}};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let log = RequestLog::new();
//! let service = ServiceBuilder::new().layer(RequestLogLayer::new(log.clone())).service(service_fn(
//!     |_: Request<NotedBody<Full<Bytes>>>| async {
//!         Ok::<_, BoxError>(Response::new(Full::new(Bytes::from("hi"))))
//!     },
//! ));
//! let request = Request::post("/v1/responses").header("user-agent", "curl/8.5.0");
//! let answer = service.oneshot(request.body(Full::default())?).await?;
//! assert_eq!(log.recent()[0].state, RequestState::Running);
//! answer.into_body().collect().await?;
//! let entry = &log.recent()[0];
//! assert_eq!((entry.client.as_deref(), entry.status), (Some("curl 8.5"), Some(200)));
//! assert_eq!(entry.state, RequestState::Done);
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Around [`RouteLayer`](crate::route::RouteLayer), so that what has no profile is listed too;
//! inside the gate, so that a page that is refused cannot fill the list.
//!
//! # Caveats
//!
//! The model that was asked for is found in plain JSON alone, near the beginning or the end of the
//! body; the one that answered comes from the meter. A handshake is listed only if it fails: after
//! that, each turn is.

mod asked;
mod body;
mod client;
mod entry;
mod handle;
mod layer;
mod log;
mod observe;
mod overhead;
mod path;
#[cfg(test)]
mod tests;

pub use asked::NotedBody;
pub use body::ListedBody;
pub use entry::{RequestEntry, RequestState};
pub(crate) use handle::OpenRequest;
pub use handle::{OverWebSocket, RequestHandle};
#[cfg(feature = "metrics")]
pub(crate) use layer::Listed;
#[cfg(any(feature = "server", feature = "otel"))]
pub(crate) use layer::id_of;
pub use layer::{RequestLogLayer, RequestLogService};
pub use log::{MOST_REQUESTS, RequestLog};
pub use observe::{EndedRequest, RequestObserver};
#[cfg(any(feature = "server", feature = "otel"))]
pub(crate) use path::route_of;
