//! Which profile serves a request by the model that it asks for, where a person has said so.
//!
//! [`ModelRuleLayer`] asks its [`ModelRules`] for each `POST`, and each handshake of a WebSocket,
//! that names no profile itself, by header or key. A rule for its model leaves a [`Ruled`] in the
//! request, which [`RouteLayer`](crate::route::RouteLayer) obeys before it thinks of the current
//! profile: that one serves, for the reason [`RouteReason::ModelRule`], or the request fails.
//!
//! - **Without rules nothing is read**: bodies pass as they came. With rules, a body is read as far
//!   as its own field `model`, which is the first one in what Codex sends, unpacked aside if it is
//!   packed, and sent on as it was.
//! - **Each turn of a WebSocket** names its model. A handshake goes where Codex's header
//!   `x-codex-routing-hint` says. A turn for another profile is answered
//!   `previous_response_not_found`, upon which Codex connects anew with its whole conversation, and
//!   that handshake is known by its thread. Other clients' turns are served one by one
//!   ([`ws::bridge`](crate::ws::bridge)).
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use codex_auth::ProfileRef;
//! use codex_proxy::{BoxError, model_rules::{ModelRuleLayer, ModelRules, ModelTable, Ruled}};
//! use futures_util::future::BoxFuture;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt as _, Either, Full};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! #[derive(Debug, Clone)]
//! struct MiniAtHome;
//!
//! impl ModelTable for MiniAtHome {
//!     fn rule_for(&self, model: &str) -> Option<Ruled> {
//!         let (profile, rule) = (ProfileRef::new("home"), "`*-mini`".into());
//!         model.ends_with("-mini").then_some(Ruled { profile, rule })
//!     }
//! }
//!
//! impl ModelRules for MiniAtHome {
//!     fn rules(&self) -> BoxFuture<'_, Option<Arc<dyn ModelTable>>> {
//!         Box::pin(async { Some(Arc::new(Self) as _) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = ModelRuleLayer::new(Arc::new(MiniAtHome));
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(
//!     |request: Request<Either<Full<Bytes>, _>>| async move {
//!         assert_eq!(request.extensions().get::<Ruled>().unwrap().profile.as_str(), "home");
//!         let body = request.into_body().collect().await?.to_bytes();
//!         Ok::<_, BoxError>(Response::new(Full::new(body)))
//!     },
//! ));
//! let body = Full::from(r#"{"model":"gpt-5-mini","input":"Hi"}"#);
//! let answer = service.oneshot(Request::post("/v1/responses").body(body)?).await?;
//! let echo = answer.into_body().collect().await?.to_bytes();
//! assert_eq!(echo, r#"{"model":"gpt-5-mini","input":"Hi"}"#);
//! # Ok(())
//! # }
//! ```
//!
//! # Where it belongs
//!
//! Right outside [`RouteLayer`](crate::route::RouteLayer), inside the gate.
//!
//! # Caveats
//!
//! Packed bodies (`Content-Encoding`) are looked into with the feature `server` alone. Calls that
//! name no model, such as `GET /v1/responses/{id}`, go to the current profile; so does what names
//! its model behind the limit of a body. Of a model that is named twice, the first counts.

mod find;
mod layer;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod turns;

pub use layer::{ModelRuleLayer, ModelRuleService};
pub use rules::{ModelRules, ModelTable, Ruled};
pub(crate) use turns::{RuledTurn, TurnRules};

#[cfg(doc)]
use crate::route::RouteReason;
