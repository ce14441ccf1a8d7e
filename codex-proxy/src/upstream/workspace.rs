//! Where a workspace wants its requests to go.
//!
//! A workspace can be bound to another origin or region. Codex asks `wham/accounts/check` once
//! for each login before its first model call and obeys the answer (wire reference 5.1); so does
//! [`WorkspaceLayer`]. Without it, such accounts may be refused or served from the wrong place.
//!
//! It belongs right outside [`Upstream`](super::Upstream), inside the credentials.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use codex_auth::{Backend, Credentials, ProfileRef, credentials::CHATGPT_ACCOUNT_ID};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use reqwest::Url;
use serde::Deserialize;
use tower::{Layer, Service};

use super::{Targets, headers::introduce_ourselves};
use crate::{ApiError, BoxError, spans::Step};

const ROUTING_OVERRIDE: HeaderName = HeaderName::from_static("x-openai-account-routing-override");
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const NO_CONSTRAINT: &str = "NO_CONSTRAINT";

/// In a request's extensions: the origin its login's workspace is bound to.
#[derive(Debug, Clone)]
pub(super) struct WorkspaceOrigin(pub(super) Url);

/// Obeys the routing of workspaces, which is asked for once per login.
#[derive(Debug, Clone)]
pub struct WorkspaceLayer {
    discovery: Arc<Discovery>,
}

impl WorkspaceLayer {
    /// Asks the ChatGPT backend of `targets` over `client`.
    #[must_use]
    pub fn new(client: reqwest::Client, targets: Targets) -> Self {
        Self {
            discovery: Arc::new(Discovery {
                client,
                targets,
                known: Mutex::default(),
            }),
        }
    }
}

impl<S> Layer<S> for WorkspaceLayer {
    type Service = Workspace<S>;

    fn layer(&self, inner: S) -> Workspace<S> {
        Workspace {
            inner,
            discovery: self.discovery.clone(),
        }
    }
}

/// The service of [`WorkspaceLayer`].
#[derive(Debug, Clone)]
pub struct Workspace<S> {
    inner: S,
    discovery: Arc<Discovery>,
}

impl<S, B, R> Service<Request<B>> for Workspace<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<R>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        // A Codex client's own value is about its own account.
        request.headers_mut().remove(ROUTING_OVERRIDE);
        let credentials = request.extensions().get::<Credentials>();
        let Some(credentials) = credentials
            .filter(|it| it.backend() == Backend::ChatGpt)
            .cloned()
        else {
            return Box::pin(ready.call(request));
        };
        if let Some(routing) = self.discovery.recall(&credentials) {
            routing.apply(&mut request);
            return Box::pin(ready.call(request));
        }
        let discovery = self.discovery.clone();
        Box::pin(async move {
            let step = Step::begin(request.extensions(), "workspace");
            let routing = step
                .watch(discovery.ask(&credentials), Clone::clone)
                .await?;
            step.end();
            routing.apply(&mut request);
            ready.call(request).await
        })
    }
}

#[derive(Debug)]
struct Discovery {
    client: reqwest::Client,
    targets: Targets,
    /// For each profile the login that was asked for, and the answer.
    known: Mutex<HashMap<ProfileRef, (Credentials, Routing)>>,
}

impl Discovery {
    fn recall(&self, credentials: &Credentials) -> Option<Routing> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_for, routing) = known.get(credentials.profile())?;
        asked_for.same_bearer(credentials).then(|| routing.clone())
    }

    /// What was answered for this account before its tokens were refreshed.
    fn last_known(&self, credentials: &Credentials) -> Option<Routing> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_for, routing) = known.get(credentials.profile())?;
        asked_for.same_account(credentials).then(|| routing.clone())
    }

    fn remember(&self, credentials: &Credentials, routing: &Routing) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(
            credentials.profile().clone(),
            (credentials.clone(), routing.clone()),
        );
    }

    async fn ask(&self, credentials: &Credentials) -> Result<Routing, ApiError> {
        let problem = match self.fetch(credentials).await {
            Ok(Answer::Routing(routing)) => {
                self.remember(credentials, &routing);
                return Ok(routing);
            }
            // The model call will be answered the same way, and then the login is refreshed.
            Ok(Answer::Unauthorized) => return Ok(Routing::default()),
            Err(problem) => problem,
        };
        tracing::warn!(profile = %credentials.profile(), problem, "workspace routing is unknown");
        if let Some(routing) = self.last_known(credentials) {
            return Ok(routing);
        }
        if self.targets.chatgpt_is_plain_http() {
            return Ok(Routing::default());
        }
        let message = "the ChatGPT backend did not say where this account's workspace is served; \
                       try again";
        Err(ApiError::upstream(
            StatusCode::BAD_GATEWAY,
            "workspace_routing_failed",
            message,
        ))
    }

    async fn fetch(&self, credentials: &Credentials) -> Result<Answer, &'static str> {
        let mut headers = HeaderMap::new();
        credentials.apply(&mut headers);
        introduce_ourselves(&mut headers);
        let account = headers.get(CHATGPT_ACCOUNT_ID).cloned();
        let url = self.targets.accounts_check();
        let request = self.client.get(url).headers(headers).timeout(ANSWER_LIMIT);
        let answer = request.send().await.map_err(|_| "no answer")?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(Answer::Unauthorized),
            _ => return Err("the answer is not 200"),
        }
        let accounts = answer
            .json::<Accounts>()
            .await
            .map_err(|_| "the answer is unreadable")?;
        let account = accounts
            .find(account.as_ref())
            .ok_or("the account is not in the answer")?;
        Routing::try_from(account).map(Answer::Routing)
    }
}

enum Answer {
    Routing(Routing),
    Unauthorized,
}

/// What a workspace wants; nothing, as a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Routing {
    origin: Option<Url>,
    region: Option<HeaderValue>,
}

impl Routing {
    fn apply<B>(self, request: &mut Request<B>) {
        if let Some(region) = self.region {
            request.headers_mut().insert(ROUTING_OVERRIDE, region);
        }
        if let Some(origin) = self.origin {
            request.extensions_mut().insert(WorkspaceOrigin(origin));
        }
    }
}

impl TryFrom<Account> for Routing {
    type Error = &'static str;

    fn try_from(account: Account) -> Result<Self, &'static str> {
        let constraint = |text: Option<String>| text.filter(|text| text != NO_CONSTRAINT);
        let origin = constraint(account.workspace_backend_origin).map(|text| origin(&text));
        let region = constraint(account.routing_override);
        let region = region.map(|text| HeaderValue::try_from(text).map_err(|_| "an odd region"));
        Ok(Self {
            origin: origin.transpose()?,
            region: region.transpose()?,
        })
    }
}

/// As Codex does: a login goes nowhere but over https.
fn origin(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "the workspace's origin is not an address")?;
    let bare = url.username().is_empty() && url.password().is_none();
    if url.scheme() == "https" && bare {
        Ok(url)
    } else {
        Err("the workspace's origin is not https")
    }
}

#[derive(Deserialize)]
struct Accounts {
    accounts: AccountList,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AccountList {
    List(Vec<Account>),
    Map(HashMap<String, MapEntry>),
}

#[derive(Deserialize)]
struct MapEntry {
    account: Account,
}

#[derive(Deserialize)]
struct Account {
    #[serde(alias = "account_id")]
    id: Option<String>,
    workspace_backend_origin: Option<String>,
    #[serde(rename = "account_routing_override")]
    routing_override: Option<String>,
}

impl Accounts {
    /// The login's own account; a login without one has a single account.
    fn find(self, id: Option<&HeaderValue>) -> Option<Account> {
        let mut accounts: Vec<Account> = match self.accounts {
            AccountList::List(list) => list,
            AccountList::Map(map) => map.into_iter().map(|(id, entry)| entry.named(id)).collect(),
        };
        let Some(id) = id else {
            return accounts.pop().filter(|_| accounts.is_empty());
        };
        accounts.into_iter().find(|account| account.is_named(id))
    }
}

impl MapEntry {
    fn named(self, id: String) -> Account {
        Account {
            id: self.account.id.or(Some(id)),
            ..self.account
        }
    }
}

impl Account {
    fn is_named(&self, id: &HeaderValue) -> bool {
        self.id
            .as_ref()
            .is_some_and(|own| own.as_bytes() == id.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn routing(answer: Value, id: &'static str) -> Option<Result<Routing, &'static str>> {
        let accounts: Accounts = serde_json::from_value(answer).unwrap();
        accounts
            .find(Some(&HeaderValue::from_static(id)))
            .map(Routing::try_from)
    }

    fn account(origin: &str, region: &str) -> Value {
        json!({"id": "a", "workspace_backend_origin": origin, "account_routing_override": region})
    }

    #[test]
    fn the_entry_of_the_logins_own_account_counts() {
        let other = json!({"id": "b", "workspace_backend_origin": "https://eu.example"});
        let answer = json!({"accounts": [other, account(NO_CONSTRAINT, "us")]});
        let found = routing(answer.clone(), "a").unwrap().unwrap();
        assert_eq!(found.origin, None);
        assert_eq!(found.region.unwrap(), "us");
        assert!(routing(answer, "c").is_none());
    }

    #[test]
    fn the_older_form_of_the_answer_is_understood() {
        let entry = json!({"account": {"account_id": "a", "workspace_backend_origin": "https://eu.example"}});
        let found = routing(json!({"accounts": {"a": entry}}), "a")
            .unwrap()
            .unwrap();
        assert_eq!(found.origin.unwrap().as_str(), "https://eu.example/");
    }

    #[test]
    fn a_login_is_never_sent_to_an_origin_that_is_not_https() {
        for odd in [
            "http://eu.example",
            "https://user:pw@eu.example",
            "eu.example",
        ] {
            let answer = json!({"accounts": [account(odd, NO_CONSTRAINT)]});
            assert!(routing(answer, "a").unwrap().is_err(), "{odd}");
        }
    }
}
