//! What stands around what, and why.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use codex_auth::CredentialProvider;
use http::{Request, Response};
use http_body_util::{Either, Full};
#[cfg(not(feature = "otel"))]
use tower::layer::util::Identity;
use tower::{Layer as _, Service, ServiceBuilder, retry::RetryLayer, timeout::TimeoutLayer};
use tower_http::{
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutBody},
    trace::TraceLayer,
};

use super::{Limits, decode::decode, handle::LiveReasoning, keys::AnyKeys, shared::Shared};
#[cfg(feature = "otel")]
use crate::traces::{Traces, TracesLayer};
use crate::{
    BoxError,
    auth::{CodexAuthLayer, ReplayBody},
    body_budget::{BodyBudget, BodyBudgetLayer, BodySentLayer, CountedBody},
    chat::ChatCompletionsLayer,
    completions::CompletionsLayer,
    conversation::ConversationLayer,
    error::ErrorLayer,
    fallback::{FallbackLayer, FallbackRules},
    gate::{ClientGateLayer, ClientKeyLayer},
    meter::MeterLayer,
    metrics::{Metrics, MetricsLayer},
    model_rules::ModelRuleLayer,
    models::Models,
    requests::{NotedBody, RequestLog, RequestLogLayer, id_of, route_of},
    responses::{ResponsesLayer, StoredResponsesLayer, memory::ResponseMemory},
    route::{ProfileTable, RouteLayer},
    upstream::{ConnectRetry, Upstream, WorkspaceLayer},
    usage::{UsageLayer, UsageSink},
    ws::{BridgeLayer, Connections, UpgradeLayer},
};

/// A service that may fail; the error layer around it does not.
pub(super) type Fallible = Shared<BoxError>;
/// A service that answers everything, errors included.
pub(super) type Answering = Shared<std::convert::Infallible>;

/// What the layers are made of.
pub(super) struct Stack<P> {
    pub(super) profiles: P,
    pub(super) upstream: Upstream,
    pub(super) workspaces: WorkspaceLayer,
    /// One for HTTP and WebSocket: a conversation may change from one to the other.
    pub(super) conversations: ConversationLayer,
    pub(super) connections: Connections,
    pub(super) reasoning: LiveReasoning,
    /// Answers to clients that are not Codex.
    pub(super) memory: Option<ResponseMemory>,
    /// Where requests are listed, if anywhere.
    pub(super) requests: Option<RequestLog>,
    /// Who serves in the place of the current profile, if anybody may.
    pub(super) fallback: Option<Arc<dyn FallbackRules>>,
    /// Which models have a profile of their own. One for HTTP and WebSocket.
    pub(super) model_rules: Option<ModelRuleLayer>,
    /// Where goes what is read of the limits of accounts.
    pub(super) usage: Option<Arc<dyn UsageSink>>,
    /// Where requests that are in no list are counted.
    pub(super) metrics: Option<Metrics>,
    /// Who makes spans, if anybody does.
    #[cfg(feature = "otel")]
    pub(super) traces: Option<Traces>,
    pub(super) limits: Limits,
    /// For the bodies of all requests, as layers within hold them.
    pub(super) bodies: BodyBudget,
    /// For what is held of them before, as they come, until their model is known.
    pub(super) looked_into: BodyBudget,
    pub(super) gate: ClientGateLayer,
    pub(super) keys: ClientKeyLayer<AnyKeys>,
}

impl<P> Stack<P>
where
    P: CredentialProvider + ProfileTable + Clone,
{
    /// The rings around everything, whatever the path.
    pub(super) fn outer<S>(&self, routes: S) -> Answering
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let service = ServiceBuilder::new()
            .map_response(boxed)
            // around everything that could refuse a request
            .option_layer(self.metrics.clone().map(MetricsLayer::new))
            // outermost but for counting, so that the span can carry it
            .map_request(with_plain_id)
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            // the upstream's own id, if there is one, goes before ours
            .layer(PropagateRequestIdLayer::x_request_id())
            // the span is to say the id, and how the request was refused
            .layer(self.traced())
            // before anything could print them
            .layer(SetSensitiveRequestHeadersLayer::new([
                http::header::AUTHORIZATION,
                http::header::COOKIE,
            ]))
            // method and route, never a query or a body
            .layer(TraceLayer::new_for_http().make_span_with(span))
            // nothing on disk is touched before it says yes
            .layer(self.gate.clone())
            // what a client does not go on with is given up
            .layer(RequestBodyTimeoutLayer::new(self.limits.body_pause))
            .map_request(|request: Request<TimeoutBody<Body>>| request.map(Body::new))
            .service(routes);
        Shared::new(service)
    }

    /// Spans for OpenTelemetry, where somebody wants them.
    #[cfg(feature = "otel")]
    fn traced(&self) -> TracesLayer {
        TracesLayer::perhaps(self.traces.clone())
    }

    #[cfg(not(feature = "otel"))]
    #[expect(clippy::unused_self, reason = "as where there are spans")]
    fn traced(&self) -> Identity {
        Identity::new()
    }

    /// Which profile serves: decided once, above every layer that uses a login.
    pub(super) fn routed(&self, service: Answering) -> Answering {
        let service = self.falling_back(service);
        let routed = RouteLayer::new(self.profiles.clone()).layer(service);
        self.listed(self.ruled(Shared::new(routed)))
    }

    /// What the model of a request says of its profile, before that is chosen.
    fn ruled(&self, service: Answering) -> Answering {
        let Some(layer) = &self.model_rules else {
            return service;
        };
        let service = ServiceBuilder::new()
            .layer(ErrorLayer::new())
            .layer(BodyBudgetLayer::new(self.looked_into.clone()))
            .map_request(let_in)
            .layer(layer.clone().with_body_limit(self.limits.body_bytes))
            .map_request(looked_at)
            .service(service);
        Shared::new(service)
    }

    /// Around the choice of a profile, so that what has none is listed too.
    fn listed(&self, service: Answering) -> Answering {
        let Some(log) = &self.requests else {
            return service;
        };
        let service = ServiceBuilder::new()
            .map_response(boxed)
            .layer(RequestLogLayer::new(log.clone()))
            .map_request(|request: Request<NotedBody<Body>>| request.map(Body::new))
            .service(service);
        Shared::new(service)
    }

    /// Around everything that a profile may fail at, so that another one begins anew.
    fn falling_back(&self, service: Answering) -> Answering {
        let Some(rules) = &self.fallback else {
            return service;
        };
        let layer = FallbackLayer::new(self.profiles.clone(), rules.clone());
        let service = ServiceBuilder::new()
            .layer(layer.with_body_limit(self.limits.body_bytes))
            .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new))
            .service(service);
        Shared::new(service)
    }

    /// `/v1/chat/completions`: translated for a ChatGPT login.
    pub(super) fn chat(&self) -> Answering {
        let reasoning = self.reasoning.clone();
        let service = ServiceBuilder::new()
            .map_response(boxed)
            // as it is set now: the layer goes by what the request says
            .map_request(move |mut request: Request<Body>| {
                request.extensions_mut().insert(reasoning.get());
                request
            })
            .layer(ChatCompletionsLayer::new().with_body_limit(self.limits.body_bytes))
            .map_request(unified)
            .service(self.credentialed());
        self.answering(Shared::new(service))
    }

    /// `/v1/completions`: the same for editors that still use them.
    pub(super) fn completions(&self) -> Answering {
        let service = ServiceBuilder::new()
            .map_response(boxed)
            .layer(CompletionsLayer::new().with_body_limit(self.limits.body_bytes))
            .map_request(unified)
            .service(self.credentialed());
        self.answering(Shared::new(service))
    }

    /// `/v1/responses`: untouched for Codex, adapted for other clients of a ChatGPT login.
    pub(super) fn responses(&self) -> Answering {
        let service = ServiceBuilder::new()
            .map_response(boxed)
            .layer(self.responses_layer())
            .map_request(unified)
            // what a profile was left with is decided above; what it cannot read goes out here
            .layer(self.conversations.clone())
            .map_request(unified)
            .service(self.credentialed());
        self.answering(Shared::new(service))
    }

    fn responses_layer(&self) -> ResponsesLayer {
        let layer = ResponsesLayer::new().with_body_limit(self.limits.body_bytes);
        match &self.memory {
            Some(memory) => layer.with_memory(memory.clone()),
            None => layer,
        }
    }

    /// `/v1/responses` over WebSocket: switches protocols once the upstream has, or serves other
    /// clients than Codex turn by turn, each as a request to `turns`.
    pub(super) fn upgrades(&self, turns: Answering) -> Answering {
        let upgrade = UpgradeLayer::new(self.profiles.clone())
            .with_conversations(self.conversations.clone())
            .with_connections(self.connections.clone());
        let upgrade = match &self.usage {
            Some(sink) => upgrade.with_usage(sink.clone()),
            None => upgrade,
        };
        let service = ServiceBuilder::new()
            // who speaks like the public API is not understood by the ChatGPT backend
            .layer(BridgeLayer::new(turns).with_connections(self.connections.clone()))
            .layer(upgrade)
            .service(self.credentialed());
        self.answering(Shared::new(service))
    }

    /// `/v1/models`: cached for each profile.
    pub(super) fn models(&self) -> Answering {
        self.answering(Shared::new(Models::new(self.credentialed())))
    }

    /// Every other path below `/v1`: passed on with the login, but for answers kept here.
    pub(super) fn passed_on(&self) -> Answering {
        let stored = self.memory.clone().map(StoredResponsesLayer::new);
        let service = ServiceBuilder::new()
            .option_layer(stored)
            .service(self.credentialed());
        self.answering(Shared::new(service))
    }

    /// Errors rendered once, around everything that may fail; bodies made plain JSON within.
    fn answering(&self, service: Fallible) -> Answering {
        let limit_bytes = self.limits.body_bytes;
        let service = ServiceBuilder::new()
            .layer(ErrorLayer::new())
            .map_request(move |request| decode(request, limit_bytes))
            // unpacked, as layers within may hold them
            .layer(BodyBudgetLayer::new(self.bodies.clone()))
            .map_request(let_in)
            .service(service);
        Shared::new(service)
    }

    fn credentialed(&self) -> Fallible {
        let service = ServiceBuilder::new()
            .map_response(boxed)
            // what is not streamed is answered long after it was asked
            .layer(BodySentLayer::new())
            // refreshing must not eat the upstream's time
            .layer(
                CodexAuthLayer::new(self.profiles.clone())
                    .with_replay_limit(self.limits.body_bytes),
            )
            // what its answers tell of the limits of the login that was sent
            .option_layer(self.usage.clone().map(UsageLayer::new))
            // per login, once; outside the retry, since it is a call of its own
            .layer(self.workspaces.clone())
            // below the login, so that a second connection carries the same one
            .layer(RetryLayer::new(ConnectRetry::default()))
            // to the response head, per attempt; a stream has its idle gap
            .layer(TimeoutLayer::new(self.limits.upstream_head))
            // what the upstream itself says, before anything makes something else of it
            .layer(MeterLayer::new())
            .service(self.upstream.clone());
        Shared::new(service)
    }
}

/// One type for every body, so that services can be exchanged for one another.
fn boxed<R>(response: Response<R>) -> Response<Body>
where
    R: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    response.map(Body::new)
}

/// The client's own body, or the one that was made of it.
fn unified<B>(request: Request<Either<B, Full<Bytes>>>) -> Request<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    request.map(Body::new)
}

/// The client's own body, or the same one counted.
fn let_in(request: Request<Either<Body, CountedBody<Body>>>) -> Request<Body> {
    request.map(|body| match body {
        Either::Left(body) => body,
        Either::Right(body) => Body::new(body),
    })
}

/// The client's own body, or the same one of which the beginning was read.
fn looked_at(request: Request<Either<Body, ReplayBody<Body>>>) -> Request<Body> {
    request.map(|body| match body {
        Either::Left(body) => body,
        Either::Right(body) => Body::new(body),
    })
}

/// A client may have made up anything, which must not come to a log; then it gets an id of ours.
fn with_plain_id<B>(mut request: Request<B>) -> Request<B> {
    if id_of(request.headers()).is_none() {
        request.headers_mut().remove("x-request-id");
    }
    request
}

/// Of the highest level, so that whatever is logged of a request says which one it is about. Paths
/// may hold names; the route does not.
fn span<B>(request: &Request<B>) -> tracing::Span {
    tracing::error_span!(
        "request",
        request_id = id_of(request.headers()).unwrap_or_default(),
        method = %request.method(),
        route = route_of(request.uri().path()),
        profile = tracing::field::Empty,
    )
}
