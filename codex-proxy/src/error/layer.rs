use std::{
    convert::Infallible,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Limited};
use tower::{Layer, Service};

use super::{ApiError, BoxError, ErrorMark, Origin, X_CODEX_ROUTER_ERROR, answer::Normalised};

/// An error answer longer than this is told by its status alone.
const LONGEST_ERROR_BYTES: usize = 1 << 20;

/// Turns errors of the layers inside, and error answers of the upstream, into OpenAI-shaped
/// answers that say whose fault it is.
///
/// # Where it belongs
///
/// Outside every layer that may fail, inside those that answer for themselves.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ErrorLayer;

impl ErrorLayer {
    /// The layer; it has nothing to set.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for ErrorLayer {
    type Service = ErrorService<S>;

    fn layer(&self, inner: S) -> ErrorService<S> {
        ErrorService {
            inner,
            not_ready: None,
        }
    }
}

/// The service of [`ErrorLayer`]. Never fails.
#[derive(Debug, Clone)]
pub struct ErrorService<S> {
    inner: S,
    not_ready: Option<ApiError>,
}

impl<S, B, R> Service<Request<B>> for ErrorService<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError>,
    S::Future: Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<R>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // An inner service that broke down is an answer like any other error.
        let ready = ready!(self.inner.poll_ready(cx));
        self.not_ready = ready.err().map(|error| ApiError::from_boxed(&error));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(error) = self.not_ready.take() {
            return Box::pin(future::ready(Ok(error.into_response())));
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            Ok(match answer.await {
                Ok(response) if is_upstream_error(&response) => normalise(response).await,
                Ok(response) => response,
                Err(error) => render(&error),
            })
        })
    }
}

fn is_upstream_error<R>(response: &Response<R>) -> bool {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    failed && !response.headers().contains_key(X_CODEX_ROUTER_ERROR)
}

fn render<R: From<Bytes>>(error: &BoxError) -> Response<R> {
    let answer = ApiError::from_boxed(error);
    tracing::debug!(
        origin = answer.origin.as_str(),
        code = answer.code.as_deref(),
        status = answer.status.as_u16(),
        "answering with an error"
    );
    answer.into_response()
}

async fn normalise<R>(response: Response<R>) -> Response<R>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes>,
{
    let (mut parts, body) = response.into_parts();
    // One that is too long, or breaks off, is told by its status.
    let body = Limited::new(body, LONGEST_ERROR_BYTES).collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let answer = Normalised::of(parts.status, &parts.headers, body);
    parts.status = answer.status;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let origin = HeaderValue::from_static(Origin::Upstream.as_str());
    parts.headers.insert(X_CODEX_ROUTER_ERROR, origin);
    parts.extensions.insert(ErrorMark::of_answer(&answer.body));
    Response::from_parts(parts, R::from(answer.body))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::Full;
    use serde_json::{Value, json};
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    async fn answer(
        inner: impl Fn() -> Result<Response<Full<Bytes>>, BoxError> + Clone,
    ) -> (StatusCode, String, Value) {
        let service = ErrorLayer::new().layer(service_fn(move |_: Request<()>| {
            let result = inner();
            async move { result }
        }));
        let response = service.oneshot(Request::new(())).await.unwrap();
        let status = response.status();
        let origin = response.headers()[X_CODEX_ROUTER_ERROR]
            .to_str()
            .unwrap()
            .to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, origin, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn an_error_of_a_layer_becomes_an_answer() {
        let (status, origin, body) =
            answer(|| Err(ApiError::invalid_request("bad", "look here").into())).await;
        assert_eq!(
            (status, origin.as_str()),
            (StatusCode::BAD_REQUEST, "client")
        );
        assert_eq!(body["error"]["message"], "look here");
    }

    #[tokio::test]
    async fn an_error_answer_of_the_upstream_is_marked_as_its_own() {
        let upstream = || {
            let body = Full::from(r#"{"detail":"Unsupported parameter: top_p"}"#);
            Ok(Response::builder().status(400).body(body)?)
        };
        let (status, origin, body) = answer(upstream).await;
        assert_eq!(
            (status, origin.as_str()),
            (StatusCode::BAD_REQUEST, "upstream")
        );
        assert_eq!(body["error"]["param"], json!("top_p"));
    }
}
