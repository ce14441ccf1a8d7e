//! Chat completions over an upstream that speaks the Responses API.
//!
//! [`ChatCompletionsLayer`] turns a chat completion request into one Responses request, and its
//! event stream into chunks, one event at a time, or into one object for a client that does not
//! stream. A request for a login that has chat completions of its own passes untouched.
//!
//! ```
//! use bytes::Bytes;
//! use codex_proxy::{BoxError, chat::ChatCompletionsLayer};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! // Any client that speaks `http`, and answers like the Responses API.
//! let upstream = service_fn(|request: Request<_>| async move {
//!     assert_eq!(request.uri().path(), "/v1/responses");
//!     # let _: &Request<http_body_util::Either<Full<Bytes>, Full<Bytes>>> = &request;
//!     let events = concat!(
//!         "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\"}\n\n",
//!         "data: {\"type\":\"response.completed\",\"response\":{}}\n\n",
//!     );
//!     Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(events))))
//! });
//! let chat = ServiceBuilder::new().layer(ChatCompletionsLayer::new()).service(upstream);
//!
//! let body = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"Hi"}]}"#;
//! let request = Request::post("/v1/chat/completions").body(Full::new(Bytes::from(body)))?;
//! let answer = chat.oneshot(request).await?.into_body().collect().await?.to_bytes();
//! let answer: serde_json::Value = serde_json::from_slice(&answer)?;
//! assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
//! # Ok(()) }
//! ```
//!
//! # Where it belongs
//!
//! Below whatever chooses the login (its [`RouteHint`](codex_auth::RouteHint) says whether there is
//! anything to translate) and below decompression of request bodies; above the layer that adds
//! credentials, which then sees an ordinary Responses request. Errors are [`ApiError`]s: render them
//! at the outer edge with [`ApiError::from_boxed`].
//!
//! # Caveats
//!
//! - What becomes of each parameter is one table, [`parameters::PARAMETERS`]. Those left out are
//!   named in the answer's header `x-codex-router-dropped`.
//! - `max_tokens` counts roughly ([`stream::Limits`]), and an answer that ends here has no usage,
//!   since the upstream is stopped before it has counted.
//! - The `name` of a message is left out: the Responses API has no place for it.
//! - Timers need a tokio runtime.
//!
//! [`ApiError`]: crate::ApiError
//! [`ApiError::from_boxed`]: crate::ApiError::from_boxed

mod cut;
pub(crate) mod deltas;
mod items;
mod layer;
mod messages;
pub mod parameters;
pub mod request;
pub mod response;
pub mod stream;
mod tools;
pub mod wire;

#[cfg(test)]
mod tests;

use std::str::FromStr;

pub use layer::{ChatCompletions, ChatCompletionsLayer};
pub(crate) use layer::{is_native, pass, to_responses};

/// How the reasoning of a model is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ReasoningFormat {
    /// In the field `reasoning_content`, which most clients know.
    #[default]
    ReasoningContent,
    /// Not at all.
    None,
    /// As the beginning of the text, between `<think>` and `</think>`.
    ThinkTags,
}

impl ReasoningFormat {
    /// The word that settings have for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning_content",
            Self::None => "none",
            Self::ThinkTags => "think-tags",
        }
    }
}

/// A word that is no [`ReasoningFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of `reasoning_content`, `none`, `think-tags`")]
pub struct UnknownReasoningFormat;

impl FromStr for ReasoningFormat {
    type Err = UnknownReasoningFormat;

    fn from_str(word: &str) -> Result<Self, UnknownReasoningFormat> {
        match word {
            "reasoning_content" => Ok(Self::ReasoningContent),
            "none" => Ok(Self::None),
            "think-tags" => Ok(Self::ThinkTags),
            _ => Err(UnknownReasoningFormat),
        }
    }
}
