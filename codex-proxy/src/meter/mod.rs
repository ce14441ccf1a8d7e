//! Which model answers, and how many tokens it takes, read from answers as they pass.
//!
//! [`MeterLayer`] looks for three things in the answer of a `POST`: the first `"model"`, the last
//! `"usage"` that is an object of counts, and what a stream says when it fails. It finds them in
//! the streams and the JSON of the Responses API and of chat completions alike, without parsing
//! events: a quote within a text is escaped, so that the keys stand nowhere else. Bytes pass as
//! they are. Nothing of them is kept but a value that is cut by the end of a piece, 1 KiB at most,
//! and an event that holds none of the three costs no allocation.
//!
//! What is found goes to the [`RequestHandle`] of the request, and the tokens, once the answer is
//! over, to its [`TokenWatch`].
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//!
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, meter::{MeterLayer, TokenWatch}};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt as _, Full};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new().layer(MeterLayer::new()).service(service_fn(
//!     |_: Request<()>| async {
//!         let answer = r#"{"model":"m","usage":{"prompt_tokens":9,"completion_tokens":3}}"#;
//!         Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(answer))))
//!     },
//! ));
//! let total = Arc::new(AtomicU64::new(0));
//! let sum = total.clone();
//! let watch = TokenWatch::new(move |tokens| drop(sum.fetch_add(tokens.total(), Ordering::Relaxed)));
//! let request = Request::post("/v1/chat/completions").extension(watch).body(())?;
//! service.oneshot(request).await?.into_body().collect().await?;
//! assert_eq!(total.load(Ordering::Relaxed), 12);
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Around the upstream, inside everything that changes bodies or tries twice.
//!
//! # Caveats
//!
//! A stream of chat completions says its tokens only to clients that ask for them
//! (`stream_options.include_usage`), and an answer that is left before its end never does.

mod body;
#[cfg(feature = "otel")]
mod finish;
mod layer;
mod read;
mod scan;
mod tokens;

pub use body::MeteredBody;
#[cfg(feature = "otel")]
pub(crate) use finish::FinishReason;
pub use layer::{Meter, MeterLayer, TokenWatch};
pub(crate) use read::{Read, model_at_end, model_at_start};
pub use tokens::{Model, Tokens};

#[cfg(doc)]
use crate::requests::RequestHandle;
