use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Either;
use tower::{Layer, Service};

use super::{
    ModelRules,
    read::model_of,
    turns::{Moves, TurnRules},
};
use crate::{
    ApiError, BoxError,
    auth::{DEFAULT_REPLAY_LIMIT_BYTES, ReplayBody},
    meter::Model,
    requests::RequestHandle,
    route::names_profile,
    ws::is_handshake,
};

/// Binds requests to profiles by their models; see the [module](super).
#[derive(Debug, Clone)]
pub struct ModelRuleLayer {
    rules: Arc<dyn ModelRules>,
    moves: Arc<Moves>,
    body_limit_bytes: usize,
}

impl ModelRuleLayer {
    /// A layer that does as `rules` say. Services made by one layer and its clones know of the same
    /// connections.
    pub fn new(rules: Arc<dyn ModelRules>) -> Self {
        Self {
            rules,
            moves: Arc::default(),
            body_limit_bytes: DEFAULT_REPLAY_LIMIT_BYTES,
        }
    }

    /// Looks for the model no further than this into a body.
    #[must_use]
    pub fn with_body_limit(self, body_limit_bytes: usize) -> Self {
        Self {
            body_limit_bytes,
            ..self
        }
    }
}

impl<S> Layer<S> for ModelRuleLayer {
    type Service = ModelRuleService<S>;

    fn layer(&self, inner: S) -> ModelRuleService<S> {
        ModelRuleService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`ModelRuleLayer`].
#[derive(Debug, Clone)]
pub struct ModelRuleService<S> {
    inner: S,
    layer: ModelRuleLayer,
}

/// The client's own body, or the one whose beginning was read.
type Looked<B> = Either<B, ReplayBody<B>>;

impl<S, B, R> Service<Request<B>> for ModelRuleService<S>
where
    S: Service<Request<Looked<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let is_handshake = is_handshake(&request);
        let may_have_rule = is_handshake || request.method() == Method::POST;
        if !may_have_rule || names_profile(&request) {
            return Box::pin(inner.call(request.map(Either::Left)));
        }
        let layer = self.layer.clone();
        Box::pin(async move {
            if is_handshake {
                return inner.call(layer.handshake(request).await).await;
            }
            match layer.ruled(request).await {
                Ok(request) => inner.call(request).await,
                Err(error) => Ok(error.into_response()),
            }
        })
    }
}

impl ModelRuleLayer {
    async fn handshake<B>(self, mut request: Request<B>) -> Request<Looked<B>> {
        let mut turns = TurnRules::new(self.rules, self.moves, request.headers());
        if let Some(ruled) = turns.judge(request.headers()).await {
            request.extensions_mut().insert(ruled);
        }
        request.extensions_mut().insert(turns);
        request.map(Either::Left)
    }

    async fn ruled<B>(self, request: Request<B>) -> Result<Request<Looked<B>>, ApiError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin,
    {
        let Some(table) = self.rules.rules().await else {
            return Ok(request.map(Either::Left));
        };
        let (mut parts, body) = request.into_parts();
        let read = model_of(&parts.headers, body, self.body_limit_bytes).await;
        // Before anything was sent.
        let (model, body) = read.map_err(|error| ApiError::broken_off(error.as_ref()))?;
        if let Some(model) = model {
            if let (Some(handle), Some(model)) = (
                parts.extensions.get::<RequestHandle>(),
                Model::parse(model.as_bytes()),
            ) {
                handle.note_asked_model(&model);
            }
            if let Some(ruled) = table.rule_for(&model) {
                parts.extensions.insert(ruled);
            }
        }
        Ok(Request::from_parts(parts, Either::Right(body)))
    }
}
