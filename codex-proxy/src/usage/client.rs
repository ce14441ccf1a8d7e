use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use codex_auth::{
    Backend, CredentialError, CredentialProvider, Credentials, RouteHint,
    usage::{Reading, UnreadableAnswer},
};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use jiff::Timestamp;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::{
    BoxError,
    auth::{CodexAuth, CodexAuthLayer},
    error::find,
    upstream::{OUR_USER_AGENT, Targets},
};

const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The answer is about a kilobyte.
const LONGEST_ANSWER_BYTES: usize = 1 << 20;

/// Asks OpenAI how much of its limits a login has used, which counts towards none of them.
#[derive(Debug, Clone)]
pub struct UsageClient<P> {
    service: CodexAuth<Endpoint, P>,
}

/// Why the limits are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The login is an API key: the public API has no such limits.
    #[error("an API key has no limits of this kind")]
    NoQuota,
    /// There are no credentials to ask with; the error says what helps.
    #[error(transparent)]
    Login(CredentialError),
    /// This account is not told its limits. Asking again soon helps nothing.
    #[error("OpenAI does not tell the limits of this account (it answered {0})")]
    NotOffered(StatusCode),
    /// Asked too often: wait.
    #[error("OpenAI was asked too often")]
    Busy {
        /// For so long, if it was said.
        retry_after: Option<Duration>,
    },
    /// Another refusal, or a failure of the server: try again later.
    #[error("OpenAI answered {0}")]
    Refused(StatusCode),
    /// Look at the network.
    #[error("OpenAI could not be reached")]
    NoAnswer(#[source] BoxError),
    /// Another program may be between us and OpenAI.
    #[error(transparent)]
    Unreadable(#[from] UnreadableAnswer),
}

impl UsageError {
    /// Whether nothing but signing in again helps.
    #[must_use]
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::Login(CredentialError::LoginRequired { .. }))
    }
}

impl<P: CredentialProvider + Clone> UsageClient<P> {
    /// Asks the ChatGPT backend of `targets` over `client`, with the logins of `provider`: they are
    /// refreshed when they must be, as for every request.
    #[must_use]
    pub fn new(provider: P, client: reqwest::Client, targets: Targets) -> Self {
        let endpoint = Endpoint { client, targets };
        Self {
            service: CodexAuthLayer::new(provider).layer(endpoint),
        }
    }

    /// What is used by the login that `hint` asks for.
    ///
    /// # Errors
    /// A [`UsageError`].
    ///
    /// # Cancellation
    /// May be dropped at any time: a refresh under way goes on to its end.
    pub async fn ask(&self, hint: RouteHint) -> Result<Reading, UsageError> {
        let mut request = Request::new(Empty::<Bytes>::new());
        request.extensions_mut().insert(hint);
        let answer = self.service.clone().oneshot(request).await;
        let (head, body) = answer.map_err(of_error)?.into_parts();
        if !head.status.is_success() {
            return Err(of_refusal(head.status, &head.headers));
        }
        let body = Limited::new(body, LONGEST_ANSWER_BYTES).collect().await;
        let body = body.map_err(UsageError::NoAnswer)?.to_bytes();
        Ok(Reading::of_answer(&body, Timestamp::now())?)
    }
}

/// The one address, whatever the request says. Nothing but the login goes there.
#[derive(Debug, Clone)]
struct Endpoint {
    client: reqwest::Client,
    targets: Targets,
}

impl Endpoint {
    /// *Source:* wire reference 9.3.
    async fn send(
        self,
        credentials: Option<Credentials>,
    ) -> Result<Response<reqwest::Body>, BoxError> {
        let has_quota = |it: &Credentials| it.backend() == Backend::ChatGpt;
        let credentials = credentials.filter(has_quota).ok_or(UsageError::NoQuota)?;
        let mut headers = HeaderMap::new();
        credentials.apply(&mut headers);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(OUR_USER_AGENT));
        let request = self.client.get(self.targets.usage()).headers(headers);
        let answer = request.timeout(ANSWER_LIMIT).send().await;
        Ok(answer.map_err(reqwest::Error::without_url)?.into())
    }
}

impl<B> Service<Request<B>> for Endpoint {
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let credentials = request.extensions().get::<Credentials>().cloned();
        Box::pin(self.clone().send(credentials))
    }
}

fn of_error(error: BoxError) -> UsageError {
    match error.downcast::<UsageError>() {
        Ok(error) => *error,
        Err(error) => match find::<CredentialError>(error.as_ref()) {
            Some(login) => UsageError::Login(login.clone()),
            None => UsageError::NoAnswer(error),
        },
    }
}

/// A page instead of an answer was put up by something in between: it says nothing of the account.
fn of_refusal(status: StatusCode, headers: &HeaderMap) -> UsageError {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    let is_page = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
    match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND if !is_page => UsageError::NotOffered(status),
        StatusCode::TOO_MANY_REQUESTS => UsageError::Busy {
            retry_after: text(header::RETRY_AFTER)
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs),
        },
        _ => UsageError::Refused(status),
    }
}
